"""The device that a training process computes on: its GPU or the processor's cores, the memory free there, the data type it wants.

Imports torch only when asked, so that a wrong `run.json` is answered at once.
"""

import os
from typing import TYPE_CHECKING

import psutil

from glm_core.machine.gpu_stats import cores, memory_on_gpus
from glm_core.training.errors import TrainingError

if TYPE_CHECKING:
    import torch


def prepare_device() -> "torch.device":
    """The device of this process. On a CPU all cores are used, shared among the processes."""
    import torch

    from glm_core.models import device as cuda_device

    world = int(os.environ.get("WORLD_SIZE", "1"))
    if cuda_device.usable():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        cuda_device.limit_cuda_stack(device)
        return device
    if "OMP_NUM_THREADS" not in os.environ or world > 1:
        torch.set_num_threads(max(1, cores() // world))
    return torch.device("cpu")


def free_memory(device: "torch.device") -> int:
    """Bytes that the run may take, with what it has already: of its GPU, or of the machine."""
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + memory_on_gpus(os.getpid())
    return psutil.virtual_memory().available + psutil.Process().memory_info().rss


def choose_dtype(precision: str, device: "torch.device") -> "torch.dtype":
    """The base's data type: float32 on a CPU, bfloat16 on GPUs that compute in it, float16 on older ones.

    Raises:
        TrainingError: float16 on a CPU, which cannot train in it.
    """
    import torch

    if precision == "float16" and device.type == "cpu":
        raise TrainingError("training.error.half_on_cpu")
    if precision != "auto":
        return getattr(torch, precision)
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
