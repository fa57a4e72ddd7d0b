"""Triton kernels of a training step: gated activation, residual and norm, each with its gradient.

With heads.py and cross_entropy.py they are all of `dispatch.training_kernels`. The library computes each in several kernels that keep their intermediate results; these keep their inputs and nothing else.
Imports Triton; ask `dispatch.py` whether it is there.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

from glm_core.models.kernels.cross_entropy import logits_to_errors
from glm_core.models.kernels.decoder import _scaled, add_rms_norm, silu_mul_rows
from glm_core.models.kernels.heads import Rotation, SplitRotation, rotate_heads

__all__ = [
    "AddNorm",
    "GatedActivation",
    "GatedProduct",
    "Norm",
    "Rotation",
    "SplitRotation",
    "logits_to_errors",
    "rotate_heads",
]

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
        silu_mul_rows[grid](gate, up, out, both.stride(0), both.stride(0), gate.shape[1], BLOCK=BLOCK, EARLY=False)
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
        silu_mul_rows[grid](gate, up, out, gate.stride(0), up.stride(0), gate.shape[1], BLOCK=BLOCK, EARLY=False)
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


def _norm_gradients(to_total, to_normed, total, weight, eps: float, added: Sequence[torch.Tensor] | None = None):
    """Gradients of what was added and of the residual, (N, H), from those of their sum and of its RMSNorm by `weight`.

    Args:
        total: the sum; with `added`, what was added and the weight of the norm it took, the residual.
    """
    total = total.contiguous()
    to_residual = torch.empty_like(total)
    to_states = to_residual if added is None else torch.empty_like(total)
    states, before = added or (total, weight)
    block = triton.next_power_of_2(total.shape[1])
    _add_rms_norm_back[(total.shape[0],)](
        to_total.contiguous(),
        to_normed.contiguous(),
        states,
        total,
        before,
        weight,
        to_states,
        to_residual,
        eps,
        total.shape[1],
        BEFORE=added is not None,
        BLOCK=block,
        num_warps=min(8, max(1, block // 256)),
    )
    return to_states, to_residual


class Norm(torch.autograd.Function):
    """`states` (..., H) as they are and their RMSNorm by a frozen `weight` (H,), for a layer that adds to what it normalizes.

    One kernel computes the gradient of both. Only the input is kept.
    """

    @staticmethod
    def forward(ctx, states, weight, eps):
        ctx.save_for_backward(states, weight)
        ctx.eps = eps
        return states.view_as(states), F.rms_norm(states, weight.shape, weight, eps)

    @staticmethod
    def backward(ctx, to_states, to_normed):
        states, weight = ctx.saved_tensors
        straight, normed, total = (one.reshape(-1, one.shape[-1]) for one in (to_states, to_normed, states))
        return _norm_gradients(straight, normed, total, weight, ctx.eps)[1].view(states.shape), None, None


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
        total, *added, weight = ctx.saved_tensors
        return *_norm_gradients(to_total, to_normed, total, weight, ctx.eps, added or None), None, None, None
