"""One more token of ChatGLM-6B for every row of a batch, in as few kernels as it takes.

The same arithmetic as the network's forward (modeling.py), reduced to a step that has one token a row, a cache that knows
where each row writes, and no gradient. It never waits for the device, so it can be recorded as a CUDA graph.
"""

import torch
from torch import nn

from glm_core.models.architectures.chatglm.attention import attend, split_rotated
from glm_core.models.architectures.chatglm.modeling import RESIDUAL_SCALE, ChatGLMForConditionalGeneration
from glm_core.models.kernels.adjacent import is_plain
from glm_core.models.kernels.block_sizes import fits_block
from glm_core.models.kernels.dispatch import decode_kernels, kernels_for, serves_rows


def step(model: ChatGLMForConditionalGeneration, ids: torch.Tensor, positions: torch.Tensor, cache) -> torch.Tensor:
    """Logits (B, V) after `ids` (B, 1) at `positions` (B, 2, 1).

    Args:
        cache: a transformers `Cache` whose layers' `keys` and `values` are (B or more, heads, capacity, D); with `lengths`
            (B or more), the column that each row writes, `log_scale` of the scores of each row's first `ahead` columns, and
            `visible(dtype)`, both as the mask of a step. Prefixes are in it.
    """
    hidden = model.transformer.word_embeddings(ids[:, 0])  # (B, 1) -> (B, H)
    rotary = model.transformer.rotary(positions, model.transformer.rotary.length - 1, hidden)
    kernels = kernels_for(hidden)
    with decode_kernels(kernels, len(ids)):
        return model.lm_head(_blocks(model.transformer, hidden, rotary, cache, kernels))


def _blocks(network: nn.Module, hidden: torch.Tensor, rotary, cache, kernels) -> torch.Tensor:
    """All layers and the last normalization, (B, H) -> (B, H)."""
    attending = kernels if fits_block(network.layers[0].attention.head_dim) else None
    visible = None if attending else cache.visible(hidden.dtype)
    normed = network.layers[0].input_layernorm(hidden)
    norms = [*(layer.input_layernorm for layer in network.layers[1:]), network.final_layernorm]
    for layer, following in zip(network.layers, norms, strict=True):
        attention = layer.attention
        states = attention.query_key_value(normed)  # (B, 3 H)
        if attending:
            own = cache.layers[attention.layer_idx]
            mixed = attending.attend(states, *rotary, own.keys, own.values, cache.lengths, cache.ahead, cache.log_scale)
        else:
            mixed = _attend(attention, states, rotary, visible, cache)
        normed = _add_norm(attention.dense(mixed), normed, layer.post_attention_layernorm, kernels)
        normed = _add_norm(step_mlp(layer.mlp, normed, kernels), normed, following, kernels)
    return normed


def _attend(attention: nn.Module, states: torch.Tensor, rotary, visible, cache) -> torch.Tensor:
    """(B, 3 H) -> (B, H)."""
    rows, width = states.shape[0], states.shape[1] // 3  # B, H
    query, key, value = split_rotated(states.view(rows, 1, attention.num_heads, 3, attention.head_dim), *rotary)
    key, value = cache.update(key, value, attention.layer_idx)  # (B, heads, columns, D)
    return attend(query, key, value, visible, 0).reshape(rows, width)  # (B, heads, 1, D) -> (B, H)


def step_mlp(mlp: nn.Module, normed: torch.Tensor, kernels) -> torch.Tensor:
    """(B, H) -> (B, H); GELU is the product's where nothing comes between the two."""
    first = mlp.dense_h_to_4h
    if kernels and is_plain(first) and normed.is_contiguous() and serves_rows(kernels, normed, first.weight):
        return mlp.dense_4h_to_h(kernels.linear(normed, first.weight, None, first.bias, gelu=True))
    return mlp(normed)


def _add_norm(states: torch.Tensor, normed: torch.Tensor, norm: nn.LayerNorm, kernels) -> torch.Tensor:
    """`norm` of `states` with the residual, which is the scaled *normalized* input of what computed them."""
    if kernels:
        return kernels.add_norm(states, normed, RESIDUAL_SCALE, norm.weight, norm.bias, norm.eps)
    return norm(torch.add(states, normed, alpha=RESIDUAL_SCALE))
