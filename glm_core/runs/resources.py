"""What this machine is and how busy it is: cards by NVML, processor and memory by psutil, free disk. Draws nothing.

Memory and cores are those this process may use: in a container the control group's limit counts, not the host's size.
"""

import os
import shutil
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import psutil

from glm_core import workspace


@dataclass(frozen=True)
class Card:
    """One GPU: memory in bytes, utilisation in percent, temperature in degrees C, power in W (None where not told)."""

    index: int
    name: str
    uuid: str
    memory_used: int
    memory_total: int
    utilization: float | None = None
    temperature: float | None = None
    power: float | None = None


@dataclass(frozen=True)
class Machine:
    """What a run could use: memory and disk in bytes."""

    cards: tuple[Card, ...]
    cores: int
    memory_total: int
    memory_free: int
    disk_free: int


@cache
def _nvml():
    """The NVML module, started; None where there is no NVIDIA driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        return None
    except pynvml.NVMLError:
        return None
    return pynvml


def cards() -> tuple[Card, ...]:
    """The GPUs of this machine in bus order; empty without an NVIDIA driver."""
    nvml = _nvml()
    if nvml is None:
        return ()
    return tuple(_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))


def _card(nvml, index: int) -> Card:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    power = _told(nvml, nvml.nvmlDeviceGetPowerUsage, handle)  # mW
    use = _told(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    return Card(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=nvml.nvmlDeviceGetUUID(handle),
        memory_used=memory.used,
        memory_total=memory.total,
        utilization=None if use is None else use.gpu,
        temperature=_told(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        power=None if power is None else power / 1000,
    )


def _told(nvml, ask, *arguments):
    """What the driver answers; None for what this card does not report (laptops and virtual cards hide some)."""
    try:
        return ask(*arguments)
    except nvml.NVMLError:
        return None


def devices() -> list[str]:
    """The cards a run may be given, as CUDA_VISIBLE_DEVICES names them; those this server itself is limited to, if it is."""
    limit = os.environ.get("CUDA_VISIBLE_DEVICES")
    if limit is not None:
        return [name.strip() for name in limit.split(",") if name.strip() and name.strip() != "-1"]
    return [str(card.index) for card in cards()]


def machine() -> Machine:
    """The cards, and the cores, memory and disk that are free for a run now."""
    memory = psutil.virtual_memory()
    limit, used = _group_memory()
    total = min(memory.total, limit) if limit else memory.total
    free = min(memory.available, limit - used) if limit else memory.available
    return Machine(cards(), _cores(), total, max(0, free), _disk_free())


def sample(pid: int | None = None) -> dict:
    """One moment as a row of resources.jsonl has it.

    Args:
        pid: the process whose memory counts, with its children; None for this machine's memory in use.
    """
    here = machine()
    used = here.memory_total - here.memory_free
    return {
        "time": time.time(),
        "process_memory": used if pid is None else _process_memory(pid),
        "memory_total": here.memory_total,
        "cpu_percent": psutil.cpu_percent(),
        "gpus": [{key: value for key, value in asdict(card).items() if key != "uuid"} for card in here.cards],
    }


def _process_memory(pid: int) -> int:
    """Resident bytes of a process and what it started; 0 once it has ended."""
    total = 0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue  # it ended between the list and the look
    return total


def _cores() -> int:
    """The processor cores this process may use: its affinity, and a container's quota rounded up."""
    cores = len(os.sched_getaffinity(0)) if os.name == "posix" and os.uname().sysname == "Linux" else psutil.cpu_count()
    quota, _, period = _group_file("cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        cores = min(cores, -(-int(quota) // int(period)))
    return max(1, cores or 1)


def _group_memory() -> tuple[int, int]:
    """A container's memory limit and use in bytes, without what the system can give back; (0, 0) without a limit."""
    limit, used = _group_file("memory.max"), _group_file("memory.current")
    if not (limit.isdecimal() and used.isdecimal()):
        return 0, 0
    statistics = dict(line.split() for line in _group_file("memory.stat").splitlines() if line.count(" ") == 1)
    return int(limit), max(0, int(used) - int(statistics.get("inactive_file", 0)))


def _group_file(name: str) -> str:
    try:
        return (Path("/sys/fs/cgroup") / name).read_text().strip()
    except OSError:
        return ""


def _disk_free() -> int:
    """Bytes free where the workspace is, or will be."""
    path = workspace.home()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
