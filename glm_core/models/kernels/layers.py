"""Triton kernels of a training step: gated activation, rotation of positions and cross-entropy, each with its gradient.

The library computes each in several kernels that keep their intermediate results; these keep their inputs and nothing else.
Imports Triton; ask `dispatch.py` whether it is there.
"""

import torch
import triton
import triton.language as tl

from glm_core.models.kernels.decoder import _scaled, add_rms_norm, silu_mul_rows

BLOCK = 1024


@triton.jit
def _gate_back(gradient, gate, up, to_gate, to_up, stride, out_stride, width, BLOCK: tl.constexpr):
    row, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < width
    own = tl.load(gradient + row * width + column, inside, 0.0)
    wide = own.to(tl.float32)
    opened = tl.load(gate + row * stride + column, inside, 0.0).to(tl.float32)
    sigmoid = tl.sigmoid(opened)
    other = tl.load(up + row * stride + column, inside, 0.0).to(tl.float32)
    slope = sigmoid * (1 + opened * (1 - sigmoid))
    tl.store(to_gate + row * out_stride + column, (wide * other * slope).to(own.dtype), inside)
    tl.store(to_up + row * out_stride + column, (wide * opened * sigmoid).to(own.dtype), inside)


def _halves(both: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    width = both.shape[-1] // 2
    return both[:, :width], both[:, width:]


class GatedActivation(torch.autograd.Function):
    """SiLU of the first half of (N, 2 F) times its second half, (N, F); only the input is kept for the gradient."""

    @staticmethod
    def forward(ctx, both):
        ctx.save_for_backward(both)
        gate, up = _halves(both)
        out = both.new_empty(gate.shape)
        grid = (both.shape[0], triton.cdiv(gate.shape[1], BLOCK))
        silu_mul_rows[grid](gate, up, out, both.stride(0), gate.shape[1], BLOCK=BLOCK, EARLY=False)
        return out

    @staticmethod
    def backward(ctx, gradient):
        (both,) = ctx.saved_tensors
        to_both = torch.empty_like(both)
        (gate, up), (to_gate, to_up) = _halves(both), _halves(to_both)
        grid = (both.shape[0], triton.cdiv(gate.shape[1], BLOCK))
        _gate_back[grid](
            gradient.contiguous(),
            gate,
            up,
            to_gate,
            to_up,
            both.stride(0),
            to_both.stride(0),
            gate.shape[1],
            BLOCK=BLOCK,
        )
        return to_both


class GatedProduct(torch.autograd.Function):
    """The same of two tensors (N, F), gate and up."""

    @staticmethod
    def forward(ctx, gate, up):
        ctx.save_for_backward(gate, up)
        out = torch.empty_like(gate)
        grid = (gate.shape[0], triton.cdiv(gate.shape[1], BLOCK))
        silu_mul_rows[grid](gate, up, out, gate.stride(0), gate.shape[1], BLOCK=BLOCK, EARLY=False)
        return out

    @staticmethod
    def backward(ctx, gradient):
        gate, up = ctx.saved_tensors
        to_gate, to_up = torch.empty_like(gate), torch.empty_like(up)
        grid = (gate.shape[0], triton.cdiv(gate.shape[1], BLOCK))
        _gate_back[grid](
            gradient.contiguous(), gate, up, to_gate, to_up, gate.stride(0), gate.stride(0), gate.shape[1], BLOCK=BLOCK
        )
        return to_gate, to_up


@triton.jit
def _norm_back(gradient, states, weight, eps, width):
    """The gradient in float32 of what an RMSNorm took, from that of what it made."""
    rms = tl.rsqrt(tl.sum(states * states) / width + eps)
    own = gradient * weight.to(tl.float32)
    return rms * (own - states * (rms * rms * tl.sum(own * states) / width))


@triton.jit
def _add_rms_norm_back(
    to_total,
    to_normed,
    states,
    residual,
    before,
    weight,
    to_states,
    to_residual,
    eps,
    width,
    BEFORE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One row; without `BEFORE`, `residual` is the sum already, and both gradients are the same."""
    row, column = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    inside, place = column < width, row * width + column
    factor = tl.load(weight + column, inside, 0.0)
    total = tl.load(residual + place, inside, 0.0)
    if BEFORE:
        added, own_factor = tl.load(states + place, inside, 0.0), tl.load(before + column, inside, 0.0)
        own = _scaled(added, own_factor, inside, eps, width)
        total = (own.to(tl.float32) + total.to(tl.float32)).to(total.dtype)  # as the forward had it
    gradient = tl.load(to_normed + place, inside, 0.0).to(tl.float32)
    gradient = _norm_back(gradient, total.to(tl.float32), factor, eps, width)
    gradient += tl.load(to_total + place, inside, 0.0).to(tl.float32)
    tl.store(to_residual + place, gradient.to(total.dtype), inside)
    if BEFORE:
        gradient = _norm_back(gradient, added.to(tl.float32), own_factor, eps, width)
        tl.store(to_states + place, gradient.to(total.dtype), inside)


class AddNorm(torch.autograd.Function):
    """The sum of `states` and `residual`, (N, H) both, and its RMSNorm by a frozen `weight` (H,); see `decoder.add_rms_norm`.

    Where `before`, the frozen weight of another norm, is put on `states` first, both inputs are kept; else the sum only.
    """

    @staticmethod
    def forward(ctx, states, residual, before, weight, eps):
        total, normed = add_rms_norm(states, residual, weight, eps, before)
        ctx.save_for_backward(*((total,) if before is None else (residual, states, before)), weight)
        ctx.eps = eps
        return total, normed

    @staticmethod
    def backward(ctx, to_total, to_normed):
        residual, *more, weight = ctx.saved_tensors
        states, before = more or (residual, weight)
        to_residual = torch.empty_like(residual)
        to_states = torch.empty_like(residual) if more else to_residual
        block = triton.next_power_of_2(residual.shape[1])
        _add_rms_norm_back[(residual.shape[0],)](
            to_total.contiguous(),
            to_normed.contiguous(),
            states,
            residual,
            before,
            weight,
            to_states,
            to_residual,
            ctx.eps,
            residual.shape[1],
            BEFORE=bool(more),
            BLOCK=block,
            num_warps=min(8, max(1, block // 256)),
        )
        return to_states, to_residual, None, None, None


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


@triton.jit
def _errors(logits, targets, losses, width, IGNORED: tl.constexpr, BLOCK: tl.constexpr):
    """Logits of one row (V,) become probabilities less the target's 1; of an ignored row zeros. Its loss goes to `losses`."""
    row, column = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    start, target = logits + row * width, tl.load(targets + row)
    highest, mass = tl.full((BLOCK,), -float("inf"), tl.float32), tl.zeros((BLOCK,), tl.float32)
    for first in range(0, width, BLOCK):
        inside = first + column < width
        scores = tl.load(start + first + column, inside, -float("inf")).to(tl.float32)
        higher = tl.maximum(highest, scores)
        known = tl.where(higher == -float("inf"), 0.0, higher)
        mass = mass * tl.exp(highest - known) + tl.exp(scores - known)
        highest = higher
    top = tl.max(highest)
    total = tl.log(tl.sum(mass * tl.exp(highest - top))) + top
    live = target != IGNORED
    wanted = tl.load(start + target, live, 0.0).to(tl.float32)
    tl.store(losses + row, tl.where(live, total - wanted, 0.0))
    for first in range(0, width, BLOCK):
        inside = first + column < width
        scores = tl.load(start + first + column, inside, 0.0)
        error = tl.exp(scores.to(tl.float32) - total) - tl.where(first + column == target, 1.0, 0.0)
        tl.store(start + first + column, tl.where(live, error, 0.0).to(scores.dtype), inside)


def logits_to_errors(logits: torch.Tensor, targets: torch.Tensor, ignored: int) -> torch.Tensor:
    """Turn `logits` (N, V), contiguous, in place into the gradients of their cross-entropies, which are returned: (N,) float32.

    Args:
        targets: (N,); rows whose target is `ignored` have loss and gradient 0.
    """
    losses = torch.empty(logits.shape[0], dtype=torch.float32, device=logits.device)
    _errors[(logits.shape[0],)](logits, targets, losses, logits.shape[1], IGNORED=ignored, BLOCK=4096, num_warps=8)
    return losses
