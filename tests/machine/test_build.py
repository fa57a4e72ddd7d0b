"""A GPU that the installed PyTorch cannot use is told from one that it can, and what would mend it is said."""

from types import SimpleNamespace

import pytest
import torch

from glm_core import i18n
from glm_core.machine import gpu_stats, machine
from glm_core.models import device
from glm_core.training.memory import memory_estimate
from glm_core.training.settings import TrainingSettings

PASCAL, ADA = (6, 1), (8, 9)


class Driver:
    """NVML of a computer with one GPU."""

    NVMLError, NVML_TEMPERATURE_GPU = RuntimeError, 0

    def __init__(self, capability, cuda):
        self._capability, self._cuda = capability, cuda

    def __call__(self):
        return self

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetCudaComputeCapability(self, handle):
        return list(self._capability)

    def nvmlSystemGetCudaDriverVersion(self):
        return self._cuda

    def nvmlDeviceGetName(self, handle):
        return "NVIDIA GeForce"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=10**9, total=11 * 10**9)

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=3)

    def nvmlDeviceGetTemperature(self, handle, kind):
        return 40

    def nvmlDeviceGetPowerUsage(self, handle):
        return 20_000


def install(monkeypatch, tmp_path, line, name="2.13.0"):
    """A torch whose version file has `line`."""
    (tmp_path / "version.py").write_text(f"__version__ = '{name}'\ndebug = False\n{line}\nhip: Optional[str] = None\n")
    monkeypatch.setattr(gpu_stats, "find_spec", lambda _: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    monkeypatch.setattr(gpu_stats, "version", lambda _: name)
    gpu_stats.torch_cuda_version.cache_clear()


@pytest.fixture(autouse=True)
def real_again():
    yield
    gpu_stats.torch_cuda_version.cache_clear()


def test_the_build_of_the_real_torch_is_read_from_its_file():
    version = torch.version.cuda
    assert gpu_stats.torch_cuda_version() == (version and tuple(map(int, version.split("."))))


@pytest.mark.parametrize(
    ("line", "capability", "driver", "obstacle", "index"),
    [
        ("cuda: Optional[str] = '13.0'", ADA, 13000, "", "cu130"),
        ("cuda: Optional[str] = '13.0'", PASCAL, 13000, "machine.obstacle.old_card", "cu126"),
        ("cuda: Optional[str] = '13.0'", ADA, 12080, "machine.obstacle.old_driver", "cu126"),
        ("cuda: Optional[str] = None", ADA, 13000, "machine.obstacle.processor", "cu130"),
        ("cuda: Optional[str] = None", PASCAL, 12040, "machine.obstacle.processor", "cu126"),
        ("cuda: Optional[str] = '12.6'", PASCAL, 12080, "", "cu126"),
        ("cuda: Optional[str] = '12.6'", ADA, 11080, "machine.obstacle.old_driver", "cu126"),
        ("cuda = '13.0'", ADA, 13000, "", "cu130"),
        ("nothing = 1", PASCAL, 12000, "", "cu126"),
    ],
)
def test_what_keeps_a_card_idle(line, capability, driver, obstacle, index, monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, line, "2.13.0+cpu")
    monkeypatch.setattr(gpu_stats, "open_nvml", Driver(capability, driver))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_stats.obstacle(capability, driver // 1000) == obstacle
    assert [one.name for one in machine.gpus()] == ([] if obstacle else ["NVIDIA GeForce"])
    assert machine.devices() == ([] if obstacle else ["0"])
    assert [(one.name, one.obstacle) for one in machine.idle_gpus()] == (
        [("NVIDIA GeForce", obstacle)] if obstacle else []
    )
    assert gpu_stats.install_command(capability, driver // 1000).endswith(
        f" torch==2.13.0 --index-url https://download.pytorch.org/whl/{index}"
    )
    shape = {"model_type": "bloom", "hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": 96}
    assert memory_estimate.estimate(shape, TrainingSettings()).device == ("cpu" if obstacle else "cuda")
    if obstacle:
        assert all(i18n.table(language)[obstacle].format(name="X") for language in ("zh", "en"))


@pytest.mark.parametrize(
    ("own", "kinds", "runs"),
    [
        ((6, 1), ["sm_75", "sm_80", "sm_90", "compute_120"], False),
        ((6, 1), ["sm_50", "sm_60", "sm_75"], True),
        ((8, 9), ["sm_75", "sm_80", "sm_86"], True),
        ((12, 0), ["sm_80", "sm_90", "compute_90"], True),
        ((12, 0), ["sm_80", "sm_90"], False),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["sm_90a", "nonsense"], False),
        ((7, 5), [], False),
    ],
)
def test_a_card_is_used_where_torch_has_code_for_it(own, kinds, runs, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: own)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: kinds)
    device.usable.cache_clear()
    try:
        assert device.usable() == runs
    finally:
        device.usable.cache_clear()
