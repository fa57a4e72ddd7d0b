"""Which widths a block of Triton's kernels can have. Needs no torch."""


def fits_block(width: int) -> bool:
    """Return whether the kernels of attention serve heads of `width`: a block of Triton's is a power of two."""
    return width & (width - 1) == 0
