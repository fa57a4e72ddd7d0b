"""Triton kernels of a training step: the gated activation and the rotation of positions, each with its gradient.

The library computes each in several kernels that keep their intermediate results; these keep their inputs and nothing else.
Imports Triton; ask `dispatch.py` whether it is there.
"""

import torch
import triton
import triton.language as tl

from glm_core.models.kernels.decoder import silu_mul_rows

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
def _rotate(
    states,
    cosine,
    sine,
    out,
    heads,
    sign,
    token_stride,
    angles,
    PAIRS: tl.constexpr,
    TURNED: tl.constexpr,
    D: tl.constexpr,
    HEADS: tl.constexpr,
):
    """`HEADS` heads of one token (D,) a program; pairs as in `decoder._head`."""
    half: tl.constexpr = TURNED // 2
    token = tl.program_id(0).to(tl.int64)
    head, column = tl.program_id(1) * HEADS + tl.arange(0, HEADS)[:, None], tl.arange(0, D)
    if PAIRS:
        other, angle, second = column ^ 1, column // 2, column % 2
    else:
        other, angle, second = (column + half) % TURNED, column % half, column // half
    turns = column < TURNED
    place = token * token_stride + head * D
    inside = head < heads
    own = tl.load(states + place + column[None, :], inside, 0.0)
    paired = tl.load(states + place + other[None, :], inside & turns[None, :], 0.0).to(tl.float32)
    a = tl.load(cosine + token * angles + angle, turns, 1.0).to(tl.float32)[None, :]
    b = tl.load(sine + token * angles + angle, turns, 0.0).to(tl.float32)[None, :] * sign
    wide = own.to(tl.float32)
    turned = wide * a + tl.where(second[None, :] == 1, paired, -paired) * b
    result = tl.where(turns[None, :], turned, wide).to(own.dtype)
    tl.store(out + token * (heads * D) + head * D + column[None, :], result, inside)


def _rotated(states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, pairs: bool, sign: float) -> torch.Tensor:
    tokens, heads, width = states.shape
    if states.stride()[1:] != (width, 1):  # heads of a token side by side are all that the kernel needs
        states = states.contiguous()
    out = states.new_empty(tokens, heads, width)
    together = min(8, triton.next_power_of_2(heads))
    _rotate[(tokens, triton.cdiv(heads, together))](
        states,
        cosine,
        sine,
        out,
        heads,
        sign,
        states.stride(0),
        cosine.stride(0),
        PAIRS=pairs,
        TURNED=cosine.shape[-1],
        D=width,
        HEADS=together,
    )
    return out


class Rotation(torch.autograd.Function):
    """Heads (N, heads, D) turned by the angles of their positions, cosine and sine (N, R); nothing but these is kept."""

    @staticmethod
    def forward(ctx, states, cosine, sine, pairs):
        ctx.save_for_backward(cosine, sine)
        ctx.pairs = pairs
        return _rotated(states, cosine, sine, pairs, 1.0)

    @staticmethod
    def backward(ctx, gradient):
        cosine, sine = ctx.saved_tensors
        return _rotated(gradient, cosine, sine, ctx.pairs, -1.0), None, None, None
