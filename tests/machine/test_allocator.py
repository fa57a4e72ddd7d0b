"""The C library's allocator keeps to a few arenas, and what is freed between two blocks that stay goes back to the system."""

import platform
import subprocess
import sys

import pytest

from glm_core.machine import allocator

GLIBC = platform.libc_ver()[0] == "glibc"
pytestmark = pytest.mark.skipif(not GLIBC, reason="another C library than glibc")

BEGIN = """
import ctypes, re, sys, threading
import psutil
from glm_core.machine import allocator
"""

ARENAS = """
if sys.argv[1] == "limited":
    assert allocator.limit_arenas()
together = threading.Barrier(12)
def work():
    kept = [bytes(2000) for _ in range(100)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for one in threads: one.start()
for one in threads: one.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
library.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
library.fclose.argtypes = (ctypes.c_void_p,)
file = library.fopen(sys.argv[2].encode(), b"w")
library.malloc_info(0, file)
library.fclose(file)
print(open(sys.argv[2]).read().count("<heap nr="))
"""

HOLES = """
allocator.limit_arenas()
blocks = [bytes(100_000) for _ in range(2000)]
blocks[:-1] = [None] * 1999
before = psutil.Process().memory_info().rss
allocator.trim()
print(before - psutil.Process().memory_info().rss)
"""


def run(code: str, *arguments: object) -> int:
    command = [sys.executable, "-c", BEGIN + code, *map(str, arguments)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_threads_share_a_few_arenas(tmp_path):
    assert run(ARENAS, "limited", tmp_path / "info") <= allocator.ARENAS < run(ARENAS, "free", tmp_path / "info")


def test_what_is_free_goes_back_to_the_system():
    assert run(HOLES) > 100_000_000
