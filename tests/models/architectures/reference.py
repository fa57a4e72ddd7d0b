"""ChatGLM-6B once more, as its rules read and as slowly: the independent judge of the real implementation.

One row at a time, an explicit mask, explicit positions, the published scaling of scores by layer.
"""

import torch


def logits(model, ids: list[int]) -> torch.Tensor:
    """(S, V) for one row of ids, from the weights of a `ChatGLMForConditionalGeneration`."""
    config, state = model.config, model.state_dict()
    length, context = len(ids), ids.index(config.bos_token_id)
    gmask = config.gmask_token_id in ids
    mask_position = ids.index(config.gmask_token_id if gmask else config.mask_token_id)
    sequence = list(range(length))
    if config.position_encoding_2d or not gmask:
        sequence[context:] = [mask_position] * (length - context)
    block = [0] * context + list(range(1, length - context + 1))
    hidden = state["transformer.word_embeddings.weight"][ids]
    for layer in range(config.num_layers):
        part = {
            name.removeprefix(f"transformer.layers.{layer}."): tensor
            for name, tensor in state.items()
            if name.startswith(f"transformer.layers.{layer}.")
        }
        hidden = _layer(config, part, layer, hidden, sequence, block, context)
    return _norm(state, "transformer.final_layernorm", hidden, config) @ model.lm_head.weight.T


def _layer(config, part, layer, hidden, sequence, block, context):
    heads, width = config.num_attention_heads, config.head_dim
    normed = _norm(part, "input_layernorm", hidden, config)
    fused = normed @ part["attention.query_key_value.weight"].T + part["attention.query_key_value.bias"]
    query, key, value = fused.view(len(hidden), heads, 3 * width).split(width, dim=-1)
    if config.position_encoding_2d:
        query, key = (
            torch.cat([_turn(first, sequence), _turn(second, block)], -1)
            for first, second in (query.chunk(2, -1), key.chunk(2, -1))
        )
    else:
        query, key = _turn(query, sequence), _turn(key, sequence)
    scores = torch.einsum("qhd,khd->hqk", query / (width**0.5 * (layer + 1)), key)
    hidden_from = torch.ones(len(hidden), len(hidden)).triu(1).bool()
    hidden_from[:, :context] = False
    weights = (scores.masked_fill(hidden_from, -10000.0) * (layer + 1)).softmax(-1)
    mixed = torch.einsum("hqk,khd->qhd", weights, value).flatten(1)
    alpha = (2 * 28) ** 0.5
    hidden = normed * alpha + mixed @ part["attention.dense.weight"].T + part["attention.dense.bias"]
    normed = _norm(part, "post_attention_layernorm", hidden, config)
    inner = normed @ part["mlp.dense_h_to_4h.weight"].T + part["mlp.dense_h_to_4h.bias"]
    inner = 0.5 * inner * (1 + torch.tanh(0.7978845608028654 * inner * (1 + 0.044715 * inner * inner)))
    return normed * alpha + inner @ part["mlp.dense_4h_to_h.weight"].T + part["mlp.dense_4h_to_h.bias"]


def _turn(states, places):
    width = states.shape[-1]
    frequency = (1.0 / 10000 ** (torch.arange(0, width, 2).float() / width)).half().float()
    angle = torch.tensor(places, dtype=torch.float32)[:, None] * frequency
    cosine, sine = (torch.cat([values, values], -1)[:, None] for values in (angle.cos(), angle.sin()))
    first, second = states.chunk(2, -1)
    return states * cosine + torch.cat([-second, first], -1) * sine


def _norm(state, name, hidden, config):
    return torch.layer_norm(
        hidden, hidden.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], config.layernorm_epsilon
    )
