"""The builds of PyTorch that a computer can use. Needs nothing but Python, since `start.py` asks before anything is installed."""

import re
import subprocess

INDEX = "https://download.pytorch.org/whl/"
CPU = "cpu"
NEW, OLD = "cu130", "cu126"
"Builds that are published for every version: the usual one, and the one with code for old GPUs."
OLDEST = {13: (7, 5), 12: (5, 0)}
"Compute capability that builds for a major version of CUDA begin with (12: those of 12.6)."


def build_for(capability: tuple[int, int], driver: int) -> str:
    """Return the build for a GPU.

    Args:
        capability: the GPU's compute capability.
        driver: the major version of CUDA up to which the driver goes.
    """
    return OLD if capability < OLDEST[13] or driver < 13 else NEW


def oldest_gpu(query: str, header: str) -> tuple[tuple[int, int], int] | None:
    """Return compute capability and driver of the oldest GPU, None where there is none.

    Args:
        query: what `nvidia-smi --query-gpu=compute_cap --format=csv,noheader` prints, a GPU a line.
        header: what `nvidia-smi` prints; it names the CUDA version of the driver.
    """
    found = [(int(major), int(minor)) for major, minor in re.findall(r"^ *(\d+)\.(\d+) *$", query, re.MULTILINE)]
    driver = re.search(r"CUDA Version: *(\d+)", header)
    return (min(found), int(driver[1]) if driver else 0) if found else None


def ask_driver() -> tuple[tuple[int, int], int] | None:
    """Return what `oldest_gpu` reads from this computer's driver; None without an NVIDIA GPU or driver."""
    query = _output_of("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
    return oldest_gpu(query, _output_of("nvidia-smi")) if query else None


def index_for(gpu: tuple[tuple[int, int], int] | None, platform: str) -> str | None:
    """Return the index with the right build, None where the one of the ordinary package index is right.

    Args:
        gpu: see `oldest_gpu`.
        platform: `sys.platform`. Macs have one build only, and the ordinary one for Linux is `NEW`.
    """
    if platform == "darwin":
        return None
    wanted = build_for(*gpu) if gpu else CPU
    return None if platform == "linux" and wanted == NEW else INDEX + wanted


def _output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
