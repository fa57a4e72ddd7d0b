"""Training of a pre-normalized decoder with fewer and larger kernels: norms, gated activation, rotation.

The same arithmetic as the library's layers, which keep float32 copies of what they normalize and every step of the
activation; here a layer keeps its inputs only, and a GPU launches a third of the kernels. Networks and parts that do not
fit keep their own forward, and so does everything on a CPU. LoRA's own product: `glm_core.adapters.fused_lora`.
"""

import sys
from functools import partial
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from glm_core.models.architectures import decoder_step
from glm_core.models.kernels.dispatch import training_kernels


def fuse_layers(model: nn.Module) -> bool:
    """Let the layers of `model` compute this way from now on; returns whether they do."""
    kernels = training_kernels(model.device)
    pairs = decoder_step.rotation_of(model) if kernels is not None else None
    if pairs is None:
        return False
    for module in model.modules():
        if decoder_step.is_rms(module):
            module.forward = partial(_norm, module)
    for layer in model.model.layers:
        layer.mlp.forward = partial(_mlp, layer.mlp, kernels)
        layer.self_attn.forward = partial(_attention, layer.self_attn, kernels, pairs)
    return True


def restore_layers(model: nn.Module) -> None:
    """Give the layers of `model` their own forward back, if `fuse_layers` took it."""
    if decoder_step.rotation_of(model) is None:
        return
    for layer in model.model.layers:
        for module in (layer.mlp, layer.self_attn):
            vars(module).pop("forward", None)
    for module in model.modules():
        if decoder_step.is_rms(module):
            vars(module).pop("forward", None)


def _norm(norm: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """RMSNorm in one kernel; its input and a number a row are kept, no float32 copies."""
    return F.rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _mlp(mlp: nn.Module, kernels: ModuleType, states: torch.Tensor) -> torch.Tensor:
    """The gated MLP, (B, S, H) -> (B, S, H)."""
    flat = states.flatten(0, -2)  # (N, H)
    if hasattr(mlp, "gate_up_proj"):
        active = kernels.GatedActivation.apply(mlp.gate_up_proj(flat))  # (N, F)
    else:
        active = kernels.GatedProduct.apply(mlp.gate_proj(flat), mlp.up_proj(flat))
    return mlp.down_proj(active).view(states.shape)


def _project(attention: nn.Module, states: torch.Tensor) -> list[torch.Tensor]:
    return [getattr(attention, name)(states) for name in ("q_proj", "k_proj", "v_proj")]


def _attention(
    attention: nn.Module,
    kernels: ModuleType,
    pairs: bool,
    hidden_states,
    position_embeddings=None,
    attention_mask=None,
    **more,
):
    """Attention without a cache, (B, S, H) -> (B, S, H); with one the network's own forward."""
    if more.get("cache") is not None or more.get("past_key_values") is not None:
        return type(attention).forward(attention, hidden_states, position_embeddings, attention_mask, **more)
    more = {name: value for name, value in more.items() if name not in ("cache", "past_key_values")}
    rows, columns = hidden_states.shape[:2]
    shape = rows, columns, -1, attention.head_dim
    project = vars(attention).get("project", partial(_project, attention))
    query, key, value = (one.view(shape) for one in project(hidden_states))  # (B, S, heads, D)
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm(query), attention.k_norm(key)
    tables = [table.expand(rows, -1, -1).flatten(0, 1).contiguous() for table in position_embeddings]  # (B S, R)
    query, key = (kernels.Rotation.apply(one.flatten(0, 1), *tables, pairs).view(one.shape) for one in (query, key))
    config = attention.config
    eager = getattr(sys.modules[type(attention).__module__], "eager_attention_forward", None)
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(config._attn_implementation, eager)
    mixed, weights = attend(
        attention,
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        attention_mask,
        dropout=attention.attention_dropout if attention.training else 0.0,
        scaling=attention.scaling,
        **more,
    )
    return attention.o_proj(mixed.reshape(rows, columns, -1).contiguous()), weights
