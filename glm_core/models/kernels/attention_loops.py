"""Attention of a decode step over the columns of one row: parts of Triton kernels, which the kernel of each network calls.

Imports Triton; `triton.py` and `grouped_attention.py` have the kernels.
"""

import torch
import triton
import triton.language as tl

MATRIX_UNITS = not torch.cuda.is_available() or torch.cuda.get_device_capability() >= (8, 0)
"Whether these take every 16-bit type."
PLACES = {"one": (64, 8), "many": (16, 4)}
"Columns that are attended to at a time, and warps, for one row and for more."


@triton.jit
def _over_places(
    query,
    key,
    value,
    keys,
    values,
    place,
    tokens,
    next_keys,
    next_values,
    length,
    prefix,
    lift,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The mixture that the scaled `query` (D,) takes of the columns at `place` (BLOCK, D) and of the new token's `key` and `value` (D,), (D,).

    Columns are read a block ahead, the first ones by the caller, before the new token is there. Column i belongs to place
    i % BLOCK, and each place has an online softmax of its own, begun with the new token's score, so that places meet only at the end.
    """
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
    return whole / (tl.sum(mass * shrink) + share)


@triton.jit
def _over_columns(
    query,
    key,
    value,
    keys,
    values,
    place,
    tokens,
    length,
    prefix,
    lift,
    scale,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    HEADS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """The same of several queries (HEADS, D) at once, (HEADS, D), on the matrix units; `STAGES` blocks are on their way at once."""
    highest = tl.sum(query.to(tl.float32) * key.to(tl.float32)[None, :], 1) * scale  # (HEADS,), of the new token
    mass = tl.zeros((HEADS,), tl.float32) + 1
    mixed = tl.zeros((HEADS, D), tl.float32) + value.to(tl.float32)[None, :]
    for first in tl.range(0, length, BLOCK, num_stages=STAGES):
        inside = first + tokens < length
        old_keys = tl.load(keys + place + first * D, inside[:, None], 0.0)
        seen = tl.load(values + place + first * D, inside[:, None], 0.0)
        scores = tl.dot(query, tl.trans(old_keys), input_precision="ieee") * scale  # (HEADS, BLOCK)
        scores += tl.where(first + tokens < prefix, lift, 0.0)[None, :]
        scores = tl.where(inside[None, :], scores, -float("inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        shares, shrink = tl.exp(scores - higher[:, None]), tl.exp(highest - higher)
        mixed = tl.dot(shares.to(seen.dtype), seen, mixed * shrink[:, None], input_precision="ieee")
        mass = mass * shrink + tl.sum(shares, 1)
        highest = higher
    return mixed / mass[:, None]
