"""Triton kernels of one decode step of a pre-normalized decoder: RMSNorm, grouped queries, a gated MLP.

They serve ChatGLM2/3, GLM-4, Llama, Qwen and their kin, as `triton.py` serves ChatGLM-6B; products with weights are there.
Imports Triton; ask `dispatch.py` for it instead of importing it. All take contiguous tensors.
"""

import torch
import triton
import triton.language as tl

from glm_core.models.kernels.launch import EARLY, _take_turn
from glm_core.models.kernels.triton import PLACES


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
def silu_mul_rows(gate, up, out, row_stride, width, BLOCK: tl.constexpr, EARLY: tl.constexpr):
    """`BLOCK` columns of one row a program; of a decode step and, with its gradient in `layers.py`, of a training step."""
    row, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < width
    _take_turn(EARLY)
    own = tl.load(gate + row * row_stride + column, inside, 0.0)
    wide = own.to(tl.float32)
    active = (wide * tl.sigmoid(wide)).to(own.dtype)
    tl.store(out + row * width + column, active * tl.load(up + row * row_stride + column, inside, 0.0), inside)


def silu_mul(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """SiLU of `gate` times `up`, both (B, F), which may be halves of one (B, 2 F)."""
    rows, width = gate.shape
    out, block = gate.new_empty(rows, width), 512
    silu_mul_rows[(rows, triton.cdiv(width, block))](
        gate, up, out, gate.stride(0), width, BLOCK=block, EARLY=EARLY, launch_pdl=EARLY
    )
    return out


@triton.jit
def _head(
    start,
    norm,
    cosine,
    sine,
    column,
    eps,
    NORM: tl.constexpr,
    PAIRS: tl.constexpr,
    TURNED: tl.constexpr,
    D: tl.constexpr,
):
    """One head (D,) of queries or keys, normalized where the network does that, its first `TURNED` entries rotated.

    A pair is an entry and its neighbor (`PAIRS`, ChatGLM and GLM), or the entry half of `TURNED` away (Llama).
    """
    half: tl.constexpr = TURNED // 2
    if PAIRS:
        other, angle, second = column ^ 1, column // 2, column % 2
    else:
        other, angle, second = (column + half) % TURNED, column % half, column // half
    turns = column < TURNED
    own, paired = tl.load(start + column), tl.load(start + other, turns, 0.0)
    kind = own.dtype
    if NORM:
        wide = own.to(tl.float32)
        rms = tl.rsqrt(tl.sum(wide * wide) / D + eps)
        own = (wide * rms).to(kind) * tl.load(norm + column)
        paired = (paired.to(tl.float32) * rms).to(kind) * tl.load(norm + other, turns, 0.0)
    a = tl.load(cosine + angle, turns, 0.0).to(tl.float32)
    b = tl.load(sine + angle, turns, 0.0).to(tl.float32)
    wide, paired = own.to(tl.float32), paired.to(tl.float32)
    return tl.where(turns, wide * a + tl.where(second == 1, paired, -paired) * b, wide).to(kind)


@triton.jit
def _attend_grouped(
    queries,
    new_keys,
    new_values,
    query_norm,
    key_norm,
    cosine,
    sine,
    keys,
    values,
    lengths,
    ahead,
    log_scale,
    out,
    scale,
    eps,
    angles,
    row_stride,
    head_stride,
    capacity,
    GROUP: tl.constexpr,
    NORM: tl.constexpr,
    PAIRS: tl.constexpr,
    TURNED: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    EARLY: tl.constexpr,
):
    """As `triton._attend`, for `GROUP` heads of queries to one of keys; the first of a group writes the new column."""
    row, head, heads = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    shared = head // GROUP
    column, tokens = tl.arange(0, D), tl.arange(0, BLOCK)
    own = row.to(tl.int64) * row_stride + shared * head_stride
    place = own + tokens[:, None] * D + column[None, :]
    next_keys = tl.load(keys + place, (tokens < capacity)[:, None], 0.0)
    next_values = tl.load(values + place, (tokens < capacity)[:, None], 0.0)
    _take_turn(EARLY)
    cosine, sine = cosine + row * angles, sine + row * angles
    new = (row * (heads // GROUP) + shared) * D
    query = _head(queries + (row * heads + head) * D, query_norm, cosine, sine, column, eps, NORM, PAIRS, TURNED, D)
    key = _head(new_keys + new, key_norm, cosine, sine, column, eps, NORM, PAIRS, TURNED, D)
    value = tl.load(new_values + new + column)
    length, prefix, lift = tl.load(lengths + row), tl.load(ahead + row), tl.load(log_scale + row)
    if head % GROUP == 0:
        tl.store(keys + own + length * D + column, key)
        tl.store(values + own + length * D + column, value)
    query = query.to(tl.float32) * scale
    score = tl.sum(query * key.to(tl.float32))
    highest, mass = tl.zeros((BLOCK,), tl.float32) + score, tl.zeros((BLOCK,), tl.float32)
    mixed = tl.zeros((BLOCK, D), tl.float32)
    for first in range(0, length, BLOCK):
        old_keys, old_values = next_keys, next_values
        if first + BLOCK < length:
            there = (first + BLOCK + tokens < length)[:, None]
            next_keys = tl.load(keys + place + (first + BLOCK) * D, there, 0.0)
            next_values = tl.load(values + place + (first + BLOCK) * D, there, 0.0)
        inside = first + tokens < length
        scores = tl.sum(query[None, :] * old_keys.to(tl.float32), 1)
        scores = tl.where(inside, scores + tl.where(first + tokens < prefix, lift, 0.0), -float("inf"))
        higher = tl.maximum(highest, scores)
        shares, shrink = tl.exp(scores - higher), tl.exp(highest - higher)
        seen = tl.where(inside[:, None], old_values, 0.0).to(tl.float32)
        mixed = mixed * shrink[:, None] + shares[:, None] * seen
        mass = mass * shrink + shares
        highest = higher
    top = tl.max(highest)
    shrink, share = tl.exp(highest - top), tl.exp(score - top)
    whole = tl.sum(mixed * shrink[:, None], 0) + share * value.to(tl.float32)
    whole /= tl.sum(mass * shrink) + share
    tl.store(out + (row * heads + head) * D + column, whole.to(value.dtype))


def attend_grouped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cosine: torch.Tensor,
    sine: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    lengths,
    ahead,
    log_scale,
    *,
    scale: float,
    pairs: bool,
    norms: tuple[torch.Tensor, torch.Tensor, float] | None = None,
) -> torch.Tensor:
    """Normalize, rotate, remember, attend, for one token a row; returns (B, heads x D).

    Args:
        query: (B, heads x D). key, value: (B, kv_heads x D).
        cosine, sine: (B, R): of R / 2 angles, which come first; R entries of each head are rotated.
        keys, values: (B or more, kv_heads, capacity, D); each row's new column is written.
        lengths: (B or more), how many columns each row has, which is where its new one goes.
        ahead, log_scale: (B or more), what is added to the scores of how many columns at the beginning.
        pairs: rotate neighbors together (GLM), not halves (Llama).
        norms: weights (D,) of the RMSNorm of queries and of keys, and their eps, where the network has them.
    """
    rows, width = query.shape[0], keys.shape[3]
    heads, out = query.shape[1] // width, torch.empty_like(query)
    block, warps = PLACES["one" if rows == 1 else "many"]
    query_norm, key_norm, eps = norms or (query, key, 0.0)
    _attend_grouped[(rows, heads)](
        query,
        key,
        value,
        query_norm,
        key_norm,
        cosine,
        sine,
        keys,
        values,
        lengths,
        ahead,
        log_scale,
        out,
        scale,
        eps,
        cosine.stride(0),
        keys.stride(0),
        keys.stride(1),
        keys.shape[2],
        GROUP=heads // keys.shape[1],
        NORM=norms is not None,
        PAIRS=pairs,
        TURNED=cosine.shape[-1],
        D=width,
        BLOCK=block,
        EARLY=EARLY,
        num_warps=warps,
        launch_pdl=EARLY,
    )
    return out
