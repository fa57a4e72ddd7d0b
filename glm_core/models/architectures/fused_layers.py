"""Training of a pre-normalized decoder with fewer and larger kernels, and with less kept for the backward.

The same arithmetic as the library's layers, which keep float32 copies of what they normalize and every step of the
activation; here a layer keeps its inputs only, and a GPU launches a third of the kernels. Layers of one input that lie side
by side are one product. Of many tokens, where activations fill the memory, some layers also compute again what lies between
their attention and their activation, gate and up among it; the norm ahead of the attention, and what attention mixes, all of
them do. Networks and parts that do not fit keep their own forward, and so does everything on a CPU. LoRA's own product:
`glm_core.adapters.fused_lora`.
"""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.backends.cuda import SDPAParams, can_use_cudnn_attention, can_use_flash_attention
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from glm_core.models.architectures import decoder_step
from glm_core.models.architectures.base import GATES_AGAIN, MANY_TOKENS
from glm_core.models.kernels.adjacent import frozen_product, is_frozen
from glm_core.models.kernels.dispatch import training_kernels

RECOMPUTES_IN_FORWARD = "__call__" not in vars(GradientCheckpointingLayer)
"""Whether transformers lets a layer compute all again within the forward of its class, whose place ours takes, so that ours has to
ask for it; older versions do it around the forward."""


def fuse_layers(model: nn.Module, masks: Callable | None = None) -> bool:
    """Let the layers of `model` compute this way from now on; returns whether they do.

    Args:
        masks: makes the contexts of a forward and of its repetition, as `torch.utils.checkpoint` asks for them, so that both
            draw the same at random. None: nothing is computed again.
    """
    kernels = training_kernels(model.device)
    pairs = decoder_step.rotation_of(model) if kernels is not None else None
    if pairs is None:
        return False
    for module in model.modules():
        if decoder_step.is_rms(module):
            module.forward = partial(_norm, module)
    for number, layer in enumerate(model.model.layers):
        gates = number * GATES_AGAIN[0] % GATES_AGAIN[1] < GATES_AGAIN[0]  # spread evenly
        layer.forward = partial(_layer, layer, kernels, masks, gates)
        layer.self_attn.forward = partial(_attention, layer.self_attn, kernels, pairs)
    return True


def restore_layers(model: nn.Module) -> None:
    """Give the layers of `model` their own forward back, if `fuse_layers` took it."""
    if decoder_step.rotation_of(model) is None:
        return
    for layer in model.model.layers:
        for module in (layer, layer.self_attn):
            vars(module).pop("forward", None)
    for module in model.modules():
        if decoder_step.is_rms(module):
            vars(module).pop("forward", None)


def is_fused(model: nn.Module) -> bool:
    """Return whether the layers of `model` compute this way now."""
    return decoder_step.rotation_of(model) is not None and "forward" in vars(model.model.layers[0])


def causal_mark(ids: torch.Tensor) -> torch.Tensor:
    """The mark in place of a mask where attention is plainly causal, (1, 1, 1, 1): networks hand on what has four dimensions."""
    return ids.new_zeros(1, 1, 1, 1)


