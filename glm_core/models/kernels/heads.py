"""Triton kernels of a training step's queries, keys and values: split, normalized where the network does that, turned.

Each head is read and written once a way, with any strides. Imports Triton; ask `dispatch.py` for the kernels, which `layers.py`
has all of.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def _read_pairs(start, there, TURNED: tl.constexpr, BLOCK: tl.constexpr, AXES: tl.constexpr, PAIRS: tl.constexpr):
    """The first and the second entry of each pair of the heads at `start` (HEADS, 1), (HEADS, BLOCK) each.

    A pair is an entry and its neighbor (`PAIRS`), or, within the share of each of `AXES`, the entry half a share away.
    """
    if PAIRS:
        column = tl.arange(0, 2 * BLOCK)[None, :]
        both = tl.load(start + column, there & (column < TURNED), 0.0)
        one, other = tl.split(tl.reshape(both, (both.shape[0], BLOCK, 2)))
    else:
        half: tl.constexpr = TURNED // AXES // 2
        pair = tl.arange(0, BLOCK)[None, :]
        place, inside = pair // half * (2 * half) + pair % half, there & (pair < TURNED // 2)
        one, other = tl.load(start + place, inside, 0.0), tl.load(start + place + half, inside, 0.0)
    return one, other


@triton.jit
def _write_pairs(
    start, one, other, there, TURNED: tl.constexpr, BLOCK: tl.constexpr, AXES: tl.constexpr, PAIRS: tl.constexpr
):
    if PAIRS:
        column = tl.arange(0, 2 * BLOCK)[None, :]
        both = tl.reshape(tl.join(one, other), (one.shape[0], 2 * BLOCK))
        tl.store(start + column, both, there & (column < TURNED))
    else:
        half: tl.constexpr = TURNED // AXES // 2
        pair = tl.arange(0, BLOCK)[None, :]
        place, inside = pair // half * (2 * half) + pair % half, there & (pair < TURNED // 2)
        tl.store(start + place, one, inside)
        tl.store(start + place + half, other, inside)


@triton.jit
def _rotate(
    states,
    cosine,
    sine,
    out,
    query_norm,
    key_norm,
    source,
    heads,
    queries,
    turning,
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
    APART: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    HEADS: tl.constexpr,
):
    """`HEADS` heads of one token (D,) a program: the first `turning` ones turn, the others are copied.

    With `NORM` heads are normalized before they turn, the first `queries` by one weight and the others by another; or, turned
    back, their gradients go through that norm of `source`, which has the strides of `out`. `APART` writes queries, keys
    and values one behind the other.
    """
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)[:, None]
    column, pair = tl.arange(0, D)[None, :], tl.arange(0, BLOCK)
    there, turns, rest = head < heads, head < turning, column >= TURNED
    row, place = token // columns, token % columns
    own = states + row * row_stride + place * column_stride + head.to(tl.int64) * head_stride
    if APART:
        begin = tl.where(turns, tl.where(head < queries, 0, queries), turning)
        end = tl.where(turns, tl.where(head < queries, queries, turning), heads)
        tokens = tl.num_programs(0).to(tl.int64)
        target = (tokens * begin + token * (end - begin) + head - begin) * D
    else:
        target = row * out_row_stride + place * out_column_stride + head.to(tl.int64) * out_head_stride
    first, second = _read_pairs(own, there, TURNED, BLOCK, AXES, PAIRS)
    kind = first.dtype
    x, y = first.to(tl.float32), second.to(tl.float32)
    if TURNED < D:
        straight = tl.load(own + column, there & rest, 0.0)
        z = straight.to(tl.float32)
    if NORM:
        is_query, no_offset = head < queries, tl.zeros((HEADS, 1), tl.int32)
        a_query, b_query = _read_pairs(query_norm + no_offset, is_query, TURNED, BLOCK, AXES, PAIRS)
        a_key, b_key = _read_pairs(key_norm + no_offset, is_query == 0, TURNED, BLOCK, AXES, PAIRS)
        first_factor, second_factor = a_query + a_key, b_query + b_key  # one of the two is zero
        if TURNED < D:
            factor = tl.where(is_query, tl.load(query_norm + column), tl.load(key_norm + column))
    if NORM and not BACK:
        squares = tl.sum(x * x, 1) + tl.sum(y * y, 1)
        if TURNED < D:
            squares += tl.sum(z * z, 1)
        rms = tl.rsqrt(squares / D + eps)[:, None]
        x, y = ((x * rms).to(kind) * first_factor).to(tl.float32), ((y * rms).to(kind) * second_factor).to(tl.float32)
        if TURNED < D:
            z = ((z * rms).to(kind) * factor).to(tl.float32)
    angle = row * angle_row_stride + place * angle_stride + pair
    a = tl.load(cosine + angle, pair < TURNED // 2, 0.0).to(tl.float32)[None, :]
    b = tl.load(sine + angle, pair < TURNED // 2, 0.0).to(tl.float32)[None, :] * sign
    x, y = x * a - y * b, y * a + x * b
    if NORM and BACK:
        given, also = _read_pairs(source + target, there, TURNED, BLOCK, AXES, PAIRS)
        given, also = given.to(tl.float32), also.to(tl.float32)
        x, y = x * first_factor.to(tl.float32), y * second_factor.to(tl.float32)
        squares, product = tl.sum(given * given, 1) + tl.sum(also * also, 1), tl.sum(x * given, 1) + tl.sum(y * also, 1)
        if TURNED < D:
            kept = tl.load(source + target + column, there & rest, 0.0).to(tl.float32)
            z = z * factor.to(tl.float32)
            squares, product = squares + tl.sum(kept * kept, 1), product + tl.sum(z * kept, 1)
        rms = tl.rsqrt(squares / D + eps)[:, None]
        share = rms * rms * product[:, None] / D
        x, y = rms * (x - given * share), rms * (y - also * share)
        if TURNED < D:
            z = rms * (z - kept * share)
    first, second = tl.where(turns, x.to(kind), first), tl.where(turns, y.to(kind), second)
    _write_pairs(out + target, first, second, there, TURNED, BLOCK, AXES, PAIRS)
    if TURNED < D:
        tl.store(out + target + column, tl.where(turns, z.to(kind), straight), there & rest)


MOST_HEADS, WARPS = 16, 4
"Heads of one program, and its warps."


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
    norms: tuple[torch.Tensor, torch.Tensor, float] | None = None,
    source: torch.Tensor | None = None,
    sizes: tuple[int, int, int] | None = None,
) -> None:
    """Write heads (B, S, heads, D), turned by the angles of their tokens, into `out`; D is a power of two.

    Args:
        out: (B, S, heads, D), or with `sizes` all of them flat.
        cosine, sine: (B or 1, S, angles): the first `turned` / 2 of a token are read, those of its first axis first.
        turned: entries of a head that turn, the first ones; each axis has its share of them.
        pairs: an entry turns with its neighbor (GLM), not with the one half a share away; of one axis only.
        back: turn gradients of turned heads back.
        norms: weights (D,) of an RMSNorm that queries and keys take first, and its eps; of gradients `source` is what it took, laid
            out as `out`. Without `sizes` all heads take the first one.
        sizes: how many of the heads are queries, keys and values. Values are copied; `out` gets all queries, then all keys, then
            all values.
    """
    rows, columns, heads, width = states.shape
    if states.stride(-1) != 1:
        states = states.contiguous()
    queries, keys, _ = sizes or (heads, 0, 0)
    together = min(MOST_HEADS, triton.next_power_of_2(heads))
    query_norm, key_norm, eps = norms or (cosine, cosine, 0.0)
    _rotate[(rows * columns, triton.cdiv(heads, together))](
        states,
        cosine,
        sine,
        out,
        query_norm,
        key_norm,
        states if source is None else source,
        heads,
        queries,
        queries + keys,
        columns,
        -1.0 if back else 1.0,
        eps,
        *states.stride()[:3],
        cosine.stride(0) if cosine.shape[0] > 1 else 0,
        cosine.stride(1),
        *((0, 0, 0) if sizes else out.stride()[:3]),
        PAIRS=pairs,
        AXES=axes,
        TURNED=turned,
        NORM=norms is not None,
        BACK=back,
        APART=sizes is not None,
        D=width,
        BLOCK=triton.next_power_of_2(turned // 2),
        HEADS=together,
        num_warps=WARPS,
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

    The results are parts of one new tensor and none of that one, which is kept only where frozen `norms` (D,) with `eps` are put on the heads of
    queries and keys before they turn; else cosine and sine (B or 1, S, R) are all that is kept.
    """

    @staticmethod
    def forward(ctx, joint, cosine, sine, sizes, pairs, norms, eps):
        ctx.sizes, ctx.pairs, ctx.eps = sizes, pairs, eps
        joint = joint.contiguous()
        ctx.save_for_backward(cosine, sine, *((joint, *norms) if norms else ()))
        heads, out = joint.unflatten(-1, (sum(sizes), -1)), joint.new_empty(joint.numel())
        own = (*norms, eps) if norms else None
        rotate_heads(heads, cosine, sine, out, cosine.shape[-1], pairs=pairs, norms=own, sizes=sizes)
        shape, width = heads.shape[:2], heads.shape[-1]
        parts = out.split([heads[..., 0, 0].numel() * size * width for size in sizes])
        return tuple(part.view(*shape, size, width) for part, size in zip(parts, sizes, strict=True))

    @staticmethod
    def backward(ctx, *gradients):
        cosine, sine, *more = ctx.saved_tensors
        rows, columns, _, width = gradients[0].shape
        joint = gradients[0].new_empty(rows, columns, sum(ctx.sizes) * width)
        parts, given = _parts(joint, ctx.sizes), _parts(more[0], ctx.sizes) if more else (None, None)
        for number, part in enumerate(parts[:2]):
            norms = (more[1 + number], more[1 + number], ctx.eps) if more else None
            own = {"pairs": ctx.pairs, "back": True, "norms": norms, "source": given[number]}
            rotate_heads(gradients[number], cosine, sine, part, cosine.shape[-1], **own)
        parts[2].copy_(gradients[2])
        return joint, *(None,) * 6


def _parts(joint: torch.Tensor, sizes: tuple[int, int, int]) -> tuple[torch.Tensor, ...]:
    """Query, key and value (B, S, heads, D), of so many heads each, within (B, S, all)."""
    return joint.unflatten(-1, (sum(sizes), -1)).split(sizes, 2)
