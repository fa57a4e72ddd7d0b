"""Triton kernels of a training step's queries, keys and values: split, normalized where the network does that, turned.

Each head is read and written once a way, with any strides. Imports Triton; ask `dispatch.py` for the kernels, which `layers.py`
has all of.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def _rotate(
    states,
    cosine,
    sine,
    out,
    norm,
    source,
    heads,
    columns,
    sign,
    eps,
    row_stride,
    column_stride,
    head_stride,
    angle_row_stride,
    angle_stride,
    out_row_stride,
    out_column_stride,
    out_head_stride,
    PAIRS: tl.constexpr,
    AXES: tl.constexpr,
    TURNED: tl.constexpr,
    NORM: tl.constexpr,
    BACK: tl.constexpr,
    D: tl.constexpr,
    HEADS: tl.constexpr,
):
    """`HEADS` heads of one token (D,) a program; pairs as in `decoder._head`, within the share of each of `AXES` of a head.

    With `NORM` heads are normalized before they turn, or, turned back, their gradients go through that norm of `source`, which
    has the strides of `out`.
    """
    width: tl.constexpr = TURNED // AXES
    half: tl.constexpr = width // 2
    token = tl.program_id(0).to(tl.int64)
    head, column = tl.program_id(1) * HEADS + tl.arange(0, HEADS)[:, None], tl.arange(0, D)
    if PAIRS:
        other, angle, second = column ^ 1, column // 2, column % 2
    else:
        within = column % width
        other, second = column - within + (within + half) % width, within // half
        angle = column // width * half + within % half
    turns, inside = column < TURNED, head < heads
    row, place = token // columns, token % columns
    own = states + row * row_stride + place * column_stride + head * head_stride
    target = row * out_row_stride + place * out_column_stride + head * out_head_stride + column[None, :]
    straight = tl.load(own + column[None, :], inside, 0.0)
    kind = straight.dtype
    paired = tl.load(own + other[None, :], inside & turns[None, :], 0.0)
    if NORM and not BACK:
        wide = straight.to(tl.float32)
        rms = tl.rsqrt(tl.sum(wide * wide, 1) / D + eps)[:, None]
        straight = (wide * rms).to(kind) * tl.load(norm + column)[None, :]
        paired = (paired.to(tl.float32) * rms).to(kind) * tl.load(norm + other, turns, 0.0)[None, :]
    start = row * angle_row_stride + place * angle_stride
    a = tl.load(cosine + start + angle, turns, 1.0).to(tl.float32)[None, :]
    b = tl.load(sine + start + angle, turns, 0.0).to(tl.float32)[None, :] * sign
    wide, paired = straight.to(tl.float32), paired.to(tl.float32)
    turned = wide * a + tl.where(second[None, :] == 1, paired, -paired) * b
    result = tl.where(turns[None, :], turned, wide)
    if NORM and BACK:
        given = tl.load(source + target, inside, 0.0).to(tl.float32)
        rms = tl.rsqrt(tl.sum(given * given, 1) / D + eps)[:, None]
        result *= tl.load(norm + column).to(tl.float32)[None, :]
        result = rms * (result - given * (rms * rms * tl.sum(result * given, 1)[:, None] / D))
    tl.store(out + target, result.to(kind), inside)


def rotate_heads(
    states: torch.Tensor,
    cosine: torch.Tensor,
    sine: torch.Tensor,
    out: torch.Tensor,
    turned: int,
    *,
    pairs: bool = False,
    axes: int = 1,
    back: bool = False,
    norm: tuple[torch.Tensor, float] | None = None,
    source: torch.Tensor | None = None,
) -> None:
    """Write heads (B, S, heads, D), turned by the angles of their tokens, into `out` of the same shape; D is a power of two.

    Args:
        cosine, sine: (B or 1, S, angles): the first `turned` / 2 of a token are read, those of its first axis first.
        turned: entries of a head that turn, the first ones; each axis has its share of them.
        pairs: an entry turns with its neighbor (GLM), not with the one half a share away; of one axis only.
        back: turn gradients of turned heads back.
        norm: weight (D,) and eps of an RMSNorm that heads take first; of gradients `source` is what it took, laid out as `out`.
    """
    rows, columns, heads, width = states.shape
    if states.stride(-1) != 1:
        states = states.contiguous()
    together = min(8, triton.next_power_of_2(heads))
    weight, eps = norm or (cosine, 0.0)
    _rotate[(rows * columns, triton.cdiv(heads, together))](
        states,
        cosine,
        sine,
        out,
        weight,
        states if source is None else source,
        heads,
        columns,
        -1.0 if back else 1.0,
        eps,
        *states.stride()[:3],
        cosine.stride(0) if cosine.shape[0] > 1 else 0,
        cosine.stride(1),
        *out.stride()[:3],
        PAIRS=pairs,
        AXES=axes,
        TURNED=turned,
        NORM=norm is not None,
        BACK=back,
        D=width,
        HEADS=together,
    )


class Rotation(torch.autograd.Function):
    """Heads (B, S, heads, D) turned by the angles of their positions, cosine and sine (B or 1, S, R); nothing but these is kept."""

    @staticmethod
    def forward(ctx, states, cosine, sine, pairs):
        ctx.save_for_backward(cosine, sine)
        ctx.pairs, out = pairs, states.new_empty(states.shape)
        rotate_heads(states, cosine, sine, out, cosine.shape[-1], pairs=pairs)
        return out

    @staticmethod
    def backward(ctx, gradient):
        cosine, sine = ctx.saved_tensors
        out = gradient.new_empty(gradient.shape)
        rotate_heads(gradient, cosine, sine, out, cosine.shape[-1], pairs=ctx.pairs, back=True)
        return out, None, None, None


class SplitRotation(torch.autograd.Function):
    """Query, key and value (B, S, heads, D) of one tensor (B, S, all) that has them behind each other; the first two turned.

    None of the results is a part of that tensor, which is kept only where frozen `norms` (D,) with `eps` are put on the heads of
    queries and keys before they turn; else cosine and sine (B or 1, S, R) are all that is kept.
    """

    @staticmethod
    def forward(ctx, joint, cosine, sine, sizes, pairs, norms, eps):
        ctx.sizes, ctx.pairs, ctx.eps = sizes, pairs, eps
        ctx.save_for_backward(cosine, sine, *((joint, *norms) if norms else ()))
        parts, found = _parts(joint, sizes), []
        for number, part in enumerate(parts[:2]):
            found.append(part.new_empty(part.shape))
            norm = (norms[number], eps) if norms else None
            rotate_heads(part, cosine, sine, found[-1], cosine.shape[-1], pairs=pairs, norm=norm)
        return *found, parts[2].contiguous()

    @staticmethod
    def backward(ctx, *gradients):
        cosine, sine, *more = ctx.saved_tensors
        rows, columns, _, width = gradients[0].shape
        joint = gradients[0].new_empty(rows, columns, sum(ctx.sizes) * width)
        parts, given = _parts(joint, ctx.sizes), _parts(more[0], ctx.sizes) if more else (None, None)
        for number, part in enumerate(parts[:2]):
            norm = (more[1 + number], ctx.eps) if more else None
            own = {"pairs": ctx.pairs, "back": True, "norm": norm, "source": given[number]}
            rotate_heads(gradients[number], cosine, sine, part, cosine.shape[-1], **own)
        parts[2].copy_(gradients[2])
        return joint, *(None,) * 6


def _parts(joint: torch.Tensor, sizes: tuple[int, int, int]) -> tuple[torch.Tensor, ...]:
    """Query, key and value (B, S, heads, D), of so many heads each, within (B, S, all)."""
    return joint.unflatten(-1, (sum(sizes), -1)).split(sizes, 2)
