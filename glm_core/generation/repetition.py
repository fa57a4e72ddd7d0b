"""Repetition penalty (Keskar et al. 2019): tokens that are already there, in the prompt or the answer, become less likely.

A family's published sampling may have one. Then every way of answering has it, greedy ones too: what is judged while a model
learns must be what is said in chat.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from glm_core.generation.decode import send

if TYPE_CHECKING:
    from glm_core.models.registry import Family

NAME = "repetition_penalty"


def penalty_of(family: "Family") -> float:
    """The repetition penalty with which models of `family` answer by themselves; 1 does nothing."""
    return family.sampling.get(NAME, 1.0)


def penalize(logits: torch.Tensor, seen: Sequence[int], penalty: float) -> None:
    """Make the tokens `seen`, each once, less likely in place in `logits` (V,)."""
    ids = send(torch.tensor(seen, dtype=torch.long), logits.device)
    logits[ids] = _lowered(logits[ids], penalty)


def penalize_along(logits: torch.Tensor, ids: Sequence[int], penalty: float) -> None:
    """The same in place in `logits` (N, V) of the last N of the tokens `ids`, at each with the tokens up to it."""
    first = {token: place for place, token in reversed(list(enumerate(ids)))}  # of each token, where it is first
    tokens = torch.tensor(list(first), device=logits.device)  # (U,)
    since = torch.tensor(list(first.values()), device=logits.device)  # (U,)
    places = torch.arange(len(ids) - len(logits), len(ids), device=logits.device)  # (N,)
    scores = logits[:, tokens]  # (N, U)
    logits[:, tokens] = torch.where(since <= places[:, None], _lowered(scores, penalty), scores)


def _lowered(scores: torch.Tensor, penalty: float) -> torch.Tensor:
    return torch.where(scores < 0, scores * penalty, scores / penalty)
