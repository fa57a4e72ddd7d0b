"""Living with others in one machine: memory given back after a model has gone, cores that a small one leaves."""

import ctypes
import gc
import sys

import torch
from torch import nn

SMALL = 100_000_000
"Parameters below which decoding is not faster on more than one core (measured with 19 M: 201 against 210 tokens/s)."


def collect() -> None:
    """After loading: free what loading left, and keep the model's objects out of every later collection.

    Streamlit collects after every script run; without the freeze each would walk the whole model.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """After the last reference to a model has gone: free its cycles and hand the pages to the system."""
    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def held(model: nn.Module) -> int:
    """Bytes of its card that `give_back` frees after `model` has gone; 0 where it is on none."""
    device = next(model.parameters()).device
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def spare_cores(model: nn.Module) -> None:
    """One core for a small model on the CPU: more gain nothing, and their spinning would slow a training run."""
    count = sum(parameter.numel() for parameter in model.parameters())
    on_cpu = next(model.parameters()).device.type == "cpu"
    torch.set_num_threads(1 if on_cpu and count < SMALL else _all_cores)


_all_cores = torch.get_num_threads()
