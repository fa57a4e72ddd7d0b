"""Triton kernels of a step of few rows, where launching and reading weights is all that counts.

Imports Triton, which comes with torch on Linux for NVIDIA cards; ask `fused.py` for this module instead of importing it.
All take contiguous tensors and write their result once. Each one's reference is the plain computation beside its call.
"""

import torch
import triton
import triton.language as tl

MANY = 16
"Rows that a tile of the matrix units holds."


@triton.jit
def _add_norm(states, normed, weight, bias, out, alpha, eps, width, BLOCK: tl.constexpr):
    row, column = tl.program_id(0), tl.arange(0, BLOCK)
    inside = column < width
    own = tl.load(states + row * width + column, inside, 0.0)
    total = own.to(tl.float32) + alpha * tl.load(normed + row * width + column, inside, 0.0).to(tl.float32)
    total = total.to(own.dtype).to(tl.float32)
    centred = tl.where(inside, total - tl.sum(total) / width, 0.0)
    scaled = centred / tl.sqrt(tl.sum(centred * centred) / width + eps)
    result = scaled * tl.load(weight + column, inside, 0.0).to(tl.float32) + tl.load(bias + column, inside, 0.0).to(
        tl.float32
    )
    tl.store(out + row * width + column, result.to(own.dtype), inside)


