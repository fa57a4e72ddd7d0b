"""Scaled dot-product attention with a prefix ahead of the keys, or of packed rows, as a function that transformers can choose."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch.nn.attention.bias import causal_lower_right
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface
from transformers.models.glm.modeling_glm import repeat_kv

if TYPE_CHECKING:
    from glm_core.models.architectures.packing import Packing
    from glm_core.models.prefix_tuning import Prefix

NAME = "easyaigc_prefix"


def attend(module, query, key, value, attention_mask, packing: "Packing | None" = None, **more):
    """(B, heads, S, D) -> (B, S, heads, D), see `attend_with_prefix`; or packed, (1, heads, T, D) -> (1, T, heads, D)."""
    if packing is None:
        return attend_with_prefix(module, query, key, value, attention_mask, **more)
    rows = [packing.spread(states) for states in (query, key, value)]  # (B, heads, S, D) each
    if more.get("prefix") is None:
        mixed, weights = sdpa_attention_forward(
            module, *rows, None, dropout=more.get("dropout", 0.0), scaling=more.get("scaling")
        )
    else:
        query, key, value = rows
        mixed, weights = attend_with_prefix(module, query, key, value, None, **more)
    return packing.gather(mixed), weights


def attend_with_prefix(
    module,
    query,
    key,
    value,
    attention_mask,
    prefix: "Prefix | None" = None,
    scaling=None,
    dropout=0.0,
    softcap: float | None = None,
    **kwargs,
):
    """(B, heads, S, D) -> (B, S, heads, D), with the layer's prefix ahead of its keys (B, kv_heads, K, D).

    `attention_mask` is None where plain causal attention is meant.
    """
    rows, own = query.shape[2], key.shape[2]
    if prefix is not None:
        key, value = prefix.join(module.layer_idx, key, value)  # (B, kv_heads, P + K, D)
        if attention_mask is None and prefix.masks:
            attention_mask = torch.ones(1, 1, rows, own, dtype=torch.bool, device=query.device).tril(own - rows)
        if attention_mask is not None:
            attention_mask = prefix.widen(attention_mask)  # (B, 1, S, P + K)
    if softcap is not None:
        return capped_attention(module, query, key, value, attention_mask, scaling, softcap), None
    if attention_mask is None and rows > 1:
        attention_mask = causal_lower_right(rows, key.shape[2])
    key, value = (repeat_kv(states, module.num_key_value_groups) for states in (key, value))  # (B, heads, P + K, D)
    mixed = F.scaled_dot_product_attention(query, key, value, attention_mask, dropout, scale=scaling)
    return mixed.transpose(1, 2).contiguous(), None


def capped_attention(module, query, key, value, attention_mask, scaling: float, softcap: float) -> torch.Tensor:
    """Attention whose scores are pressed between -softcap and softcap, as in Gemma 2; shapes as above."""
    key, value = (repeat_kv(states, module.num_key_value_groups) for states in (key, value))  # (B, heads, K, D)
    scores = (query @ key.transpose(2, 3) * scaling / softcap).tanh() * softcap  # (B, heads, S, K)
    rows, columns = scores.shape[-2:]
    if attention_mask is None:
        attention_mask = torch.ones(rows, columns, dtype=torch.bool, device=query.device).tril(columns - rows)
    if attention_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    else:
        scores = scores + attention_mask
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2).contiguous()


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
