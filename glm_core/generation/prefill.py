"""Prompts become keys, values and the logits of first tokens: several in one forward, or one piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import Cache, DynamicCache

from glm_core.models.architectures.base import ResumablePrompts
from glm_core.models.architectures.decoder import cache_argument

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

LayerStates = Sequence[tuple[torch.Tensor, torch.Tensor]]
"Key and value (1, kv_heads, S, D) of every layer."


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


class PartialPrompt:
    """One prompt that is computed piece by piece, each behind the keys and values of those before it.

    Args:
        known: of its first tokens, where another prompt began with the same ones.
    """

    def __init__(self, loaded: "LoadedModel", prompt: Sequence[int], known: LayerStates = ()):
        self._loaded, self._architecture = loaded, loaded.family.architecture
        self._ids = torch.tensor([list(prompt)], device=loaded.model.device)  # (1, S)
        self._whole = undivided(loaded, prompt)
        self.cache = DynamicCache()
        for layer, (key, value) in enumerate(known):
            self.cache.update(key, value, layer)
        self.done = known[0][0].shape[2] if known else 0
        "Tokens whose keys and values are in `cache`."

    @property
    def left(self) -> int:
        """Tokens still to compute, the last of the prompt among them."""
        return self._ids.shape[1] - self.done

    def advance(self, most: int) -> Prefill | None:
        """Compute the next piece, with the adapters that act just now; returns the state once it was the last one.

        Args:
            most: tokens of the piece; more where the architecture cannot divide them.
        """
        stop = min(max(self.done + most, self._whole), self._ids.shape[1])
        piece, model = self._ids[:, self.done : stop], self._loaded.model  # (1, piece)
        inputs = {cache_argument(model.__class__): self.cache, "use_cache": True, "logits_to_keep": 1}
        if self.done and isinstance(self._architecture, ResumablePrompts):
            inputs |= self._architecture.piece_inputs(model, self._ids, self.done, stop)
        else:
            inputs |= self._architecture.prompt_inputs(model, piece, None)
        logits = model(input_ids=piece, **inputs).logits[:, -1]  # (1, V)
        self.done = stop
        return None if self.left else Prefill(logits, self.cache, *self.next_positions())

    def next_positions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions and strides of the token behind the prompt, as in `Prefill`."""
        return self._architecture.next_positions(self._loaded.model, self._ids, None)


def undivided(loaded: "LoadedModel", prompt: Sequence[int]) -> int:
    """Return how many first tokens of `prompt` only one forward can compute: all where the architecture knows no pieces."""
    architecture = loaded.family.architecture
    return architecture.undivided(loaded.model, prompt) if isinstance(architecture, ResumablePrompts) else len(prompt)


def _padded(loaded: "LoadedModel", prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Prompts (B, S), padded at the left, and their mask; no mask where none is padded, which is the fast way."""
    longest = max(map(len, prompts))
    pads = torch.tensor([longest - len(prompt) for prompt in prompts])
    filler = loaded.tokenizer.pad_token_id or 0
    ids = torch.tensor([[filler] * int(pad) + list(prompt) for pad, prompt in zip(pads, prompts, strict=True)])
    mask = (torch.arange(longest) >= pads[:, None]).long() if pads.any() else None  # (B, S)
    device = loaded.model.device
    return ids.to(device), None if mask is None else mask.to(device)
