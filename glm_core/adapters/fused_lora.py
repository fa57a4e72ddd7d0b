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
import torch.nn.functional as F
from peft.tuners.lora import LoraLayer
from torch import nn

from glm_core.models.kernels.adjacent import join


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
        light_a, light_b = a.to(flat.dtype), b.to(flat.dtype)  # once, for the backward too
        inner = dropped @ light_a.T  # (N, r)
        ctx.save_for_backward(flat, mask, inner, light_a, light_b)
        ctx.scale, ctx.dropout, ctx.shape, ctx.dtype = scale, dropout, states.shape, a.dtype
        total = output.new_empty(output.shape)  # no view: OLMo clamps it in place
        torch.addmm(output.flatten(0, -2), inner, light_b.T, alpha=scale, out=total.flatten(0, -2))
        return total

    @staticmethod
    def backward(ctx, gradient):
        flat, mask, inner, a, b = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        passed = _scaled_product(inner, rows, b, ctx.scale)  # (N, r)
        to_b = _scaled_product(b, rows.T, inner, ctx.scale).to(ctx.dtype)
        to_a = (passed.T @ _dropped(flat, mask, ctx.dropout)).to(ctx.dtype)
        to_states = None
        if ctx.needs_input_grad[1]:
            to_states = _dropped(passed @ a, mask, ctx.dropout).view(ctx.shape)
        return gradient, to_states, to_a, to_b, None, None


class _ProjectTogether(torch.autograd.Function):
    """x W^T and, added to the columns of each of several layers, scale dropout(x) A^T B^T; (N, all outs), one layer's behind another's.

    W (all outs, in) are the frozen weights of the layers one below the other, `matrices` their A (r, in) and then their B (out, r).
    Gradients for x (N, in) and the matrices.
    """

    @staticmethod
    def forward(ctx, states, weight, bias, scale, dropout, *matrices):
        first, second = matrices[: len(matrices) // 2], [one.to(states.dtype) for one in matrices[len(matrices) // 2 :]]
        ranks, outs = [one.shape[0] for one in first], [one.shape[0] for one in second]
        dropped, mask = _drop(states, dropout)
        a = torch.cat(first).to(states.dtype)  # (all r, in)
        inner = dropped @ a.T  # (N, all r)
        joint = F.linear(states, weight, bias)
        for part, own, b in zip(joint.split(outs, -1), inner.split(ranks, -1), second, strict=True):
            part.addmm_(own, b.T, alpha=scale)
        ctx.save_for_backward(states, weight, mask, inner, a, *second)
        ctx.scale, ctx.dropout, ctx.ranks, ctx.dtype = scale, dropout, ranks, first[0].dtype
        return joint

    @staticmethod
    def backward(ctx, joint):
        states, weight, mask, inner, a, *second = ctx.saved_tensors
        gradients = joint.split([b.shape[0] for b in second], -1)
        passed = torch.empty_like(inner)  # (N, all r)
        to_second = []
        for gradient, own, part, b in zip(
            gradients, inner.split(ctx.ranks, -1), passed.split(ctx.ranks, -1), second, strict=True
        ):
            torch.addmm(own, gradient, b, beta=0, alpha=ctx.scale, out=part)
            to_second.append(_scaled_product(b, gradient.T, own, ctx.scale).to(ctx.dtype))
        to_first = (passed.T @ _dropped(states, mask, ctx.dropout)).to(ctx.dtype).split(ctx.ranks)
        to_states = None
        if ctx.needs_input_grad[0]:
            to_states = joint @ weight
            if mask is None:
                to_states.addmm_(passed, a)
            else:
                to_states += _dropped(passed @ a, mask, ctx.dropout)
        return to_states, None, None, None, None, *to_first, *to_second


def _scaled_product(like: torch.Tensor, one: torch.Tensor, other: torch.Tensor, scale: float) -> torch.Tensor:
    """`scale` times `one` @ `other` in one kernel; `like` is a tensor of the result's shape, whatever is in it."""
    return torch.addmm(like, one, other, beta=0, alpha=scale)


def _dropped(states: torch.Tensor, mask: torch.Tensor | None, dropout: float) -> torch.Tensor:
    """The same part of `states` dropped again: only the mask is kept."""
    return states if mask is None else torch.ops.aten.native_dropout_backward(states, mask, 1 / (1 - dropout))


def fuse_lora_layers(model: nn.Module) -> None:
    """Let every plain LoRA layer of `model` compute this way where one adapter acts, whatever the base layer is.

    Query, key and value of an attention get a common `project`, which a training layer may call (fused_layers.py). DoRA,
    several adapters at once and rows of different adapters keep PEFT's own forward.
    """
    for module in model.modules():
        if isinstance(module, LoraLayer) and isinstance(module.get_base_layer(), nn.Linear):
            module.forward = partial(_forward, module)
        siblings = [getattr(module, name, None) for name in ("q_proj", "k_proj", "v_proj")]
        layers = [one.get_base_layer() for one in siblings if isinstance(one, LoraLayer)]
        vars(module).pop("project", None)
        if [type(one) for one in layers] == [nn.Linear] * 3 and len({one.bias is None for one in layers}) == 1:
            bias = None if layers[0].bias is None else join([one.bias for one in layers])
            module.project = partial(_project, siblings, join([one.weight for one in layers]), bias)


def _project(siblings: list[LoraLayer], weight, bias, states: torch.Tensor) -> torch.Tensor:
    """The outputs of `siblings` for `states` (B, S, in), behind each other: computed together if they act alike, else one by one."""
    acting = _acting(siblings[0])
    if acting is None or any(_acting(one) != acting for one in siblings):
        return torch.cat([one(states) for one in siblings], -1)
    name, scale, dropout = acting
    matrices = [getattr(one, kind)[name].weight for kind in ("lora_A", "lora_B") for one in siblings]
    joint = _ProjectTogether.apply(states.flatten(0, -2), weight, bias, scale, dropout, *matrices)  # (N, all outs)
    return joint.unflatten(0, states.shape[:-1])


def is_fused(module: nn.Module) -> bool:
    """Return whether `module` is a LoRA layer that computes this way, so that its dropout is ours."""
    own = isinstance(module, LoraLayer) and isinstance(vars(module).get("forward"), partial)
    return own and not any(name in module.lora_variant for name in module.lora_A)


def _acting(module: LoraLayer) -> tuple[str, float, float] | None:
    """The one adapter that acts on `module`, its scale and its dropout now; None where PEFT's own forward is needed."""
    active = [name for name in module.active_adapters if name in module.lora_A]
    if module.disable_adapters or module.merged or len(active) != 1 or active[0] in module.lora_variant:
        return None
    drop = module.lora_dropout[active[0]]
    return active[0], module.scaling[active[0]], drop.p if isinstance(drop, nn.Dropout) and drop.training else 0.0


def _forward(module: LoraLayer, states: torch.Tensor, *args, **kwargs) -> torch.Tensor:
    acting = None if args or kwargs else _acting(module)
    if acting is None:
        return type(module).forward(module, states, *args, **kwargs)
    name, scale, dropout = acting
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    return _AddDelta.apply(module.base_layer(states), states, a, b, scale, dropout)
