"""Triton kernels of the choice of a token: the highest of a row's logits, by many of a GPU's processors at once.

Imports Triton; ask `dispatch.py` for the kernels, which `triton.py` has all of.
"""

import torch
import triton
import triton.language as tl

BLOCK = 4096
"Logits of one program."


@triton.jit
def _highest(values, places):
    """The highest of `values` (N,), NaN above all, and the first of its `places` (N,)."""
    known = tl.where(values == values, values, float("inf"))
    highest = tl.max(known, 0)
    return highest, tl.min(tl.where(known == highest, places, 2**31 - 1), 0)


@triton.jit
def _argmax_parts(logits, highest, tokens, row_stride, width, BLOCK: tl.constexpr):
    row, part = tl.program_id(0), tl.program_id(1)
    place = part * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(logits + row.to(tl.int64) * row_stride + place, place < width, -float("inf")).to(tl.float32)
    best, token = _highest(values, place)
    tl.store(highest + row * tl.num_programs(1) + part, best)
    tl.store(tokens + row * tl.num_programs(1) + part, token)


@triton.jit
def _argmax_whole(highest, tokens, out, parts, PARTS: tl.constexpr):
    row, part = tl.program_id(0), tl.arange(0, PARTS)
    values = tl.load(highest + row * parts + part, part < parts, -float("inf"))
    best, token = _highest(values, tl.load(tokens + row * parts + part, part < parts, 2**31 - 1))
    finite = (best < float("inf")) & (best > -float("inf"))
    tl.store(out + row, tl.where(finite, token, -1).to(tl.int64))


def argmax_finite(logits: torch.Tensor) -> torch.Tensor:
    """As `generation.decode.argmax_finite`, of logits (B, V)."""
    if logits.stride(1) != 1:
        logits = logits.contiguous()
    rows, width = logits.shape
    parts = triton.cdiv(width, BLOCK)
    highest = torch.empty(rows, parts, dtype=torch.float32, device=logits.device)
    tokens = torch.empty(rows, parts, dtype=torch.int32, device=logits.device)
    out = torch.empty(rows, dtype=torch.int64, device=logits.device)
    _argmax_parts[(rows, parts)](logits, highest, tokens, logits.stride(0), width, BLOCK=BLOCK)
    _argmax_whole[(rows,)](highest, tokens, out, parts, PARTS=triton.next_power_of_2(parts))
    return out