def _norm(norm: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """RMSNorm in one kernel; its input and a number a row are kept, no float32 copies."""
    return F.rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _layer(layer: nn.Module, kernels: ModuleType, masks: Callable | None, gates: bool, hidden_states, **more):
    """One layer, (B, S, H) -> (B, S, H), which computes its gates again where `gates` and `masks` let it."""
    whole = getattr(layer, "gradient_checkpointing", False) and layer.training  # all of the layer is computed again
    many = hidden_states.shape[:2].numel() >= MANY_TOKENS
    again = masks is not None and many and not whole and torch.is_grad_enabled()
    compute = partial(_compute, layer, kernels, masks if again and gates else None, again, whole, **more)
    if whole and RECOMPUTES_IN_FORWARD and torch.is_grad_enabled():
        return layer._gradient_checkpointing_func(compute, hidden_states)
    return compute(hidden_states)


def _compute(
    layer: nn.Module, kernels: ModuleType, masks: Callable | None, again: bool, whole: bool, hidden_states, **more
):
    """The layer as `_layer` decided: gates again where there are `masks`, what attention mixes where `again` says so.

    The last product adds the residual itself where nothing comes between.
    """
    hidden_states, normed = _normed(layer.input_layernorm, kernels, hidden_states)
    with nullcontext() if whole else _computed_again(normed, partial(layer.input_layernorm, hidden_states)):
        mixed = layer.self_attn(hidden_states=normed, again=again, **more)[0]
    enter = partial(_enter_mlp, layer, kernels)
    if masks is not None:
        options = {"use_reentrant": False, "preserve_rng_state": False, "context_fn": masks}
        total, active = checkpoint(enter, mixed, hidden_states, **options)
    else:
        total, active = enter(mixed, hidden_states)
    down, after = layer.mlp.down_proj, getattr(layer, "post_mlp_layernorm", None)
    if after is None and is_frozen(down) and down.bias is None:  # the product adds
        return torch.addmm(total.flatten(0, -2), active, down.weight.T).view(hidden_states.shape)
    added = down(active).view(hidden_states.shape)
    return total + (added if after is None else after(added))


def _normed(norm: nn.Module, kernels: ModuleType, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`states` (B, S, H) for the residual, and their norm; their two gradients meet in one kernel where the norm is not trained."""
    if norm.weight.requires_grad:
        return states, norm(states)
    return kernels.Norm.apply(states, norm.weight, norm.variance_epsilon)


def _enter_mlp(layer: nn.Module, kernels: ModuleType, mixed: torch.Tensor, residual: torch.Tensor):
    """From what attention adds to the residual, both (B, S, H), to their sum and the gated activation of its norm, (N, F)."""
    total, normed = _add_norm(layer, kernels, mixed, residual)
    flat, mlp = normed.flatten(0, -2), layer.mlp  # (N, H)
    if hasattr(mlp, "gate_up_proj"):
        return total, kernels.GatedActivation.apply(mlp.gate_up_proj(flat))
    both = frozen_product(flat, (mlp.gate_proj, mlp.up_proj))  # (N, 2 F)
    if both is not None:
        return total, kernels.GatedActivation.apply(both)
    return total, kernels.GatedProduct.apply(mlp.gate_proj(flat), mlp.up_proj(flat))


def _add_norm(layer: nn.Module, kernels: ModuleType, mixed: torch.Tensor, residual: torch.Tensor):
    """The sum and its norm, (B, S, H) all; in one kernel where the norms are not trained."""
    before, after = getattr(layer, "post_self_attn_layernorm", None), layer.post_attention_layernorm
    if after.weight.requires_grad or (before is not None and before.weight.requires_grad):
        total = residual + (mixed if before is None else before(mixed))
        return total, after(total)
    flat = [states.flatten(0, -2).contiguous() for states in (mixed, residual)]  # (N, H)
    own = None if before is None else before.weight
    total, normed = kernels.AddNorm.apply(*flat, own, after.weight, after.variance_epsilon)
    return total.view(residual.shape), normed.view(residual.shape)


def _computed_again(tensor: torch.Tensor, compute: Callable[[], torch.Tensor]) -> saved_tensors_hooks:
    """Within it, whatever keeps all of `tensor` for the backward keeps its shape only: `compute` makes it again."""
    place, count = tensor.data_ptr(), tensor.numel()

    def pack(kept: torch.Tensor):
        return kept.shape if kept.data_ptr() == place and kept.numel() == count else kept

    def unpack(kept):
        return compute().view(kept) if isinstance(kept, torch.Size) else kept

    return saved_tensors_hooks(pack, unpack)


def _attention(
    attention: nn.Module,
    kernels: ModuleType,
    pairs: bool,
    hidden_states,
    position_embeddings=None,
    attention_mask=None,
    again: bool = False,
    **more,
):
    """Attention without a cache, (B, S, H) -> (B, S, H); with one the network's own forward.

    Args:
        again: compute what attention mixes from queries, keys and values again in the backward.
    """
    if more.get("cache") is not None or more.get("past_key_values") is not None:
        return type(attention).forward(attention, hidden_states, position_embeddings, attention_mask, **more)
    more = {name: value for name, value in more.items() if name not in ("cache", "past_key_values")}
    if attention_mask is not None and attention_mask.numel() == 1 and attention_mask.dim() == 4:
        attention_mask = None  # `causal_mark`
    rows, columns = hidden_states.shape[:2]
    query, key, value = _heads(attention, kernels, pairs, hidden_states, position_embeddings)
    heads = [one.transpose(1, 2) for one in (query, key, value)]  # (B, heads, S, D)
    drop = attention.attention_dropout if attention.training else 0.0
    attend = partial(_attend, attention, mask=attention_mask, dropout=drop, scaling=attention.scaling, **more)
    if again and not drop:
        mixed, weights = checkpoint(attend, *heads, use_reentrant=False, preserve_rng_state=False)
    else:
        mixed, weights = attend(*heads)
    return attention.o_proj(mixed.reshape(rows, columns, -1).contiguous()), weights


def _attend(attention: nn.Module, query, key, value, mask, dropout: float, scaling: float, **more):
    """(B, heads, S, D) -> (B, S, heads, D), by the function that the network's settings name.

    Plain attention is torch's, which takes keys and values of several queries as they are where its fast kernels do.
    """
    name, grouped = attention.config._attn_implementation, key.shape[1] < query.shape[1]
    if name == "sdpa" and mask is None and query.shape[2] > 1 and grouped:
        asked = SDPAParams(query, key, value, None, dropout, True, True)
        if can_use_cudnn_attention(asked) or can_use_flash_attention(asked):
            mixed = F.scaled_dot_product_attention(
                query, key, value, None, dropout, True, scale=scaling, enable_gqa=True
            )
            return mixed.transpose(1, 2), None
    eager = getattr(sys.modules[type(attention).__module__], "eager_attention_forward", None)
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(name, eager)
    return attend(attention, query, key, value, mask, dropout=dropout, scaling=scaling, **more)


def _heads(attention: nn.Module, kernels: ModuleType, pairs: bool, states: torch.Tensor, tables) -> list[torch.Tensor]:
    """Query, key and value (B, S, heads, D) of `states` (B, S, H), turned by the angles of `tables`."""
    layers = [getattr(attention, name) for name in ("q_proj", "k_proj", "v_proj")]
    norms = [getattr(attention, name) for name in ("q_norm", "k_norm") if hasattr(attention, name)]
    project = vars(attention).get("project")  # of an adapter's layers (fused_lora.py)
    joint = None
    if not any(norm.weight.requires_grad for norm in norms):
        joint = frozen_product(states, layers) if project is None else project(states)  # (B, S, all outs)
    if joint is not None:
        sizes = tuple(layer.out_features // attention.head_dim for layer in layers)
        weights, eps = tuple(norm.weight for norm in norms), norms[0].variance_epsilon if norms else 0.0
        return kernels.SplitRotation.apply(joint, *tables, sizes, pairs, weights, eps)
    query, key, value = (layer(states).unflatten(-1, (-1, attention.head_dim)) for layer in layers)  # (B, S, heads, D)
    if norms:
        query, key = attention.q_norm(query), attention.k_norm(key)
    query, key = (kernels.Rotation.apply(one, *tables, pairs) for one in (query, key))
    return [query, key, value]
