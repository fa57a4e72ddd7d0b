"""Which build of PyTorch a computer gets before anything is installed."""

import pytest

from glm_core.machine import pytorch_builds

HEADER = "| NVIDIA-SMI 580.65   Driver Version: 580.65   CUDA Version: {version}     |\n"


@pytest.mark.parametrize(
    ("capabilities", "version", "platform", "build"),
    [
        ("8.9\n", "13.0", "linux", None),
        ("8.9\n", "13.0", "win32", "cu130"),
        ("6.1\n", "12.8", "linux", "cu126"),
        ("6.1\n", "13.0", "linux", "cu126"),
        ("8.9\n6.1\n", "13.0", "linux", "cu126"),
        ("8.6\n", "12.4", "linux", "cu126"),
        ("", "13.0", "linux", "cpu"),
        ("No devices were found\n", "13.0", "win32", "cpu"),
        ("", "", "darwin", None),
    ],
)
def test_the_build_suits_the_oldest_gpu_and_its_driver(capabilities, version, platform, build):
    gpu = pytorch_builds.oldest_gpu(capabilities, HEADER.format(version=version))
    index = pytorch_builds.index_for(gpu, platform)
    assert index == (build and pytorch_builds.INDEX + build)


def test_a_computer_without_nvidias_driver_has_no_card(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pytorch_builds.ask_driver() is None
