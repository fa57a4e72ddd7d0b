"""The C library's allocator, where it is glibc's: few arenas, and pages that are free go back to the system.

A thread allocates from an arena, and what it frees stays there for the next thread of that arena. A server whose jobs each have a thread of
their own would so keep the largest job's memory once an arena, of which there are eight a core.
"""

import ctypes
import sys
from functools import cache

ARENAS = 4
"Enough for threads that hold the interpreter one at a time; measured in `benchmarks/RESULTS.md`."
_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


@cache
def _library() -> ctypes.CDLL | None:
    """The C library, None where it is another than glibc."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


def limit_arenas() -> bool:
    """Let this process make no more than `ARENAS` arenas; called at the start, while there are few. Returns whether that is possible."""
    library = _library()
    return library is not None and bool(library.mallopt(_ARENA_MAX, ARENAS))


def trim() -> None:
    """Hand pages that are free to the system."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)
