"""PiSSA (Meng et al., 2024): a LoRA begins with the principal part of each weight instead of zero.

The paper lowers the weight by that part, which all adapters of a base would see. Here the weight stays, and the LoRA
subtracts the part itself: it has twice the rank, A is [A; A0] and B is [B, -B0], whose second halves are never trained.
Outputs and gradients of the first halves are the paper's, nothing is rounded, a quantized base works alike, and what is
saved is the LoRA that PEFT makes of a PiSSA adapter. Dropout acts on both halves alike, so that a run begins at the base.
"""

from collections.abc import Callable, Iterator

import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from glm_core.adapters.errors import AdapterError
from glm_core.models import quantization

OVERSAMPLED = 64
"Directions that are searched besides those wanted (Halko et al., 2011)."
ITERATIONS = 4
SEED = 0
"Of the random directions that the search begins with: a weight has the same principal part in every run."


def begin(model: nn.Module, slot: str, progress: Callable[[float], None] | None = None) -> None:
    """Give LoRA `slot` of `model`, attached with twice the rank, the principal part of each weight, and its negative.

    Args:
        progress: called with the share of layers that are done.

    Raises:
        AdapterError: a weight has fewer rows or columns than half the LoRA's rank.
    """
    layers = list(_layers(model, slot))
    for done, (name, layer) in enumerate(layers, 1):
        a, b, rank = layer.lora_A[slot].weight, layer.lora_B[slot].weight, layer.r[slot] // 2
        base = layer.get_base_layer()
        if rank > (most := min(base.in_features, base.out_features)):
            raise AdapterError("adapters.error.pissa_rank", name=name, rank=rank, most=most)
        with torch.no_grad():
            left, sizes, right = principal_part(quantization.dense_weight(base), rank)
            roots = (sizes / layer.scaling[slot]).sqrt()  # (r,)
            first, second = roots[:, None] * right.T, left * roots  # (r, in), (out, r)
            a.copy_(torch.cat([first, first]))
            b.copy_(torch.cat([second, -second], 1))
        if progress:
            progress(done / len(layers))


def principal_part(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The largest singular values (rank,) of `weight` (out, in) between their vectors, (out, rank) and (in, rank).

    By random directions and subspace iteration, exact where the weight is hardly wider than `rank`.
    """
    with torch.random.fork_rng([weight.device] if weight.is_cuda else []):
        torch.manual_seed(SEED)
        searched = min(rank + OVERSAMPLED, *weight.shape)
        left, sizes, right = torch.svd_lowrank(weight, searched, niter=ITERATIONS)
    return left[:, :rank], sizes[:rank], right[:, :rank]


def freeze_initial(model: nn.Module, slot: str) -> None:
    """Let no gradient reach the second halves of LoRA `slot`, whose weights require gradients; in recorded steps too."""
    for _, layer in _layers(model, slot):
        for weight, across in ((layer.lora_A[slot].weight, True), (layer.lora_B[slot].weight, False)):
            rank = layer.r[slot]
            trained = (torch.arange(rank, device=weight.device) < rank // 2).to(weight.dtype)  # (2 r,)
            weight.register_hook(_Mask(trained[:, None] if across else trained))


class _Mask:
    def __init__(self, trained: torch.Tensor):
        self._trained = trained

    def __call__(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * self._trained


def hold_initial(optimizer: torch.optim.Optimizer, model: nn.Module, slot: str) -> None:
    """Let steps of `optimizer` leave the second halves of LoRA `slot` alone: weight decay acts without a gradient."""
    before: list[torch.Tensor] = []

    def keep(*_) -> None:
        before[:] = [half.clone() for half in initial_halves(model, slot)]

    def put_back(*_) -> None:
        torch._foreach_copy_(list(initial_halves(model, slot)), before)
        before.clear()

    optimizer.register_step_pre_hook(keep)
    optimizer.register_step_post_hook(put_back)


def initial_halves(model: nn.Module, slot: str) -> Iterator[torch.Tensor]:
    """A0 (r, in) and -B0 (out, r) of each layer that LoRA `slot` adapts: the very memory, in the model's order."""
    for _, layer in _layers(model, slot):
        rank = layer.r[slot] // 2
        yield layer.lora_A[slot].weight.detach()[rank:]
        yield layer.lora_B[slot].weight.detach()[:, rank:]


def _layers(model: nn.Module, slot: str) -> Iterator[tuple[str, LoraLayer]]:
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer) and slot in module.lora_A:
            yield name, module
