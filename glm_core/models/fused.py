"""Whether the Triton kernels (`kernels.py`) can compute what is at hand; without them everything takes the plain way."""

import logging
from functools import cache
from types import ModuleType

import torch

log = logging.getLogger(__name__)


def kernels_for(states: torch.Tensor) -> ModuleType | None:
    """The kernels, where they serve `states` (B, H): few rows, on a GPU, no gradient; None elsewhere."""
    if states.device.type != "cuda" or torch.is_grad_enabled() or states.dim() != 2:
        return None
    kernels = _checked()
    return kernels if kernels is not None and states.shape[0] <= kernels.MANY else None


@cache
def _checked() -> ModuleType | None:
    """The module once it has computed something right: Triton may lack, and needs a compiler and a card of its time."""
    try:
        from glm_core.models import kernels

        states, scale = torch.randn(1, 64, device="cuda"), torch.ones(64, device="cuda")
        found = kernels.add_norm(states, states, 1.0, scale, scale, 1e-5)
        torch.testing.assert_close(
            found, torch.nn.functional.layer_norm(2 * states, (64,), scale, scale), rtol=1e-3, atol=1e-3
        )
    except Exception as error:  # of a compiler's making
        log.info("no Triton kernels here: %s", error)
        return None
    return kernels
