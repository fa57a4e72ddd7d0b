"""Check that torch can compute on a GPU, the memory a process takes there before its first tensor, and giving memory back."""

import ctypes
import gc
import logging
import re
import sys
from functools import cache

import torch

from glm_core.machine import allocator

log = logging.getLogger(__name__)

STACK = 256
"""Bytes of a thread's stack on a GPU. The driver keeps one for every thread that could run at once, by default of 1,024: 277 MB
of an H200, 200 MB of an RTX 4090. A kernel that is known to need more still gets it."""
_STACK_SIZE = 0  # CU_LIMIT_STACK_SIZE of the driver's interface


@cache
def usable() -> bool:
    """Return whether torch sees a GPU and was built with code for it: a GPU may be older than all that its build knows."""
    if not torch.cuda.is_available():
        return False
    own = torch.cuda.get_device_capability()
    return any(_runs(kind, own) for kind in torch.cuda.get_arch_list())


def _runs(kind: str, own: tuple[int, int]) -> bool:
    """Return whether code of a kind (`sm_86`, or `compute_90`, which the driver translates) runs on a GPU of capability `own`."""
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", kind)
    if found is None:
        return False
    capability = int(found[2]), int(found[3])
    if found[4]:
        return capability == own
    return capability <= own and (found[1] == "compute" or capability[0] == own[0])


@cache
def limit_cuda_stack(device: torch.device) -> None:
    """Let this process take less of `device`, a GPU; where the driver cannot be asked, nothing changes."""
    try:
        torch.cuda.synchronize(device)  # makes the driver's context, which the limit belongs to
        with torch.cuda.device(device):
            driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
            failed = driver.cuCtxSetLimit(_STACK_SIZE, ctypes.c_size_t(STACK))
    except (OSError, AttributeError, RuntimeError) as error:  # no such library, no such function, no room for a context
        failed = error
    if failed:
        log.info("the stack limit of %s stays as it is: %s", device, failed)


def release_memory() -> None:
    """After the last reference to a model has gone: free its cycles and hand the pages to the system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    allocator.trim()
