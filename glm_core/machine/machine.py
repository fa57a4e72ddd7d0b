"""Resources free for a run now: GPUs, cores, memory, disk. The use by a process is sampled in gpu_stats.py.

Memory and cores are those this process may use: in a container the control group's limit counts, not the host's size.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from glm_core import i18n, workspace
from glm_core.i18n import t
from glm_core.machine import gpu_stats
from glm_core.machine.gpu_stats import cores, sample, sample_gpus

__all__ = ["Gpu", "IdleGpu", "Machine", "devices", "gpus", "idle_gpus", "machine", "memory", "sample", "sentence"]


CONTROL_GROUP = Path("/sys/fs/cgroup")
'What a container may use; its files are absent or say "max" on a computer without limits.'


@dataclass(frozen=True)
class Gpu:
    """One GPU: memory in bytes, utilisation in percent, temperature in degrees C, power in W (None where not told)."""

    index: int
    name: str
    memory_used: int
    memory_total: int
    utilization: float | None = None
    temperature: float | None = None
    power: float | None = None


@dataclass(frozen=True)
class Machine:
    """The resources that a run could use; memory and disk in bytes."""

    gpus: tuple[Gpu, ...]
    cores: int
    memory_total: int
    memory_free: int
    disk_free: int


@dataclass(frozen=True)
class IdleGpu:
    """A GPU that the installed PyTorch cannot use: the text key of the obstacle, and the command that mends it."""

    name: str
    obstacle: str
    command: str


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that can be used, in bus order; empty without an NVIDIA driver."""
    return tuple(Gpu(**gpu) for gpu in sample_gpus())


def idle_gpus() -> tuple[IdleGpu, ...]:
    """The GPUs that are there and cannot be used, one of each kind."""
    return tuple({gpu["name"]: IdleGpu(**gpu) for gpu in gpu_stats.idle_gpus()}.values())


def devices() -> list[str]:
    """The GPUs a run may be given, as CUDA_VISIBLE_DEVICES names them; those this server itself is limited to, if it is."""
    limit = os.environ.get("CUDA_VISIBLE_DEVICES")
    if limit is not None:
        return [name.strip() for name in limit.split(",") if name.strip() and name.strip() != "-1"]
    return [str(gpu.index) for gpu in gpus()]


def machine() -> Machine:
    """The GPUs, and the cores, memory and disk that are free for a run now."""
    return Machine(gpus(), _cores(), *memory(), _disk_free())


def memory() -> tuple[int, int]:
    """Bytes of memory that this process may use, and how many of them are free."""
    whole = psutil.virtual_memory()
    limit, used = _group_memory()
    total = min(whole.total, limit) if limit else whole.total
    free = min(whole.available, limit - used) if limit else whole.available
    return total, max(0, free)


def _cores() -> int:
    """The processor cores this process may use: its affinity, and a container's quota rounded up."""
    quota, _, period = _group_file("cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        return max(1, min(cores(), -(-int(quota) // int(period))))
    return cores()


def _group_memory() -> tuple[int, int]:
    """A container's memory limit and use in bytes, without what the system can give back; (0, 0) without a limit."""
    limit, used = _group_file("memory.max"), _group_file("memory.current")
    if not (limit.isdecimal() and used.isdecimal()):
        return 0, 0
    statistics = dict(line.split() for line in _group_file("memory.stat").splitlines() if line.count(" ") == 1)
    return int(limit), max(0, int(used) - int(statistics.get("inactive_file", 0)))


def _group_file(name: str) -> str:
    try:
        return (CONTROL_GROUP / name).read_text().strip()
    except OSError:
        return ""


def _disk_free() -> int:
    """Bytes free where the workspace is, or will be."""
    path = workspace.home()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def sentence(machine: Machine) -> str:
    """Return one line about the machine: each GPU, or the processor, with the memory that is free now."""
    if not machine.gpus:
        return t(
            "ui.machine.cpu",
            cores=machine.cores,
            free=i18n.size(machine.memory_free),
            total=i18n.size(machine.memory_total),
        )
    return "  \n".join(
        t(
            "ui.machine.card",
            name=gpu.name,
            free=i18n.size(gpu.memory_total - gpu.memory_used),
            total=i18n.size(gpu.memory_total),
        )
        for gpu in machine.gpus
    )
