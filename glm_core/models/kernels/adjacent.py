"""Layers of one input whose weights lie one behind the other in memory, so that a GPU computes them in one product.

Query, key and value of an attention, gate and up of a gated MLP. Each layer's own weight is a part of the common one:
nothing is kept twice, and each still computes by itself where it is asked alone.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from glm_core.models.kernels.dispatch import kernels_for, serves_rows

SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"Names of layers that have one input."


def lay_adjacent(model: nn.Module) -> None:
    """Move the weights of siblings in `model` one behind the other, as far as there is room to move them."""
    for module in model.modules():
        for names in SIBLINGS:
            layers = [layer for name in names if isinstance(layer := module._modules.get(name), nn.Linear)]
            if len(layers) == len(names) and is_alike(layers):
                try:
                    for name in _held(layers[0]):
                        join([_held(layer)[name] for layer in layers])
                except torch.OutOfMemoryError:  # they compute where they are
                    return


def is_alike(layers: Sequence[nn.Linear]) -> bool:
    """Return whether `layers` are dense or packed alike, with the same inputs, all with a bias or all without."""
    kinds = {(type(one), one.weight.shape[1], tuple(_held(one))) for one in layers}
    return len(kinds) == 1 and (type(layers[0]) is nn.Linear or "weight_scale" in _held(layers[0]))


def _held(layer: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of `layer` by name: a weight, of a packed one its scale, perhaps a bias."""
    return {name: own for name, own in layer._parameters.items() if own is not None}


def join(parameters: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the weights, scales or biases of several layers as one tensor, of which theirs are parts from then on."""
    joined = adjoining(parameters)
    if joined is None:
        joined = torch.cat([one.data for one in parameters])
        for one, part in zip(parameters, joined.split([len(one) for one in parameters]), strict=True):
            one.data = part
    return joined


def adjoining(parameters: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """Return `parameters` as one tensor where they lie one behind the other, else None."""
    first, storage = parameters[0].data, parameters[0].untyped_storage().data_ptr()
    end = first.data_ptr()
    for one in parameters:
        if one.data_ptr() != end or one.untyped_storage().data_ptr() != storage or not one.is_contiguous():
            return None
        end += one.nbytes
    return first.as_strided((sum(map(len, parameters)), *first.shape[1:]), first.stride())


def adjacent_product(states: torch.Tensor, layers: Sequence[nn.Module]) -> torch.Tensor | None:
    """`states` (B, in) times the weights of `layers` together, (B, all outs); None where that cannot be."""
    kernels = kernels_for(states) if len(layers) > 1 else None
    if kernels is None:
        return None
    bases = [base for layer in layers if isinstance(base := _idle_base(layer), nn.Linear)]
    if len(bases) < len(layers) or not is_alike(bases):
        return None
    joined = _joined(bases)
    if joined is None:
        return None
    weight, scale, bias = joined["weight"], joined.get("weight_scale"), joined.get("bias")
    if scale is not None or serves_rows(kernels, states, weight):
        return kernels.linear(states.contiguous(), weight, scale, bias)
    return F.linear(states, weight, bias)


def frozen_product(states: torch.Tensor, layers: Sequence[nn.Module]) -> torch.Tensor | None:
    """`states` (..., in) times the weights of `layers` together, (..., all outs), as training computes it; None where that cannot be."""
    joined = _joined(layers) if all(map(is_frozen, layers)) and is_alike(layers) else None
    return None if joined is None else F.linear(states, joined["weight"], joined.get("bias"))


def is_frozen(layer: nn.Module) -> bool:
    """Return whether `layer` is a plain product of which nothing is trained."""
    return is_plain(layer) and not any(one.requires_grad for one in layer.parameters())


def is_plain(layer: nn.Module) -> bool:
    """Return whether `layer` is a product with a dense weight, and nobody does anything with what goes in or comes out."""
    own = vars(layer)
    watched = own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"] or own["_backward_pre_hooks"]
    return type(layer) is nn.Linear and "forward" not in own and not watched


def _joined(layers: Sequence[nn.Module]) -> dict[str, torch.Tensor] | None:
    """Return the parameters of `layers`, which are alike, by name, each as one tensor; None where they lie apart."""
    joined = {name: adjoining([_held(layer)[name] for layer in layers]) for name in _held(layers[0])}
    return None if any(one is None for one in joined.values()) else joined


def _idle_base(layer: nn.Module) -> nn.Module | None:
    """Return the layer itself, or the one that PEFT has wrapped where none of its adapters acts; None where one does."""
    if not hasattr(layer, "get_base_layer"):
        return layer
    return layer.get_base_layer() if layer.disable_adapters or not layer.active_adapters else None
