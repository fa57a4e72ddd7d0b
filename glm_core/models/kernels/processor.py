"""Products of a decoding step on a processor, which take as long as their weights take to be read.

Where a half-precision number holds every weight, as it does of all models that were published in one, the weights are laid
out a second time as halves, of which FBGEMM (Khudia et al. 2021) makes float32 in its registers: the same products and
sums in float32, read in half the time. With AVX-512 a row's result is the same whatever rows it is computed with; elsewhere
one row, two rows and more are summed in different orders, so that the last bits differ. Not here: int8 weights
(`glm_core.models.quantization`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from torch import nn

from glm_core.machine.machine import memory
from glm_core.models.kernels.adjacent import adjacent_product
from glm_core.models.kernels.packed_sizes import half_bytes

MOST_ROWS = 32
"Rows of a step that are computed this way; a product of more takes its time for multiplying."
LOST = 2.0**-25
"By which a weight may differ from its half: what float32 sums of such weights are rounded by anyway."
COMPARED_ROWS = 2048

_STEPPING: ContextVar[bool] = ContextVar("a decoding step is computed", default=False)


@contextmanager
def decoding() -> Iterator[None]:
    """Within it, on a CPU, layers read their weights in few bytes: float32 ones as halves, int8 ones as they are."""
    token = _STEPPING.set(True)
    try:
        yield
    finally:
        _STEPPING.reset(token)


def is_step(states: torch.Tensor) -> bool:
    """Return whether `states` are those of a decoding step in float32 on a processor for which torch has such products."""
    if not _STEPPING.get() or torch.is_grad_enabled():
        return False
    return states.is_cpu and states.dtype == torch.float32 and _has_products()


@cache
def _has_products() -> bool:
    return torch.backends.quantized.engine in ("x86", "fbgemm", "onednn")


class StepLinear(nn.Linear):
    """A linear layer that reads its weight in few bytes in decoding steps on a processor; a subclass says how."""

    laid_out: dict[int, tuple]
    """Number of layers side by side, this the first -> keys of their weights, and how a step reads these; filled when used.

    A weight is laid out once: as part of a group, or alone where an adapter has come between it and the others.
    """

    def reads_few_bytes(self, states: torch.Tensor) -> bool:
        """Return whether `states` (..., in) are to be multiplied by what `lay_out` made."""
        return is_step(states)

    def lay_out(self, layers: Sequence["StepLinear"]):
        """Return the weights of `layers`, of which this is the first, one below the other; None where that cannot be."""
        raise NotImplementedError

    def multiply(self, states: torch.Tensor, weights) -> torch.Tensor:
        """`states` (..., in) times what `lay_out` made, (..., out)."""
        raise NotImplementedError


def step_product(states: torch.Tensor, layers: Sequence[StepLinear]) -> torch.Tensor | None:
    """`states` (..., in) times the weights of `layers` one below the other, (..., out); None where that cannot be."""
    first, keys = layers[0], [_key(layer._parameters["weight"]) for layer in layers]
    kept = first.laid_out.get(len(layers))
    if kept is None or kept[0] != keys:
        for layer in layers:  # it stays known what cannot be laid out
            layer.laid_out = {count: one for count, one in layer.laid_out.items() if one[1] is None}
        kept = first.laid_out[len(layers)] = keys, first.lay_out(layers)
    return None if kept[1] is None else first.multiply(states, kept[1])


def _key(weight: torch.Tensor) -> tuple[int, int]:
    """Return what changes when `weight` does."""
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version


def side_by_side(states: torch.Tensor, *layers: nn.Module) -> Sequence[torch.Tensor]:
    """Return what each of `layers` makes of `states` (B, in), in one product where a decoding step can.

    It takes as long to begin a product as to read a small weight. Hooks of the layers act as ever; the first layer's
    `add_together`, if it has one, takes the place of all of theirs where it can.
    """
    product = step_product(states, layers) if _go_together(states, layers) else adjacent_product(states, layers)
    if product is None:
        return [layer(states) for layer in layers]
    parts = product.split([layer.out_features for layer in layers], -1) if len(layers) > 1 else [product]
    together = vars(layers[0]).get("add_together")
    if together is not None and len(layers) > 1 and together(states, product):
        return parts
    return [_hooked(layer, states, part) for layer, part in zip(layers, parts, strict=True)]


def _go_together(states: torch.Tensor, layers: Sequence[nn.Module]) -> bool:
    first = layers[0]
    if not isinstance(first, StepLinear) or not first.reads_few_bytes(states):
        return False
    return all(type(one) is type(first) and (one.bias is None) is (first.bias is None) for one in layers)


def _hooked(layer: nn.Module, states: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """Return the result of `layer` as its hooks leave it."""
    for hook in layer._forward_hooks.values():
        changed = hook(layer, (states,), result)
        result = result if changed is None else changed
    return result


def below_each_other(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """Weights, scales or biases of several layers as one; None where they have none."""
    if parts[0] is None:
        return None
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


class HalfReadLinear(StepLinear):
    """A dense layer whose steps read its weight as halves, where these hold all of it."""

    def __init__(self, like: nn.Linear):
        nn.Module.__init__(self)
        self.in_features, self.out_features = like.in_features, like.out_features
        self.weight, self.bias, self.laid_out = like.weight, like.bias, {}

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        product = step_product(states, (self,)) if self.reads_few_bytes(states) else None
        return super().forward(states) if product is None else product

    def reads_few_bytes(self, states: torch.Tensor) -> bool:
        return is_step(states) and states.numel() <= MOST_ROWS * self.in_features

    def lay_out(self, layers: Sequence[StepLinear]):
        weight = below_each_other([layer.weight for layer in layers])
        if weight is None or not _fits_halves(weight):
            return None
        return torch.ops.quantized.linear_prepack_fp16(weight, below_each_other([layer.bias for layer in layers]))

    def multiply(self, states: torch.Tensor, weights) -> torch.Tensor:
        return torch.ops.quantized.linear_dynamic_fp16(states, weights)


def _fits_halves(weight: torch.Tensor) -> bool:
    """Return whether halves hold all of `weight` (out, in); looks at a part at a time, as the head of a model is large."""
    return all((rows - rows.half()).abs().max() <= LOST for rows in weight.split(COMPARED_ROWS))


def read_as_halves(model: nn.Module) -> None:
    """Let the dense layers of `model`, float32 on a CPU, compute decoding steps this way, if there is memory for it."""
    dense = {name: module for name, module in model.named_modules() if type(module) is nn.Linear}
    needed = sum(half_bytes(module.in_features, module.out_features) for module in dense.values())
    if needed > memory()[1] // 2:
        return
    for name, module in dense.items():
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, HalfReadLinear(module))
