"""Activations that are computed again in the backward instead of being kept, in steps that can be recorded.

The masks that LoRA's dropout draws in the forward are kept, a byte a number, so that no random state has to be read back
and set again: a recorded step cannot do that. Where other parts of a layer draw random numbers, the library keeps the
state of the generator, and the step is not recorded.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def recompute(model: "nn.Module", layers: int) -> bool:
    """Let the first `layers` of `model` compute their activations again in the backward; returns whether that can be recorded."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    from glm_core.adapters.fused_lora import keep_masks

    recordable = not draws_at_random(model)
    own = {"preserve_rng_state": False, "context_fn": keep_masks} if recordable else {}
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False, **own})
    blocks = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    for block in blocks[layers:]:
        block.gradient_checkpointing = False
    return recordable


def draws_at_random(model: "nn.Module") -> bool:
    """Return whether a layer of `model` draws random numbers other than the masks of fused LoRA layers."""
    from torch import nn

    from glm_core.adapters.fused_lora import is_fused

    masked = {id(drop) for module in model.modules() if is_fused(module) for drop in module.lora_dropout.values()}
    drawing = (one for one in model.modules() if isinstance(one, nn.Dropout) and one.p > 0)
    rates = (getattr(model.config, f"{part}_dropout", 0.0) for part in ("attention", "hidden"))
    return any(rates) or any(id(one) not in masked for one in drawing)
