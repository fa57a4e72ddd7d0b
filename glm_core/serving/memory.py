"""Giving memory back to the system after a model has gone, and sparing the collector the ones that stay."""

import ctypes
import gc
import sys

import torch


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
