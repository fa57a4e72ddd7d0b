"""Samples of the machine during training: process memory and CPU by psutil, each GPU by NVML. Needs no torch and no GPU.

Not here: writing the samples (run_writer.py), and what the machine could offer a run (glm_core.machine.machine).
"""

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from glm_core.machine.pytorch_builds import INDEX, OLDEST, build_for

_processes: dict[int, psutil.Process] = {}


def cores() -> int:
    """CPU cores this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def sample(pid: int | None = None) -> dict[str, Any]:
    """One row of resources.jsonl: bytes, percent of all cores; of each GPU bytes, percent, degrees C, W.

    Args:
        pid: the process to look at with its children; this one by default. A process that has ended counts 0.
    """
    memory, cpu = _measure_tree(pid or os.getpid())
    return {
        "time": time.time(),
        "process_memory": memory,
        "memory_total": psutil.virtual_memory().total,
        "cpu_percent": round(cpu / cores(), 1),
        "gpus": sample_gpus(),
    }


def own_gpus(gpus: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of `gpus` that this process trains on: of the ones it may see the first, one for each process of its group.

    All of them where the environment does not tell, since CUDA may number unlike GPUs in another order than the driver.
    """
    limit = os.environ.get("CUDA_VISIBLE_DEVICES")
    named = (
        [gpu["index"] for gpu in gpus] if limit is None else [part.strip() for part in limit.split(",") if part.strip()]
    )
    if named[:1] in ([], ["-1"]):  # it may see none, and trains on the processor
        return []
    alike = len({gpu["name"] for gpu in gpus}) <= 1 or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    if not alike or not all(str(part).isdecimal() for part in named):
        return gpus
    visible = [int(part) for part in named]
    chosen = visible[: int(os.environ.get("WORLD_SIZE", "1"))]
    return [gpu for gpu in gpus if gpu["index"] in chosen]


def _measure_tree(pid: int) -> tuple[int, float]:
    """Resident bytes and CPU percent (100 a core) of `pid` and its children since the last call."""
    try:
        root = _processes.setdefault(pid, psutil.Process(pid))
        tree = [root, *(_processes.setdefault(child.pid, child) for child in root.children(recursive=True))]
    except psutil.Error:
        _processes.pop(pid, None)
        return 0, 0.0
    memory, cpu = 0, 0.0
    for process in tree:
        try:
            memory += process.memory_info().rss
            cpu += process.cpu_percent()
        except psutil.Error:
            _processes.pop(process.pid, None)  # it ended between the list and the look
    return memory, cpu


def sample_gpus() -> list[dict[str, Any]]:
    """Every GPU that PyTorch can use: index, name, memory_used, memory_total, utilization, temperature, power."""
    nvml = open_nvml()
    if nvml is None:
        return []
    try:
        return [sample_gpu(nvml, index) for index in _indices(nvml) if not obstacle(*_age(nvml, index))]
    except nvml.NVMLError:
        return []  # the driver was unloaded or a GPU was lost while the program runs


def idle_gpus() -> list[dict[str, str]]:
    """Every GPU that the installed PyTorch cannot use: its name, the text key of the obstacle, the command that mends it."""
    nvml = open_nvml()
    if nvml is None:
        return []
    try:
        ages = {index: _age(nvml, index) for index in _indices(nvml)}
        return [
            {"name": _name(nvml, index), "obstacle": found, "command": install_command(*age)}
            for index, age in ages.items()
            if (found := obstacle(*age))
        ]
    except nvml.NVMLError:
        return []


def _indices(nvml) -> range:
    return range(nvml.nvmlDeviceGetCount())


@cache
def _age(nvml, index: int) -> tuple[tuple[int, int], int]:
    """A GPU's compute capability, and the major version of CUDA up to which its driver goes."""
    capability = nvml.nvmlDeviceGetCudaComputeCapability(nvml.nvmlDeviceGetHandleByIndex(index))
    return tuple(capability), nvml.nvmlSystemGetCudaDriverVersion() // 1000


def _name(nvml, index: int) -> str:
    name = nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(index))
    return name.decode() if isinstance(name, bytes) else name


