"""Choice between the Triton kernels of answering (`triton.py`) or training (`layers.py`) and plain PyTorch for a computation."""

import logging
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend
from torch.overrides import TorchFunctionMode

log = logging.getLogger(__name__)

REPEATABLE = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"Kinds of attention whose recorded steps choose what launched ones do; cuDNN's now and then did not."


def kernels_for(states: torch.Tensor) -> ModuleType | None:
    """The kernels, where they serve `states` (B, H): few rows, on a GPU, no gradient; None elsewhere."""
    if states.device.type != "cuda" or torch.is_grad_enabled() or states.dim() != 2:
        return None
    if states.device.index != torch.cuda.current_device():  # where kernels are launched
        return None
    kernels = _checked()
    return kernels if kernels is not None and states.shape[0] <= kernels.MANY else None


def decode_kernels(kernels: ModuleType | None, rows: int) -> AbstractContextManager:
    """Within it the large products and the GELUs of one row are the kernels' too, each launched before the last one's end.

    So are those of several rows on the GPUs where that is faster.
    """
    return _InTurn(kernels) if kernels is not None and (rows == 1 or kernels.SEVERAL) else nullcontext()


def training_kernels(device: torch.device) -> ModuleType | None:
    """The kernels of training layers (`layers.py`), where they compute on `device`; None elsewhere."""
    if device.type != "cuda" or device.index not in (None, torch.cuda.current_device()) or _checked() is None:
        return None
    from glm_core.models.kernels import layers

    return layers


class _InTurn(TorchFunctionMode):
    """Takes the place of two of torch's functions, whichever module calls them."""

    def __init__(self, kernels: ModuleType):
        super().__init__()
        self._kernels = kernels

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.linear and self._serves(*args[:2]):
            states, weight = args[:2]
            rows = states.view(-1, weight.shape[1])
            product = self._kernels.linear(rows, weight, None, args[2] if len(args) > 2 else None)
            return product.view(*states.shape[:-1], -1)
        if func is F.gelu and args[0].is_contiguous() and (kwargs or {}).get("approximate") == "tanh":
            return self._kernels.gelu(args[0])
        return func(*args, **(kwargs or {}))

    def _serves(self, states: torch.Tensor, weight: torch.Tensor) -> bool:
        """Return whether it is few rows by a large weight of the model's own: a computed one may not be there when it is read ahead."""
        return (
            isinstance(weight, nn.Parameter) and states.is_contiguous() and serves_rows(self._kernels, states, weight)
        )


SMALLEST = 128
"Outputs of a product; a narrower one would keep too few of a GPU's processors busy."
LARGEST = 20_000
"Outputs of a product of several rows; cuBLAS reads a larger weight as fast as memory delivers it."


def serves_rows(kernels: ModuleType, states: torch.Tensor, weight: torch.Tensor) -> bool:
    """Return whether the kernels are faster than cuBLAS for `states` (..., in) by `weight` (out, in): of one row, or of several."""
    outputs, rows = weight.shape[0], states.numel() // weight.shape[1]
    several = kernels.SEVERAL and rows <= kernels.MANY and outputs <= LARGEST and weight.element_size() == 2
    return weight.is_contiguous() and outputs >= SMALLEST and (rows == 1 or several)


@cache
def _checked() -> ModuleType | None:
    """The module once it has computed something right: Triton may lack, and needs a compiler and a GPU of its time."""
    try:
        from glm_core.models.kernels import triton

        states, scale = torch.randn(2, 64, device="cuda").half(), torch.ones(64, device="cuda")
        weight = torch.randint(-128, 128, (64, 64), device="cuda", dtype=torch.int8)
        torch.cuda.synchronize()  # the weight must be there
        for rows in (states[:1], states):
            torch.testing.assert_close(triton.linear(rows, weight, scale), rows @ weight.half().T, rtol=2e-3, atol=1.0)
    except Exception as error:  # of a compiler's making
        log.info("no Triton kernels here: %s", error)
        return None
    return triton
