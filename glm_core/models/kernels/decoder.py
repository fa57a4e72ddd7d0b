"""Triton kernels of one decode step of a pre-normalized decoder: RMSNorm, grouped queries, a gated MLP.

They serve ChatGLM2/3, GLM-4, Llama, Qwen and their kin, as `triton.py` serves ChatGLM-6B; products with weights are there.
Imports Triton; ask `dispatch.py` for it instead of importing it. All take contiguous tensors, but where they say otherwise.
"""

import torch
import triton
import triton.language as tl

from glm_core.models.kernels.grouped_attention import attend_grouped
from glm_core.models.kernels.launch import EARLY, _take_turn

__all__ = ["add_rms_norm", "attend_grouped", "silu_mul", "silu_mul_rows"]


@triton.jit
def _scaled(states, weight, inside, eps, width):
    """RMSNorm of one row in float32, rounded to the weight's type before it is scaled, as the library does."""
    wide = states.to(tl.float32)
    rms = tl.rsqrt(tl.sum(wide * wide) / width + eps)
    return (wide * rms).to(weight.dtype) * weight


@triton.jit
def _add_rms_norm(
    states,
    residual,
    before,
    weight,
    total_out,
    out,
    eps,
    width,
    BEFORE: tl.constexpr,
    BLOCK: tl.constexpr,
    EARLY: tl.constexpr,
):
    row, column = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    inside = column < width
    factor = tl.load(weight + column, inside, 0.0)
    if BEFORE:
        own_factor = tl.load(before + column, inside, 0.0)
    _take_turn(EARLY)
    own = tl.load(states + row * width + column, inside, 0.0)
    if BEFORE:
        own = _scaled(own, own_factor, inside, eps, width)
    total = (own.to(tl.float32) + tl.load(residual + row * width + column, inside, 0.0).to(tl.float32)).to(own.dtype)
    tl.store(total_out + row * width + column, total, inside)
    tl.store(out + row * width + column, _scaled(total, factor, inside, eps, width), inside)


def add_rms_norm(
    states: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float, before: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the new residual (B, H), `states` + `residual`, and its RMSNorm (B, H).

    Args:
        before: the weight (H,) of a norm that `states` take before they are added (GLM-4-0414 has one).
    """
    total, out, width = torch.empty_like(states), torch.empty_like(states), states.shape[1]
    block = triton.next_power_of_2(width)
    _add_rms_norm[(states.shape[0],)](
        states,
        residual,
        weight if before is None else before,
        weight,
        total,
        out,
        eps,
        width,
        BEFORE=before is not None,
        BLOCK=block,
        EARLY=EARLY,
        num_warps=min(8, max(1, block // 256)),
        launch_pdl=EARLY,
    )
    return total, out


@triton.jit
def silu_mul_rows(
    gate,
    up,
    out,
    gate_stride,
    up_stride,
    width,
    BLOCK: tl.constexpr,
    EARLY: tl.constexpr,
):
    """`BLOCK` columns of one row a program; of a decode step and, with its gradient in `layers.py`, of a training step."""
    row, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < width
    _take_turn(EARLY)
    own = tl.load(gate + row * gate_stride + column, inside, 0.0)
    wide = own.to(tl.float32)
    active = (wide * tl.sigmoid(wide)).to(own.dtype)
    tl.store(out + row * width + column, active * tl.load(up + row * up_stride + column, inside, 0.0), inside)


def silu_mul(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """SiLU of `gate` times `up`, both (B, F), each contiguous or columns of another tensor."""
    rows, width = gate.shape
    out, block = gate.new_empty(rows, width), 512
    silu_mul_rows[(rows, triton.cdiv(width, block))](
        gate,
        up,
        out,
        gate.stride(0),
        up.stride(0),
        width,
        BLOCK=block,
        EARLY=EARLY,
        launch_pdl=EARLY,
    )
    return out
