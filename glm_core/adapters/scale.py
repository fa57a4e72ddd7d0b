"""Strength of adapters, and several adapters on the rows of one batch.

One thread owns a model, as in attach.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch

from glm_core.adapters.attach import activate, attached, slot
from glm_core.adapters.errors import AdapterError
from glm_core.models import LoadedModel, prefix_tuning

STRONGEST = 1.5


def is_scalable(loaded: LoadedModel, name: str) -> bool:
    """Return whether `set_strength` can put the adapter between off and on.

    LoRA and prefixes can; DoRA cannot, nor a prefix in place of one that the base came with, as off is then another prefix.
    """
    state = attached(loaded)
    state.method(name)
    return name in state.scalable


def set_strength(loaded: LoadedModel, name: str, strength: float) -> None:
    """Let the adapter act at `strength` of what it learnt: 0 is the base, 1 as trained, at most 1.5.

    A LoRA's product is scaled by it, a prefix's attention weights before they are normalized (`glm_core.models.prefix_tuning`).

    Raises:
        AdapterError: out of range, unknown, or not scalable and the strength is not 1.
    """
    if not 0 <= strength <= STRONGEST:
        raise AdapterError("adapters.error.strength", strength=strength, maximum=STRONGEST)
    if not is_scalable(loaded, name):
        if strength != 1:
            raise AdapterError("adapters.error.not_scalable", name=name)
        return
    if attached(loaded).method(name) == "ptuning":
        loaded.model.prefixes[name].strength = float(strength)
        return
    from peft.tuners.lora import LoraLayer

    for module in loaded.model.modules():
        if isinstance(module, LoraLayer):
            module.set_scale(slot(name), strength)


def weaken(loaded: LoadedModel, name: str, factor: float) -> None:
    """Let a LoRA act at `factor` of what it learnt for good: its B matrices are multiplied, so every copy of it has that strength.

    Raises:
        AdapterError: unknown, or not a scalable LoRA.
    """
    if not is_scalable(loaded, name) or attached(loaded).method(name) == "ptuning":
        raise AdapterError("adapters.error.not_scalable", name=name)
    from peft.tuners.lora import LoraLayer

    for module in loaded.model.modules():
        if isinstance(module, LoraLayer) and slot(name) in module.lora_B:
            with torch.no_grad():
                module.lora_B[slot(name)].weight.mul_(factor)


def prefix_of(loaded: LoadedModel, name: str | None) -> str | None:
    """The prefix in force under adapter `name` (None = the base): its own, else the one that the base came with."""
    state = attached(loaded)
    return name if name is not None and state.method(name) == "ptuning" else state.own_prefix


def factors(loaded: LoadedModel, name: str) -> dict[str, tuple[torch.Tensor, torch.Tensor, float]]:
    """A (r, in), B (out, r) and the factor of their product, by module, of LoRA `name`; empty for other methods.

    Raises:
        AdapterError: no adapter of that name is loaded.
    """
    if attached(loaded).method(name) != "lora":
        return {}
    from peft.tuners.lora import LoraLayer

    here = slot(name)
    return {
        path: (module.lora_A[here].weight, module.lora_B[here].weight, module.scaling[here])
        for path, module in loaded.model.named_modules()
        if isinstance(module, LoraLayer) and here in module.lora_A
    }


@contextmanager
def rows(loaded: LoadedModel, chosen: Sequence[str | None]) -> Iterator[None]:
    """Forwards and `generate` within the block answer row i with adapter `chosen[i]`, None being the base.

    Equal to separate runs. DoRA cannot be mixed.

    Raises:
        AdapterError: a name that is not loaded.
    """
    state = attached(loaded)
    methods = [None if name is None else state.method(name) for name in chosen]
    prefixes = [prefix_of(loaded, name) for name in chosen]
    mixing = nullcontext()
    if "lora" in methods:
        state.peft.eval()
        state.peft.base_model.enable_adapter_layers()
        names_by_row = [
            slot(name) if method == "lora" else "__base__" for name, method in zip(chosen, methods, strict=True)
        ]
        mixing = state.peft.base_model._enable_peft_forward_hooks(adapter_names=names_by_row)
    elif state.peft is not None:
        state.peft.base_model.disable_adapter_layers()
    try:
        prefix_tuning.activate_prefix(loaded.model, prefixes if any(prefixes) else None)
        with mixing:
            yield
    finally:
        activate(loaded, None)
