"""Triton kernels of attention in a decode step where several heads of queries share one of keys; a head for each is one of these.

Imports Triton; ask `dispatch.py` for the kernels, which `decoder.py` has all of.
"""

import torch
import triton
import triton.language as tl

from glm_core.models.kernels.attention_loops import MATRIX_UNITS, PLACES, _over_places
from glm_core.models.kernels.launch import EARLY, _take_turn


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
    """One head (D,) of queries or keys, or several (M, D), normalized where the network does that, the first `TURNED` entries rotated.

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
        rms = tl.rsqrt(tl.sum(wide * wide, len(wide.shape) - 1, keep_dims=True) / D + eps)
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
    query_stride,
    key_stride,
    value_stride,
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
    new, new_value = row * key_stride + shared * D, row * value_stride + shared * D
    query = _head(
        queries + row * query_stride + head * D, query_norm, cosine, sine, column, eps, NORM, PAIRS, TURNED, D
    )
    key = _head(new_keys + new, key_norm, cosine, sine, column, eps, NORM, PAIRS, TURNED, D)
    value = tl.load(new_values + new_value + column)
    length, prefix, lift = tl.load(lengths + row), tl.load(ahead + row), tl.load(log_scale + row)
    if head % GROUP == 0:
        tl.store(keys + own + length * D + column, key)
        tl.store(values + own + length * D + column, value)
    query = query.to(tl.float32) * scale
    found = _over_places(
        query, key, value, keys, values, place, tokens, next_keys, next_values, length, prefix, lift, D, BLOCK
    )
    tl.store(out + (row * heads + head) * D + column, found.to(value.dtype))


@triton.jit
def _attend_shared(
    queries,
    new_keys,
    new_values,
    query_stride,
    key_stride,
    value_stride,
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
    HEADS: tl.constexpr,
    EARLY: tl.constexpr,
):
    """As `_attend_grouped`, on the matrix units: all heads of queries to one of keys a program, which reads these once.

    Not `_over_columns`: few programs, whose first columns are there before the new token, were faster (ChatGLM3-6B, Llama).

    `HEADS` is `GROUP` filled up to what a matrix unit takes, by its last head once more.
    """
    row, shared, kv_heads = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    column, tokens = tl.arange(0, D), tl.arange(0, BLOCK)
    own = row.to(tl.int64) * row_stride + shared * head_stride
    place = own + tokens[:, None] * D + column[None, :]
    next_keys = tl.load(keys + place, (tokens < capacity)[:, None], 0.0)
    next_values = tl.load(values + place, (tokens < capacity)[:, None], 0.0)
    _take_turn(EARLY)
    cosine, sine = cosine + row * angles, sine + row * angles
    head = shared * GROUP + tl.minimum(tl.arange(0, HEADS), GROUP - 1)
    start = queries + row * query_stride + head[:, None] * D
    query = _head(start, query_norm, cosine, sine, column[None, :], eps, NORM, PAIRS, TURNED, D)
    new, new_value = row * key_stride + shared * D, row * value_stride + shared * D
    key = _head(new_keys + new, key_norm, cosine, sine, column, eps, NORM, PAIRS, TURNED, D)
    value = tl.load(new_values + new_value + column)
    length, prefix, lift = tl.load(lengths + row), tl.load(ahead + row), tl.load(log_scale + row)
    tl.store(keys + own + length * D + column, key)
    tl.store(values + own + length * D + column, value)
    highest = tl.sum(query.to(tl.float32) * key.to(tl.float32)[None, :], 1) * scale  # (HEADS,), of the new token
    mass = tl.zeros((HEADS,), tl.float32) + 1
    mixed = tl.zeros((HEADS, D), tl.float32) + value.to(tl.float32)[None, :]
    for first in range(0, length, BLOCK):
        old_keys, old_values = next_keys, next_values
        if first + BLOCK < length:
            there = (first + BLOCK + tokens < length)[:, None]
            next_keys = tl.load(keys + place + (first + BLOCK) * D, there, 0.0)
            next_values = tl.load(values + place + (first + BLOCK) * D, there, 0.0)
        inside = first + tokens < length
        seen = tl.where(inside[:, None], old_values, 0.0)
        scores = tl.dot(query, tl.trans(old_keys), input_precision="ieee") * scale  # (HEADS, BLOCK)
        scores += tl.where(first + tokens < prefix, lift, 0.0)[None, :]
        scores = tl.where(inside[None, :], scores, -float("inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        shares, shrink = tl.exp(scores - higher[:, None]), tl.exp(highest - higher)
        mixed = tl.dot(shares.to(seen.dtype), seen, mixed * shrink[:, None], input_precision="ieee")
        mass = mass * shrink + tl.sum(shares, 1)
        highest = higher
    found = mixed / mass[:, None]
    there = (tl.arange(0, HEADS) < GROUP)[:, None]
    target = out + (row * kv_heads * GROUP + head)[:, None] * D + column[None, :]
    tl.store(target, found.to(value.dtype), there)


SHARING = 4
"Heads of queries to one of keys from which on they are computed on the matrix units together, where there are several rows."


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
        query: (B, heads x D). key, value: (B, kv_heads x D). They may be parts of one tensor, whose rows are further apart.
        cosine, sine: (B, R): of R / 2 angles, which come first; R entries of each head are rotated.
        keys, values: (B or more, kv_heads, capacity, D); each row's new column is written.
        lengths: (B or more), how many columns each row has, which is where its new one goes.
        ahead, log_scale: (B or more), what is added to the scores of how many columns at the beginning.
        pairs: rotate neighbors together (GLM), not halves (Llama).
        norms: weights (D,) of the RMSNorm of queries and of keys, and their eps, where the network has them.
    """
    rows, width = query.shape[0], keys.shape[3]
    heads, out = query.shape[1] // width, query.new_empty(query.shape)
    query_norm, key_norm, eps = norms or (query, key, 0.0)
    new = query, key, value, query.stride(0), key.stride(0), value.stride(0), query_norm, key_norm, cosine, sine
    strides = cosine.stride(0), keys.stride(0), keys.stride(1), keys.shape[2]
    arguments = *new, keys, values, lengths, ahead, log_scale, out, scale, eps, *strides
    kv_heads = keys.shape[1]
    group = heads // kv_heads
    how = {"GROUP": group, "NORM": norms is not None, "PAIRS": pairs, "TURNED": cosine.shape[-1], "D": width}
    how |= {"EARLY": EARLY, "launch_pdl": EARLY}
    if rows > 1 and group >= SHARING and MATRIX_UNITS:
        tile = (32 if EARLY else 16) * 1024 // (width * keys.element_size())  # columns whose keys fill so many bytes
        block, wide = max(16, min(128, tile)), max(16, triton.next_power_of_2(group))
        _attend_shared[(rows, kv_heads)](*arguments, BLOCK=block, HEADS=wide, num_warps=8 if EARLY else 4, **how)
    else:
        block, warps = PLACES["one" if rows == 1 else "many"]
        _attend_grouped[(rows, heads)](*arguments, BLOCK=block, num_warps=warps, **how)
    return out
