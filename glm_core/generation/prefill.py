"""Prompts of several rows in one forward: what their first tokens are chosen from, and where the steps go on."""

import functools
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import Cache, DynamicCache

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


@functools.cache
def cache_argument(kind: type[torch.nn.Module]) -> str:
    """Return what the forward of models of a kind calls its cache: newer transformers have a shorter name for it."""
    return "cache" if "cache" in inspect.signature(kind.forward).parameters else "past_key_values"


def prefill(loaded: "LoadedModel", prompts: Sequence[Sequence[int]]) -> Prefill:
    """Compute `prompts`, with the adapters that act on `loaded` just now."""
    ids, mask = _padded(loaded, prompts)
    cache = DynamicCache()
    inputs = {"input_ids": ids, "attention_mask": mask, cache_argument(type(loaded.model)): cache, "use_cache": True}
    if mask is not None and loaded.family.native in ("glm", "glm4"):  # the others count the mask themselves
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    logits = loaded.model(**inputs, logits_to_keep=1).logits[:, -1]
    return Prefill(logits, cache, *_next_positions(loaded, prompts, ids, mask))


def _padded(loaded: "LoadedModel", prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Prompts (B, S), padded at the left, and their mask; no mask where none is padded, which is the fast way."""
    longest = max(map(len, prompts))
    pads = torch.tensor([longest - len(prompt) for prompt in prompts])
    filler = loaded.tokenizer.pad_token_id or 0
    ids = torch.tensor([[filler] * int(pad) + list(prompt) for pad, prompt in zip(pads, prompts, strict=True)])
    mask = (torch.arange(longest) >= pads[:, None]).long() if pads.any() else None
    device = loaded.model.device
    return ids.to(device), None if mask is None else mask.to(device)


def _next_positions(loaded: "LoadedModel", prompts, ids: torch.Tensor, mask) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and strides, as `Prefill` has them, behind `ids` (B, S)."""
    if loaded.family.native == "chatglm":
        longer = torch.cat([ids, ids[:, -1:]], dim=1)
        seen = None if mask is None else torch.cat([mask, mask[:, -1:]], dim=1)
        last, following = loaded.model.positions(longer, seen)[:, :, -2:].split(1, dim=2)
        return following, following - last
    lengths = torch.tensor([[len(prompt)] for prompt in prompts], device=ids.device)
    return lengths, torch.ones_like(lengths)
