"""How the kernels of a decode step follow each other on a device. Imports Triton; ask `dispatch.py` for the kernels."""

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

MANY = 16
"Rows that a tile of the matrix units holds."
EARLY = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (9, 0)
"""Whether a kernel is launched while the one before it still runs (programmatic dependent launch, from Hopper on). Each waits
for the other's end before it reads what that wrote, so all it does sooner is to start and to read weights."""


@triton.jit
def _take_turn(EARLY: tl.constexpr):
    """Let the next kernel be launched, and wait until the one before has written everything."""
    if EARLY:
        gdc_launch_dependents()
        gdc_wait()
