"""Prompts of several rows in one forward: what their first tokens are chosen from, and where the steps go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import Cache, DynamicCache

from glm_core.models.architectures.decoder import cache_argument

if TYPE_CHECKING:
    from glm_core.models import LoadedModel


@dataclass(frozen=True)
class Prefill:
    """The state after the prompts of B sequences.

    Attributes:
        logits: (B, V), of each row's first token.
        cache: the prompts' keys and values, padded at the left.
        positions, strides: of the first token, and by how much each later one is further on; (B, 1), or for ChatGLM-6B,
            which has two positions a token, (B, 2, 1).
    """

    logits: torch.Tensor
    cache: Cache
    positions: torch.Tensor
    strides: torch.Tensor


def prefill(loaded: "LoadedModel", prompts: Sequence[Sequence[int]]) -> Prefill:
    """Compute `prompts`, with the adapters that act on `loaded` just now."""
    ids, mask = _padded(loaded, prompts)  # (B, S)
    model, architecture, cache = loaded.model, loaded.family.architecture, DynamicCache()
    inputs = {cache_argument(model.__class__): cache, "use_cache": True, "logits_to_keep": 1}
    logits = model(input_ids=ids, **inputs, **architecture.prompt_inputs(model, ids, mask)).logits[:, -1]
    return Prefill(logits, cache, *architecture.next_positions(model, ids, mask))


def _padded(loaded: "LoadedModel", prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Prompts (B, S), padded at the left, and their mask; no mask where none is padded, which is the fast way."""
    longest = max(map(len, prompts))
    pads = torch.tensor([longest - len(prompt) for prompt in prompts])
    filler = loaded.tokenizer.pad_token_id or 0
    ids = torch.tensor([[filler] * int(pad) + list(prompt) for pad, prompt in zip(pads, prompts, strict=True)])
    mask = (torch.arange(longest) >= pads[:, None]).long() if pads.any() else None
    device = loaded.model.device
    return ids.to(device), None if mask is None else mask.to(device)
