"""Triton kernels of a step of few rows, where launching and reading weights is all that counts; products are in `products.py`.

Imports Triton, which comes with torch on Linux for NVIDIA GPUs; ask `dispatch.py` for this module instead of importing it.
All take contiguous tensors and write their result once. Each one's reference is the plain computation beside its call.
"""

import torch
import triton
import triton.language as tl

from glm_core.models.kernels.argmax import argmax_finite
from glm_core.models.kernels.attention_loops import MATRIX_UNITS, PLACES, _over_columns, _over_places
from glm_core.models.kernels.launch import EARLY, MANY, _take_turn
from glm_core.models.kernels.products import MOST_RANKS, SEVERAL, TOGETHER, _gelu_of, add_lora, linear

__all__ = [
    "EARLY",
    "MANY",
    "MOST_RANKS",
    "SEVERAL",
    "TOGETHER",
    "add_lora",
    "add_norm",
    "argmax_finite",
    "attend",
    "gelu",
    "linear",
]


@triton.jit
def _add_norm(states, normed, weight, bias, out, alpha, eps, width, BLOCK: tl.constexpr, EARLY: tl.constexpr):
    row, column = tl.program_id(0), tl.arange(0, BLOCK)
    inside = column < width
    factor, offset = (
        tl.load(weight + column, inside, 0.0).to(tl.float32),
        tl.load(bias + column, inside, 0.0).to(tl.float32),
    )
    _take_turn(EARLY)
    own = tl.load(states + row * width + column, inside, 0.0)
    total = own.to(tl.float32) + alpha * tl.load(normed + row * width + column, inside, 0.0).to(tl.float32)
    total = total.to(own.dtype).to(tl.float32)
    centred = tl.where(inside, total - tl.sum(total) / width, 0.0)
    scaled = centred / tl.sqrt(tl.sum(centred * centred) / width + eps)
    tl.store(out + row * width + column, (scaled * factor + offset).to(own.dtype), inside)


