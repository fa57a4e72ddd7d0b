"""transformers' BLOOM whose training steps can be recorded: what it would make on the processor is kept, or made before."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BloomForCausalLM, PreTrainedModel
from transformers.models.bloom.modeling_bloom import BloomAttention, dropout_add

if TYPE_CHECKING:
    from glm_core.models.prefix_tuning import Prefix


class KeptSlopes:
    """The tensor that `BloomModel.build_alibi_tensor` computes (Press et al. 2022), with the slopes of each device kept."""

    def __init__(self):
        self._kept: dict[tuple, torch.Tensor] = {}

    def __call__(self, attention_mask: torch.Tensor, num_heads: int, dtype: torch.dtype) -> torch.Tensor:
        """(B x heads, 1, S): each column's place among those of `attention_mask` (B, S), or of `spread`, by the heads' slopes."""
        if attention_mask.dim() == 4:
            attention_mask = (attention_mask[:, 0, -1] == 0).long()
        key = attention_mask.device, num_heads
        if key not in self._kept:
            with torch.inference_mode(False):  # an answer may come before the first training step
                self._kept[key] = slopes(num_heads).to(attention_mask.device)
        places = (attention_mask.cumsum(-1) - 1) * attention_mask
        alibi = self._kept[key][:, None] * places[:, None]
        return alibi.flatten(0, 1)[:, None].to(dtype)


def slopes(heads: int) -> torch.Tensor:
    """One a head (heads,), 2^(-8 i / n) for n heads; where n is no power of two, the rest are of twice the next lower one."""
    lower = 2 ** (heads.bit_length() - 1)
    own = [2 ** (-8 * number / lower) for number in range(1, lower + 1)]
    return torch.tensor(own + [2 ** (-4 * number / lower) for number in range(1, 2 * (heads - lower), 2)])


def spread(attention_mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(B, 1, S, S), what to add to scores so that each token sees those before it and itself, of `attention_mask` (B, S)."""
    columns = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    hidden = (columns > columns[:, None]) | (attention_mask[:, None] == 0)
    return hidden.new_zeros(hidden.shape, dtype=dtype).masked_fill(hidden, torch.finfo(dtype).min)[:, None]


class RecordableBloom(BloomForCausalLM):
    """For causal language modelling."""

    def __init__(self, config):
        super().__init__(config)
        self.transformer.build_alibi_tensor = KeptSlopes()


class PrefixedBloomAttention(BloomAttention):
    """BLOOM's attention with a prefix, which is as near to every token as the token itself (no ALiBi penalty)."""

    prefix: "Prefix | None" = None

    def forward(self, hidden_states, residual, alibi, attention_mask, layer_past=None, **kwargs):
        """As `BloomAttention.forward`: (B, S, H) -> (B, S, H) and no attention weights."""
        query, key, value = self._reshape(self.query_key_value(hidden_states))
        if layer_past is not None:
            key, value = layer_past.update(key, value, self.layer_idx)
        batch, _, rows, _ = query.shape
        bias = alibi.view(batch, self.num_heads, 1, -1)[..., : key.shape[2]]
        mask = bias if attention_mask is None else bias + attention_mask
        if self.prefix is not None:
            key, value = self.prefix.join(self.layer_idx, key, value)
            # a single token is its row's last one, in whichever column: the batch may be ragged at the right
            nearest = bias[..., -rows:].transpose(-1, -2) if rows > 1 else bias.amax(-1, keepdim=True)
            mask = self.prefix.widen(mask.expand(-1, -1, rows, -1))
            mask = torch.cat([mask[..., : -bias.shape[-1]] + nearest, mask[..., -bias.shape[-1] :]], -1)
        mixed = F.scaled_dot_product_attention(query, key, value, mask.to(query.dtype), scale=self.inv_norm_factor)
        output = self.dense(mixed.transpose(1, 2).reshape(batch, rows, -1))
        return dropout_add(output, residual, self.hidden_dropout, self.training), None


def let_blocks_see(model: PreTrainedModel, current: Callable[[], "Prefix | None"]) -> None:
    """Let the blocks of `model` see the prefix that `current()` returns at the beginning of each forward."""
    for block in model.transformer.h:
        block.self_attention.__class__ = PrefixedBloomAttention

    def hand_out(network, arguments):
        _lay(network, current())

    def take_back(network, arguments, output):
        laid = network.h[0].self_attention.prefix
        again = laid is not None and network.gradient_checkpointing  # the backward will compute blocks again
        _lay(network, laid.without_graph() if again else None)

    model.base_model.register_forward_pre_hook(hand_out)
    model.base_model.register_forward_hook(take_back)


def _lay(network: nn.Module, prefix: "Prefix | None") -> None:
    """Put `prefix` where the blocks look for it. A graph of gradients must not outlive its step: no step could be recorded."""
    for block in network.h:
        block.self_attention.prefix = prefix
