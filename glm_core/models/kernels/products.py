"""Triton kernels of products of few rows with weights: dense, int8, int4, and the low-rank ones of each row's adapter.

Imports Triton; ask `dispatch.py` for the kernels, which `triton.py` has all of.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from glm_core.models.kernels.launch import EARLY, MANY, _take_turn


@triton.jit
def _tile(weight, output, inner, outputs, stored, EVEN: tl.constexpr):
    place = weight + output.to(tl.int64)[:, None] * stored + inner[None, :]
    if EVEN:
        return tl.load(place)
    else:
        return tl.load(place, (output < outputs)[:, None] & (inner < stored)[None, :], 0)


@triton.jit
def _byte(stored, SELECTOR: tl.constexpr):
    """One of four unsigned bytes u as the float 1 + u / 2^15: an instruction, where a conversion takes longer than reading."""
    return tl.inline_asm_elementwise(
        "prmt.b32 $0, $1, 0x3F800000, " + SELECTOR + ";", "=f,r", [stored], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def _state(four, NUMBER: tl.constexpr, KIND: tl.constexpr):
    """One of the four 16-bit states that follow each other in 64 bits."""
    return (four >> (16 * NUMBER)).to(tl.int16).to(KIND, bitcast=True).to(tl.float32)


@triton.jit
def _add_four(total, stored, first, second, third, fourth):
    """`total` (OUT, IN) and the product of four bytes (OUT, IN) with their columns' states (IN)."""
    total += _byte(stored, "0x7604") * first[None, :]
    total += _byte(stored, "0x7614") * second[None, :]
    total += _byte(stored, "0x7624") * third[None, :]
    total += _byte(stored, "0x7634") * fourth[None, :]
    return total


@triton.jit
def _gelu_of(wide):
    """The tanh form of GELU, of float32; tanh(x) is 2 sigmoid(2 x) - 1."""
    half = 0.7978845608028654 * (wide + 0.044715 * wide * wide * wide)
    return wide * tl.sigmoid(2 * half)


@triton.jit
def _one_row(
    states,
    weight,
    scale,
    bias,
    out,
    wide,
    outputs,
    PARTS: tl.constexpr,
    BIAS: tl.constexpr,
    GELU: tl.constexpr,
    OUT: tl.constexpr,
    IN: tl.constexpr,
    EVEN: tl.constexpr,
    EARLY: tl.constexpr,
):
    """Weights are read a tile ahead, the first one before the states are there. `weight` (out, stored) has `PARTS` in each."""
    KIND: tl.constexpr = states.dtype.element_ty
    output, inner, stored = tl.program_id(0) * OUT + tl.arange(0, OUT), tl.arange(0, IN), wide // PARTS
    ahead = _tile(weight, output, inner, outputs, stored, EVEN)
    _take_turn(EARLY)
    total, gathered = tl.zeros((OUT, IN), tl.float32), tl.zeros((IN,), tl.float32)
    four = states.to(tl.pointer_type(tl.int64))
    for first in range(0, stored, IN):
        packed, there = ahead, first + inner < stored
        if first + IN < stored:
            ahead = _tile(weight, output, first + IN + inner, outputs, stored, EVEN)
        if PARTS == 1:
            total += packed.to(tl.float32) * tl.load(states + first + inner, there, 0.0).to(tl.float32)[None, :]
        elif PARTS == 4:
            own = tl.load(four + first + inner, there, 0)
            a, b, c, d = _state(own, 0, KIND), _state(own, 1, KIND), _state(own, 2, KIND), _state(own, 3, KIND)
            total = _add_four(total, packed ^ -0x7F7F7F80, a, b, c, d)  # 0x80808080: from signed to unsigned
            gathered += (a + b) + (c + d)
        else:  # two in a byte, the high one first, each moved to the high place
            own, more = tl.load(four + 2 * (first + inner), there, 0), tl.load(four + 2 * (first + inner) + 1, there, 0)
            a, b, c, d = _state(own, 0, KIND), _state(own, 2, KIND), _state(more, 0, KIND), _state(more, 2, KIND)
            total = _add_four(total, (packed ^ -0x77777778) & -0x0F0F0F10, a, b, c, d)
            gathered += (a + b) + (c + d)
            a, b, c, d = _state(own, 1, KIND), _state(own, 3, KIND), _state(more, 1, KIND), _state(more, 3, KIND)
            total = _add_four(total, ((packed ^ -0x77777778) << 4) & -0x0F0F0F10, a, b, c, d)
            gathered += (a + b) + (c + d)
    result = tl.sum(total, 1)
    if PARTS > 1:  # bytes were 1 + (128 + number) / 2^15, of four bits 1 + 16 (8 + number) / 2^15
        result = (result - (1 + 128 / 32768) * tl.sum(gathered)) * (32768.0 if PARTS == 4 else 2048.0)
        result *= tl.load(scale + output, output < outputs, 0.0).to(tl.float32)
    if BIAS:
        result += tl.load(bias + output, output < outputs, 0.0).to(tl.float32)
    if GELU:
        result = _gelu_of(result.to(KIND).to(tl.float32))
    tl.store(out + output, result.to(out.dtype.element_ty), output < outputs)