def add_norm(states: torch.Tensor, normed: torch.Tensor, alpha: float, weight, bias, eps: float) -> torch.Tensor:
    """Layer normalization of `states` + `alpha` x `normed`, both (B, H)."""
    out, width = torch.empty_like(states), states.shape[1]
    block = triton.next_power_of_2(width)
    warps = min(8, max(1, block // 256))
    _add_norm[(states.shape[0],)](
        states,
        normed,
        weight,
        bias,
        out,
        alpha,
        eps,
        width,
        BLOCK=block,
        EARLY=EARLY,
        num_warps=warps,
        launch_pdl=EARLY,
    )
    return out


@triton.jit
def _rotated(start, column, cosine, sine, HALF: tl.constexpr):
    """The D entries at `start`, rotated: entry i and i + HALF of each axis' 2 HALF are one pair."""
    second = (column // HALF) % 2
    own, other = tl.load(start + column), tl.load(start + column + HALF - 2 * HALF * second)
    angle = (column // (2 * HALF)) * (2 * HALF) + column % HALF  # cosines and sines of an axis follow each other
    turned = other.to(tl.float32) * tl.load(sine + angle).to(tl.float32)
    result = own.to(tl.float32) * tl.load(cosine + angle).to(tl.float32) + tl.where(second == 1, turned, -turned)
    return result.to(own.dtype)


@triton.jit
def _attend(
    fused,
    cosine,
    sine,
    keys,
    values,
    lengths,
    ahead,
    log_scale,
    out,
    scale,
    row_stride,
    head_stride,
    capacity,
    D: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    EARLY: tl.constexpr,
):
    """One head of one row a program, which writes the new column. The first columns are read before the new token is there."""
    row, head, heads = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    column, tokens = tl.arange(0, D), tl.arange(0, BLOCK)
    own = row.to(tl.int64) * row_stride + head * head_stride
    place = own + tokens[:, None] * D + column[None, :]
    next_keys = tl.load(keys + place, (tokens < capacity)[:, None], 0.0)
    next_values = tl.load(values + place, (tokens < capacity)[:, None], 0.0)
    _take_turn(EARLY)
    start = fused + (row * heads + head) * 3 * D
    query = _rotated(start, column, cosine + row * D, sine + row * D, HALF)
    key = _rotated(start + D, column, cosine + row * D, sine + row * D, HALF)
    value = tl.load(start + 2 * D + column)
    length, prefix, lift = tl.load(lengths + row), tl.load(ahead + row), tl.load(log_scale + row)
    tl.store(keys + own + length * D + column, key)
    tl.store(values + own + length * D + column, value)
    query = query.to(tl.float32) * scale
    found = _over_places(
        query, key, value, keys, values, place, tokens, next_keys, next_values, length, prefix, lift, D, BLOCK
    )
    tl.store(out + (row * heads + head) * D + column, found.to(value.dtype))


@triton.jit
def _attend_several(
    fused,
    cosine,
    sine,
    keys,
    values,
    lengths,
    ahead,
    log_scale,
    out,
    scale,
    row_stride,
    head_stride,
    D: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    HEADS: tl.constexpr,
    STAGES: tl.constexpr,
    EARLY: tl.constexpr,
):
    """As `_attend`, on the matrix units, whose `HEADS` queries are all the same one: they leave time to read ahead."""
    row, head, heads = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    column, tokens = tl.arange(0, D), tl.arange(0, BLOCK)
    own = row.to(tl.int64) * row_stride + head * head_stride
    place = own + tokens[:, None] * D + column[None, :]
    _take_turn(EARLY)
    start = fused + (row * heads + head) * 3 * D
    query = _rotated(start, column, cosine + row * D, sine + row * D, HALF)
    key = _rotated(start + D, column, cosine + row * D, sine + row * D, HALF)
    value = tl.load(start + 2 * D + column)
    length, prefix, lift = tl.load(lengths + row), tl.load(ahead + row), tl.load(log_scale + row)
    tl.store(keys + own + length * D + column, key)
    tl.store(values + own + length * D + column, value)
    query = tl.broadcast_to(query[None, :], (HEADS, D))
    found = _over_columns(
        query, key, value, keys, values, place, tokens, length, prefix, lift, scale, D, BLOCK, HEADS, STAGES
    )
    first = tl.arange(0, HEADS)[:, None] == 0
    place = out + (row * heads + head) * D + column[None, :] + 0 * tl.arange(0, HEADS)[:, None]
    tl.store(place, found.to(value.dtype), first)


NARROWEST = 16
"Width of a head that matrix units take."
SEVERAL_ROWS = (64, 2, 2) if EARLY else (32, 2, 2)
"Columns, warps, and blocks on their way at once, of a program of `_attend_several`: as many bytes as a processor has room for."


def attend(
    fused: torch.Tensor, cosine, sine, keys: torch.Tensor, values: torch.Tensor, lengths, ahead, log_scale
) -> torch.Tensor:
    """Rotate, remember, attend, for one token a row of ChatGLM-6B: (B, 3 H), q, k, v of each head together -> (B, H).

    Args:
        cosine, sine: (B, 1, 1, axes, D / axes / 2), views of one gathered table (`chatglm.attention.Rotary`).
        keys, values: (B or more, heads, capacity, D); each row's new column is written.
        lengths: (B or more), how many columns each row has, which is where its new one goes.
        ahead, log_scale: (B or more), what is added to the scores of how many columns at the beginning.
    """
    rows, (heads, width) = fused.shape[0], (keys.shape[1], keys.shape[3])
    out, half = fused.new_empty(rows, heads * width), cosine.shape[-1]
    arguments = fused, cosine, sine, keys, values, lengths, ahead, log_scale, out, width**-0.5, *keys.stride()[:2]
    how = {"D": width, "HALF": half, "EARLY": EARLY, "launch_pdl": EARLY}
    if rows > 1 and MATRIX_UNITS and width >= NARROWEST:
        block, warps, stages = SEVERAL_ROWS
        _attend_several[(rows, heads)](*arguments, BLOCK=block, HEADS=16, STAGES=stages, num_warps=warps, **how)
    else:
        block, warps = PLACES["one" if rows == 1 else "many"]
        _attend[(rows, heads)](*arguments, keys.shape[2], BLOCK=block, num_warps=warps, **how)
    return out


@triton.jit
def _gelu(states, out, count, BLOCK: tl.constexpr, EARLY: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    _take_turn(EARLY)
    own = tl.load(states + place, place < count, 0.0)
    tl.store(out + place, _gelu_of(own.to(tl.float32)).to(own.dtype), place < count)


def gelu(states: torch.Tensor) -> torch.Tensor:
    """The tanh form of GELU."""
    out, block = torch.empty_like(states), 512
    grid = (triton.cdiv(states.numel(), block),)
    _gelu[grid](states, out, states.numel(), BLOCK=block, EARLY=EARLY, launch_pdl=EARLY)
    return out
