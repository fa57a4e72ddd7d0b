"""LoRA's own product, computed in the base's precision and added to the base layer's output as it is made.

PEFT's forward casts the input to the adapter's float32, keeps that copy, and makes several float32 tensors as large as
the output. Here the two small matrices are cast instead (their state stays float32): one product and one accumulating
product a layer, and the input is kept in its own precision. Not here: attaching (attach.py) and files (files.py).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial

import torch
from peft.tuners.lora import LoraLayer
from torch import nn


class DropoutMasks:
    """The masks that the LoRA layers of one recomputed block drew, for when it is computed again."""

    def __init__(self):
        self._drawn: list[torch.Tensor] = []
        self._next: int | None = None

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Keep what is drawn within."""
        self._next = None
        token = _MASKS.set(self)
        try:
            yield
        finally:
            _MASKS.reset(token)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Let the layers within have the masks that were kept, in the same order."""
        self._next = 0
        token = _MASKS.set(self)
        try:
            yield
        finally:
            _MASKS.reset(token)

    def drop(self, states: torch.Tensor, dropout: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `states` with a part dropped, and the mask of what is left."""
        if self._next is not None:
            mask, self._next = self._drawn[self._next], self._next + 1
            return _dropped(states, mask, dropout), mask
        dropped, mask = torch.native_dropout(states, dropout, True)
        self._drawn.append(mask)
        return dropped, mask


_MASKS: ContextVar[DropoutMasks | None] = ContextVar("masks of the block that is computed", default=None)


def keep_masks() -> tuple[AbstractContextManager, AbstractContextManager]:
    """Return contexts of a block's forward and of its recomputation, as `torch.utils.checkpoint` asks for them."""
    masks = DropoutMasks()
    return masks.drawing(), masks.again()


def _drop(states: torch.Tensor, dropout: float) -> tuple[torch.Tensor, torch.Tensor | None]:
    if not dropout:
        return states, None
    masks = _MASKS.get()
    return torch.native_dropout(states, dropout, True) if masks is None else masks.drop(states, dropout)


class _AddDelta(torch.autograd.Function):
    """`output` + scale dropout(x) A^T B^T; gradients for x, A (r, in) and B (out, r)."""

    @staticmethod
    def forward(ctx, output, states, a, b, scale, dropout):
        flat = states.flatten(0, -2)
        dropped, mask = _drop(flat, dropout)
        inner = dropped @ a.to(flat.dtype).T  # (N, r)
        ctx.save_for_backward(flat, mask, inner, a, b)
        ctx.scale, ctx.dropout, ctx.shape = scale, dropout, states.shape
        total = output.new_empty(output.shape)  # no view: OLMo clamps it in place
        torch.addmm(output.flatten(0, -2), inner, b.to(flat.dtype).T, alpha=scale, out=total.flatten(0, -2))
        return total

    @staticmethod
    def backward(ctx, gradient):
        flat, mask, inner, a, b = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        passed = rows @ (ctx.scale * b).to(rows.dtype)  # (N, r)
        to_b = (rows.T @ inner).to(b.dtype) * ctx.scale
        to_a = (passed.T @ _dropped(flat, mask, ctx.dropout)).to(a.dtype)
        to_states = None
        if ctx.needs_input_grad[1]:
            to_states = _dropped(passed @ a.to(passed.dtype), mask, ctx.dropout).view(ctx.shape)
        return gradient, to_states, to_a, to_b, None, None


def _dropped(states: torch.Tensor, mask: torch.Tensor | None, dropout: float) -> torch.Tensor:
    """The same part of `states` dropped again: only the mask is kept."""
    return states if mask is None else torch.ops.aten.native_dropout_backward(states, mask, 1 / (1 - dropout))


def fuse_lora_layers(model: nn.Module) -> None:
    """Let every plain LoRA layer of `model` compute this way where one adapter acts, whatever the base layer is.

    DoRA, several adapters at once and rows of different adapters keep PEFT's own forward.
    """
    for module in model.modules():
        if isinstance(module, LoraLayer) and isinstance(module.get_base_layer(), nn.Linear):
            module.forward = partial(_forward, module)


def is_fused(module: nn.Module) -> bool:
    """Return whether `module` is a LoRA layer that computes this way, so that its dropout is ours."""
    own = isinstance(module, LoraLayer) and isinstance(vars(module).get("forward"), partial)
    return own and not any(name in module.lora_variant for name in module.lora_A)


def _forward(module: LoraLayer, states: torch.Tensor, *args, **kwargs) -> torch.Tensor:
    active = [name for name in module.active_adapters if name in module.lora_A]
    if (
        kwargs
        or args
        or module.disable_adapters
        or module.merged
        or len(active) != 1
        or active[0] in module.lora_variant
    ):
        return type(module).forward(module, states, *args, **kwargs)
    (name,) = active
    drop = module.lora_dropout[name]
    dropout = drop.p if isinstance(drop, nn.Dropout) and drop.training else 0.0
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    return _AddDelta.apply(module.base_layer(states), states, a, b, module.scaling[name], dropout)