def sample_gpu(nvml, index: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return {
        "index": index,
        "name": _name(nvml, index),
        "memory_used": int(memory.used),
        "memory_total": int(memory.total),
        "utilization": _read(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "temperature": _read(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        "power": _read(nvml, lambda: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000, 1)),
    }


def memory_on_gpus(pid: int) -> int:
    """Bytes that process `pid` has of all GPUs together; 0 where the driver does not tell, as in a container."""
    nvml = open_nvml()
    if nvml is None:
        return 0
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in _indices(nvml)]
        users = [user for handle in handles for user in nvml.nvmlDeviceGetComputeRunningProcesses(handle)]
    except nvml.NVMLError:
        return 0
    return sum(user.usedGpuMemory or 0 for user in users if user.pid == pid)


def _read(nvml, reading: Callable[[], float]) -> float | None:
    """A sensor's value, None on GPUs without that sensor."""
    try:
        return reading()
    except nvml.NVMLError:
        return None


@cache
def open_nvml():
    """The initialized NVML binding, None on a machine without the library or an NVIDIA driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


QUICK_SECONDS, LONGEST_SPACING = 600.0, 60.0


def spacing(elapsed: float) -> float:
    """Return the seconds between two samples that are written, `elapsed` seconds after the first.

    One in the first ten minutes, five up to an hour, a minute from twelve hours on: a month is some 46,000 lines.
    """
    return max(1.0 if elapsed <= QUICK_SECONDS else 5.0, min(elapsed / 720.0, LONGEST_SPACING))


class ResourceSampler(threading.Thread):
    """Hands a `sample` with the GPUs trained on to `write` every `spacing` seconds until stopped; looks for the peak more often.

    A sample that cannot be written (full disk) is left out: the trainer meets the same disk and says so itself.
    """

    def __init__(self, write: Callable[[dict], None], pid: int | None = None, interval: float = 1.0):
        super().__init__(name="resources", daemon=True)
        self._write, self._pid, self._interval = write, pid, interval
        self._ended = threading.Event()
        self.peak_memory = 0

    def run(self) -> None:
        started, due = time.monotonic(), 0.0
        while True:
            elapsed = time.monotonic() - started
            written = elapsed >= due
            self.take(write=written)
            if written:
                due = elapsed + spacing(elapsed) * self._interval
            if self._ended.wait(self._interval * (5 if elapsed > QUICK_SECONDS else 1)):
                return

    def take(self, *, write: bool = True) -> None:
        """Take one sample now, and write it where that is asked and can be done."""
        row = sample(self._pid)
        row["gpus"] = own_gpus(row["gpus"])
        self.peak_memory = max(self.peak_memory, row["process_memory"])
        if not write:
            return
        try:
            self._write(row)
        except OSError:
            return

    def stop(self) -> None:
        """Take a last sample and end the thread."""
        self._ended.set()
        self.join(timeout=5)
        self.take()


@cache
def torch_cuda_version() -> tuple[int, int] | None:
    """The CUDA version that the installed PyTorch is built for; None for a build for processors.

    Raises:
        LookupError: it is not installed, or does not say.
    """
    spec = find_spec("torch")
    try:
        words = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
        said = re.search(r"^cuda\b[^=\n]*= *(?:None|'(\d+)\.(\d+)')", words, re.MULTILINE)
        return (int(said[1]), int(said[2])) if said[1] else None
    except (AttributeError, TypeError, OSError) as error:
        raise LookupError("torch") from error


def obstacle(capability: tuple[int, int], driver: int) -> str:
    """The text key of what keeps PyTorch from a GPU; empty where nothing does, or nobody knows.

    Args:
        capability: the GPU's compute capability.
        driver: the major version of CUDA up to which the driver goes.
    """
    try:
        built = torch_cuda_version()
    except LookupError:
        return ""
    if built is None:
        return "machine.obstacle.processor"
    if capability < OLDEST.get(built[0], (0, 0)):
        return "machine.obstacle.old_card"
    return "machine.obstacle.old_driver" if driver < built[0] else ""


def install_command(capability: tuple[int, int], driver: int) -> str:
    """Return what installs a build that can use the GPU."""
    try:
        number = version("torch").partition("+")[0]
    except PackageNotFoundError:
        number = ""
    return f"pip install --force-reinstall torch{number and f'=={number}'} --index-url {INDEX}{build_for(capability, driver)}"