def add_norm(states: torch.Tensor, normed: torch.Tensor, alpha: float, weight, bias, eps: float) -> torch.Tensor:
    """Layer normalisation of `states` + `alpha` x `normed`, both (B, H)."""
    out, width = torch.empty_like(states), states.shape[1]
    block = triton.next_power_of_2(width)
    warps = min(8, max(1, block // 256))
    _add_norm[(states.shape[0],)](states, normed, weight, bias, out, alpha, eps, width, BLOCK=block, num_warps=warps)
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
def _attend(fused, cosine, sine, keys, values, lengths, ahead, shift, out, scale, row_stride, head_stride,
            D: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    row, head, heads = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    column, tokens = tl.arange(0, D), tl.arange(0, BLOCK)
    start = fused + (row * heads + head) * 3 * D
    query = _rotated(start, column, cosine + row * D, sine + row * D, HALF)
    key = _rotated(start + D, column, cosine + row * D, sine + row * D, HALF)
    value = tl.load(start + 2 * D + column)
    length, prefix, lift = tl.load(lengths + row), tl.load(ahead + row), tl.load(shift + row)
    own = row.to(tl.int64) * row_stride + head * head_stride
    tl.store(keys + own + length * D + column, key)
    tl.store(values + own + length * D + column, value)
    query = query.to(tl.float32) * scale
    highest = tl.sum(query * key.to(tl.float32))  # online softmax, begun with the token's own column
    mass = highest * 0 + 1.0
    mixed = value.to(tl.float32)
    for first in range(0, length, BLOCK):
        inside = first + tokens < length
        place = own + (first + tokens)[:, None] * D + column[None, :]
        scores = tl.sum(query[None, :] * tl.load(keys + place, inside[:, None], 0.0).to(tl.float32), 1)
        scores = tl.where(inside, scores + tl.where(first + tokens < prefix, lift, 0.0), -float("inf"))
        higher = tl.maximum(highest, tl.max(scores))
        shares, shrink = tl.exp(scores - higher), tl.exp(highest - higher)
        seen = tl.load(values + place, inside[:, None], 0.0).to(tl.float32)
        mixed = mixed * shrink + tl.sum(shares[:, None] * seen, 0)
        mass = mass * shrink + tl.sum(shares)
        highest = higher
    tl.store(out + (row * heads + head) * D + column, (mixed / mass).to(value.dtype))


def attend(
    fused: torch.Tensor, cosine, sine, keys: torch.Tensor, values: torch.Tensor, lengths, ahead, shift
) -> torch.Tensor:
    """Rotate, remember, attend, for one token a row of ChatGLM-6B: (B, 3 H), q, k, v of each head together -> (B, H).

    Args:
        cosine, sine: (B, 1, 1, axes, D / axes / 2), views of one gathered table (`prefixlm.Rotary`).
        keys, values: (B or more, heads, capacity, D); each row's new column is written.
        lengths: (B or more), how many columns each row has, which is where its new one goes.
        ahead, shift: (B or more), what is added to the scores of how many columns at the beginning.
    """
    rows, (heads, width) = fused.shape[0], (keys.shape[1], keys.shape[3])
    out, half = fused.new_empty(rows, heads * width), cosine.shape[-1]
    _attend[(rows, heads)](
        fused, cosine, sine, keys, values, lengths, ahead, shift, out, width**-0.5, keys.stride(0), keys.stride(1),
        D=width, HALF=half, BLOCK=64, num_warps=4,
    )  # fmt: skip
    return out


@triton.jit
def _linear(states, weight, scale, bias, out, rows, wide, outputs, HALVES: tl.constexpr, ROWS: tl.constexpr, SCALE: tl.constexpr,
            BIAS: tl.constexpr, OUT: tl.constexpr, IN: tl.constexpr, EVEN: tl.constexpr):  # fmt: skip
    output, inner = tl.program_id(0) * OUT + tl.arange(0, OUT), tl.arange(0, IN)
    row = tl.arange(0, ROWS)
    stored = wide // HALVES
    if ROWS == 1:
        total = tl.zeros((OUT, IN), tl.float32)
    else:
        total = tl.zeros((OUT, ROWS), tl.float32)
    for first in range(0, stored, IN):
        place = output.to(tl.int64)[:, None] * stored + first + inner[None, :]
        if EVEN:
            packed = tl.load(weight + place)
        else:
            packed = tl.load(weight + place, (output < outputs)[:, None] & (first + inner < stored)[None, :], 0)
        for part in tl.static_range(HALVES):
            if HALVES == 1:
                numbers = packed
            elif part == 0:
                numbers = packed >> 4
            else:
                numbers = (packed << 4).to(tl.int8) >> 4
            index = (first + inner) * HALVES + part
            if ROWS == 1:
                total += numbers.to(tl.float32) * tl.load(states + index, index < wide, 0.0).to(tl.float32)[None, :]
            else:
                inside = (row < rows)[None, :] & (index < wide)[:, None]
                own = tl.load(states + row[None, :] * wide + index[:, None], inside, 0.0)  # (IN, ROWS)
                total = tl.dot(numbers.to(own.dtype), own, total, input_precision="ieee")
    factor, shift = tl.full((OUT,), 1.0, tl.float32), tl.zeros((OUT,), tl.float32)
    if SCALE:
        factor = tl.load(scale + output, output < outputs, 0.0).to(tl.float32)
    if BIAS:
        shift = tl.load(bias + output, output < outputs, 0.0).to(tl.float32)
    if ROWS == 1:
        tl.store(out + output, (tl.sum(total, 1) * factor + shift).to(out.dtype.element_ty), output < outputs)
    else:
        result = total * factor[:, None] + shift[:, None]
        where = row[None, :] * outputs + output[:, None]
        tl.store(out + where, result.to(out.dtype.element_ty), (output < outputs)[:, None] & (row < rows)[None, :])


TILES = {1: (16, 512, 4, 3), MANY: (32, 128, 4, 4)}
"Outputs, stored inputs, warps and stages of a tile for one row and for more."


def linear(
    states: torch.Tensor, weight: torch.Tensor, scale, bias, tile: tuple[int, int, int, int] | None = None
) -> torch.Tensor:
    """`states` (B, in) times a weight (out, in), or one in the hub's int8 or int4 layout (`quantization.unpack`), read as it is.

    Args:
        scale: (out), of a packed weight; None for one that is not.
        bias: (out) or None.
        tile: instead of one of `TILES`.
    """
    (rows, wide), (outputs, stored) = states.shape, weight.shape
    tall = 1 if rows == 1 else MANY
    out_tile, in_tile, warps, stages = tile or TILES[tall]
    out = states.new_empty(rows, outputs)
    _linear[(triton.cdiv(outputs, out_tile),)](
        states, weight, scale, bias, out, rows, wide, outputs, HALVES=wide // stored, ROWS=tall, SCALE=scale is not None,
        BIAS=bias is not None, OUT=out_tile, IN=in_tile, EVEN=outputs % out_tile == 0 and stored % in_tile == 0,
        num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return out
