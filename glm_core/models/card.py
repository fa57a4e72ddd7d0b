"""What a process takes of a card before it has a tensor there: the driver's own memory, which can be made smaller."""

import ctypes
import logging
import sys
from functools import cache

import torch

log = logging.getLogger(__name__)

STACK = 256
"""Bytes of a thread's stack on a card. The driver keeps one for every thread that could run at once, by default of 1,024: 277 MB
of an H200, 200 MB of an RTX 4090. A kernel that is known to need more still gets it."""
_STACK_SIZE = 0  # CU_LIMIT_STACK_SIZE of the driver's interface


@cache
def lighten(device: torch.device) -> None:
    """Let this process take less of `device`, a card; where the driver cannot be asked, nothing changes."""
    try:
        torch.cuda.synchronize(device)  # makes the driver's context, which the limit belongs to
        with torch.cuda.device(device):
            driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
            failed = driver.cuCtxSetLimit(_STACK_SIZE, ctypes.c_size_t(STACK))
    except (OSError, AttributeError, RuntimeError) as error:  # no such library, no such function, no room for a context
        failed = error
    if failed:
        log.info("the stack limit of %s stays as it is: %s", device, failed)