@triton.jit
def _many_rows(
    states,
    weight,
    scale,
    bias,
    out,
    rows,
    wide,
    outputs,
    HALVES: tl.constexpr,
    SCALE: tl.constexpr,
    BIAS: tl.constexpr,
    GELU: tl.constexpr,
    OUT: tl.constexpr,
    IN: tl.constexpr,
    EVEN: tl.constexpr,
    ROWS: tl.constexpr,
    EARLY: tl.constexpr,
):
    """On the matrix units."""
    output, inner, row = tl.program_id(0) * OUT + tl.arange(0, OUT), tl.arange(0, IN), tl.arange(0, ROWS)
    stored = wide // HALVES
    _take_turn(EARLY)
    total = tl.zeros((OUT, ROWS), tl.float32)
    for first in range(0, stored, IN):
        packed = _tile(weight, output, first + inner, outputs, stored, EVEN)
        for part in tl.static_range(HALVES):
            if HALVES == 1:
                numbers = packed
            elif part == 0:
                numbers = packed >> 4
            else:
                numbers = (packed << 4).to(tl.int8) >> 4
            index = (first + inner) * HALVES + part
            inside = (row < rows)[None, :] & (index < wide)[:, None]
            own = tl.load(states + row[None, :] * wide + index[:, None], inside, 0.0)  # (IN, ROWS)
            total = tl.dot(numbers.to(own.dtype), own, total, input_precision="ieee")
    if SCALE:
        total *= tl.load(scale + output, output < outputs, 0.0).to(tl.float32)[:, None]
    if BIAS:
        total += tl.load(bias + output, output < outputs, 0.0).to(tl.float32)[:, None]
    if GELU:
        total = _gelu_of(total.to(out.dtype.element_ty).to(tl.float32))
    where = row[None, :] * outputs + output[:, None]
    tl.store(out + where, total.to(out.dtype.element_ty), (output < outputs)[:, None] & (row < rows)[None, :])


SEVERAL = EARLY and getattr(torch.cuda.get_device_properties(), "shared_memory_per_block_optin", 0) >= 160 * 1024
"""Whether products of several rows with weights that are not packed are worth it here: where a kernel is launched early, and a
processor has room for that many tiles."""
PROGRAMS = 256
"As many programs as keep a large GPU's processors busy at once."


def _tile_of(outputs: int, one: bool, size: int, packed: bool) -> tuple[int, int, int, int]:
    """Outputs, bytes of inputs and warps of a tile; of several rows also how many are on their way at once.

    Args:
        size: bytes of a number of the states.

    Found by measuring whole steps.
    """
    few, middle = outputs < 32 * PROGRAMS, outputs < 64 * PROGRAMS
    if packed and one:
        return 8, 2048, 4, 1
    if packed:
        return 32, 256, 4, 4 if size == 2 else 2  # what a processor of a gaming card has room for
    if one and outputs < 4 * PROGRAMS:
        return 2, 2048, 4, 1
    if one:
        return (16, 1024, 8, 1) if few else (16, 1024, 4, 1)
    return (16, 512, 2, 6) if few else (32, 512, 2, 4) if middle else (64, 256, 4, 4)


