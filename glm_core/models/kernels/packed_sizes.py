"""Bytes of the copies of weights that decoding steps on a processor read (processor.py). Needs no torch."""

BLOCK = 512
"Inputs that FBGEMM keeps together as halves; what a layer lacks to a multiple of them is filled up."
WHOLE_NUMBER_BYTES = 1.1
"Of an int8 weight with what its row's sums and scales take; measured 1.0 to 1.15."


def half_bytes(inputs: int, outputs: int) -> int:
    """Return the size of a dense layer's weight (outputs, inputs) laid out as halves."""
    return 2 * outputs * -(-inputs // BLOCK) * BLOCK


def whole_number_bytes(inputs: int, outputs: int) -> int:
    """Return the size of an int8 layer's weight (outputs, inputs) laid out as FBGEMM reads it."""
    return int(WHOLE_NUMBER_BYTES * outputs * inputs)
