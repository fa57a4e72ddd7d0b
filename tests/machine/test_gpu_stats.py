"""What training uses of the machine is sampled by a thread that never disturbs it."""

import os
import threading
import time
from types import SimpleNamespace

import pytest

from glm_core.machine import gpu_stats
from glm_core.runs.silence import SILENT_SECONDS


def test_sample_has_bytes_percent_and_no_card_without_a_driver():
    before = time.time()
    row = gpu_stats.sample()
    assert before <= row["time"] <= time.time()
    assert 1e7 < row["process_memory"] < row["memory_total"] and row["cpu_percent"] >= 0
    assert isinstance(row["gpus"], list)


def test_process_that_has_ended_takes_nothing():
    assert gpu_stats.sample(2**22 + 1)["process_memory"] == 0


def test_sensors_a_card_lacks_are_none_and_the_rest_is_read():
    class Driver:
        """NVML as a laptop GPU answers: no power reading."""

        NVMLError, NVML_TEMPERATURE_GPU = RuntimeError, 0

        def nvmlDeviceGetHandleByIndex(self, index):
            return index

        def nvmlDeviceGetName(self, handle):
            return b"NVIDIA GeForce GTX 1080 Ti"

        def nvmlDeviceGetMemoryInfo(self, handle):
            return type("Memory", (), {"used": 3 * 2**30, "total": 11 * 2**30})

        def nvmlDeviceGetUtilizationRates(self, handle):
            return type("Rates", (), {"gpu": 97})

        def nvmlDeviceGetTemperature(self, handle, kind):
            return 71

        def nvmlDeviceGetPowerUsage(self, handle):
            raise RuntimeError("Not Supported")

    row = gpu_stats.sample_gpu(Driver(), 0)
    assert row == {
        "index": 0,
        "name": "NVIDIA GeForce GTX 1080 Ti",
        "memory_used": 3 * 2**30,
        "memory_total": 11 * 2**30,
        "utilization": 97,
        "temperature": 71,
        "power": None,
    }


def test_sampler_writes_rows_and_remembers_the_peak():
    rows, enough = [], threading.Event()

    def write(row):
        rows.append(row)
        if len(rows) == 3:
            enough.set()

    sampler = gpu_stats.ResourceSampler(write, os.getpid(), interval=0.02)
    sampler.start()
    assert enough.wait(60)
    sampler.stop()
    assert len(rows) > 3 and sampler.peak_memory == max(row["process_memory"] for row in rows)
    assert not sampler.is_alive()


def test_a_month_of_samples_is_a_few_megabytes_and_never_looks_like_silence():
    moment, lines, month = 0.0, 0, 30 * 86_400
    while moment < month:
        gap = gpu_stats.spacing(moment)
        assert 1.0 <= gap <= SILENT_SECONDS / 2
        moment, lines = moment + gap, lines + 1
    assert lines < 50_000


def test_sampler_survives_a_full_disk():
    tried = threading.Semaphore(0)

    def full(_):
        tried.release()
        raise OSError(28, "No space left on device")

    sampler = gpu_stats.ResourceSampler(full, interval=0.02)
    sampler.start()
    assert tried.acquire(timeout=60) and tried.acquire(timeout=60)
    assert sampler.is_alive() and sampler.peak_memory > 0
    sampler.stop()


ALIKE = [{"index": index, "name": "RTX 4090"} for index in range(4)]
MIXED = [{"index": 0, "name": "GTX 1080 Ti"}, {"index": 1, "name": "RTX 4090"}]


@pytest.mark.parametrize(
    "gpus, environment, own",
    [
        (ALIKE, {}, [0]),
        (ALIKE, {"WORLD_SIZE": "2"}, [0, 1]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "3,1,2"}, [3]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "3,1,2", "WORLD_SIZE": "2"}, [1, 3]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "GPU-4f2a"}, [0, 1, 2, 3]),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": ""}, []),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": "-1"}, []),
        (ALIKE, {"CUDA_VISIBLE_DEVICES": " 2, 3"}, [2]),
        (MIXED, {}, [0, 1]),
        (MIXED, {"CUDA_VISIBLE_DEVICES": "1"}, [0, 1]),
        (MIXED, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, [1]),
        ([], {}, []),
    ],
)
def test_a_run_tells_of_the_cards_it_trains_on(gpus, environment, own, monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(gpu_stats, "sample_gpus", lambda: gpus)
    rows = []
    sampler = gpu_stats.ResourceSampler(rows.append, os.getpid())
    sampler.take()
    assert [gpu["index"] for gpu in rows[0]["gpus"]] == own


def test_memory_of_one_process_is_told_where_the_driver_tells(monkeypatch):
    class Driver:
        """Two GPUs; a container's driver does not say how much."""

        NVMLError = RuntimeError

        def nvmlDeviceGetCount(self):
            return 2

        def nvmlDeviceGetHandleByIndex(self, index):
            return index

        def nvmlDeviceGetComputeRunningProcesses(self, handle):
            return [SimpleNamespace(pid=7, usedGpuMemory=345), SimpleNamespace(pid=8, usedGpuMemory=None)][: 2 - handle]

    monkeypatch.setattr(gpu_stats, "open_nvml", Driver)
    assert [gpu_stats.memory_on_gpus(pid) for pid in (7, 8, 9)] == [690, 0, 0]
    monkeypatch.setattr(gpu_stats, "open_nvml", lambda: None)
    assert gpu_stats.memory_on_gpus(7) == 0