def linear(
    states: torch.Tensor,
    weight: torch.Tensor,
    scale=None,
    bias=None,
    tile: tuple[int, int, int, int] | None = None,
    gelu: bool = False,
) -> torch.Tensor:
    """`states` (B, in) times a weight (out, in), or one in the hub's int8 or int4 layout (`quantization.unpack`), read as it is.

    Args:
        weight: written long before; it is read before the kernel ahead has ended.
        scale: (out), of a packed weight; None for one that is not.
        bias: (out) or None.
        tile: instead of what `_tile_of` says.
        gelu: the tanh form of GELU on what comes out, which spares a kernel.
    """
    (rows, wide), outputs = states.shape, weight.shape[0]
    one = rows == 1 and (scale is None or (states.element_size() == 2 and weight.shape[1] % 4 == 0))
    if one and scale is not None:
        weight = weight.view(torch.int32)
    stored = weight.shape[1]
    out_tile, in_bytes, warps, stages = tile or _tile_of(outputs, one, states.element_size(), scale is not None)
    in_tile = in_bytes // weight.element_size()
    out, grid = states.new_empty(rows, outputs), (triton.cdiv(outputs, out_tile),)
    how = {
        "BIAS": bias is not None,
        "GELU": gelu,
        "OUT": out_tile,
        "IN": in_tile,
        "num_warps": warps,
        "EVEN": outputs % out_tile == 0 and stored % in_tile == 0,
        "EARLY": EARLY,
        "launch_pdl": EARLY,
    }
    if one:
        _one_row[grid](states, weight, scale, bias, out, wide, outputs, PARTS=wide // stored, **how)
    else:
        sizes = {"HALVES": wide // stored, "SCALE": scale is not None, "ROWS": MANY, "num_stages": stages}
        _many_rows[grid](states, weight, scale, bias, out, rows, wide, outputs, **sizes, **how)
    return out


@triton.jit
def _add_lora(
    states,
    a,
    b,
    start,
    count,
    out,
    wide,
    outputs,
    b_stride,
    out_stride,
    held,
    second,
    third,
    RANK: tl.constexpr,
    IN: tl.constexpr,
    OUT: tl.constexpr,
    EARLY: tl.constexpr,
):
    """One row by `OUT` outputs of one layer a program, which computes the row's own low-rank states itself: they are few.

    The first factor is read a tile ahead, the first tile before the states are there.
    """
    row, rank, inner = tl.program_id(0), tl.arange(0, RANK), tl.arange(0, IN)
    first, ranks = tl.load(start + row), tl.load(count + row)
    begin = tl.program_id(1) * OUT
    layer = (begin >= second).to(tl.int32) + (begin >= third).to(tl.int32)
    own, output = rank < ranks, begin + tl.arange(0, OUT)
    factor = a + (layer * held + first + rank)[:, None] * wide + inner[None, :]
    ahead = tl.load(factor, own[:, None] & (inner < wide)[None, :], 0.0)
    inside = output < outputs
    back = tl.load(b + (first + rank)[:, None] * b_stride + output[None, :], own[:, None] & inside[None, :], 0.0)
    _take_turn(EARLY)
    if ranks > 0:
        place = out + row * out_stride + output
        made = tl.load(place, inside, 0.0)
        total = tl.zeros((RANK, IN), tl.float32)
        for column in range(0, wide, IN):
            part, there = ahead, column + inner < wide
            if column + IN < wide:
                ahead = tl.load(factor + column + IN, own[:, None] & (column + IN + inner < wide)[None, :], 0.0)
            known = tl.load(states + row * wide + column + inner, there, 0.0)
            total += part.to(tl.float32) * known.to(tl.float32)[None, :]
        low = tl.sum(total, 1)  # (RANK,)
        added = tl.sum(back.to(tl.float32) * low[:, None], 0)
        tl.store(place, (made.to(tl.float32) + added).to(made.dtype), inside)


TOGETHER = 256
"Outputs of one program of `add_lora` for layers side by side."
LORA_TILE = 2**14
"Numbers of the first factor that a program of `add_lora` reads at a time."
MOST_RANKS = 64
"Ranks of an adapter that a program of `add_lora` has room for."


def add_lora(
    out: torch.Tensor,
    states: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    start,
    count,
    most: int,
    widths: Sequence[int] = (),
) -> None:
    """Add to each row of `out` (B, outputs) the low-rank product of the row's own adapter with `states` (B, in).

    Args:
        a, b: (R, in) and (R, outputs), the factors of all adapters one behind the other, B scaled. B and `out` may be columns of others.
        start, count: (B), of each row's adapter: its first rank and how many it has, 0 for none.
        most: the largest count.
        widths: outputs of up to three layers that have the same `states` and lie side by side in `out`; `a` is (layers x R, in)
            then, of one layer behind the other, and each width but the last a multiple of `TOGETHER`.
    """
    (rows, wide), outputs = states.shape, out.shape[1]
    tile = TOGETHER if len(widths) > 1 else min(1024, triton.next_power_of_2(outputs))
    second, ranks = widths[0] if len(widths) > 1 else outputs, max(2, triton.next_power_of_2(most))
    _add_lora[(rows, triton.cdiv(outputs, tile))](
        states,
        a,
        b,
        start,
        count,
        out,
        wide,
        outputs,
        b.stride(0),
        out.stride(0),
        b.shape[0],
        second,
        second + widths[1] if len(widths) > 2 else outputs,
        RANK=ranks,
        IN=min(LORA_TILE // ranks, triton.next_power_of_2(wide)),
        OUT=tile,
        EARLY=EARLY,
        num_warps=8,
        launch_pdl=EARLY,
    )
