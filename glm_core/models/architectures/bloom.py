"""transformers' BLOOM whose training steps can be recorded: what it would make on the processor is kept, or made before."""

import torch
from transformers import BloomForCausalLM


class KeptSlopes:
    """What `BloomModel.build_alibi_tensor` computes (Press et al. 2022), with the slopes of each device kept."""

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


class Bloom(BloomForCausalLM):
    """For causal language modelling."""

    def __init__(self, config):
        super().__init__(config)
        self.transformer.build_alibi_tensor = KeptSlopes()
