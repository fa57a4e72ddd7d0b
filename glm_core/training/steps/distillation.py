"""Distillation of rehearsed rows (Hinton et al., 2015): the base's own probabilities are learned, not only its first choices.

What the base's head is applied to is computed once, before training: from a row of it the head makes the exact probabilities
of a whole vocabulary, and it takes the memory of an embedding. Not here: the divergence (loss.py), which rows there are
(token_dataset.py).
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import torch

from glm_core.adapters import attach
from glm_core.data.tokenize import IGNORED, Encoded, collate
from glm_core.training.steps.loss import AnswerLoss

if TYPE_CHECKING:
    from glm_core.models import LoadedModel
    from glm_core.training.token_dataset import Rows


class DistilledRow(NamedTuple):
    """A rehearsed row: its only label, if it has one, is that of its end. `base_states`: (S, H), what the base's head is applied to."""

    encoded: Encoded
    base_states: torch.Tensor


class DistilledRows(Sequence[DistilledRow]):
    """Rehearsed rows with what the head of the base of `loaded`, its adapter off, is applied to at each of their tokens.

    Args:
        batch: rows that are computed together.
    """

    def __init__(self, loaded: "LoadedModel", rows: "Rows", batch: int):
        self._rows, self._shared = rows, _count_shared(rows)
        self._states: list[torch.Tensor] = []  # (S, H) of each, in the computer's own memory
        loss = AnswerLoss(loaded.model, loaded.family.architecture).eval()
        attach.activate(loaded, None)
        try:
            for start in range(0, len(rows), batch):
                self._states += _states(loss, rows[start : start + batch])
        finally:
            attach.activate(loaded, attach.NAME, trainable=True)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return DistilledRow(self._rows[index], self._states[index])

    def lengths(self) -> list[int]:
        """Tokens of every row."""
        return self._rows.lengths()

    def add_states(self, batch: Sequence[Encoded | DistilledRow], tensors: dict[str, torch.Tensor]) -> None:
        """Add to the `tensors` of a collated `batch` which places are distilled, (B, S), and the base's states there, (N, H).

        Not where the next token depends on nothing yet: within what all rows begin with, as a system prompt. The end of an answer
        is learned as a label.
        """
        distilled, states = torch.zeros_like(tensors["labels"], dtype=torch.bool), [self._states[0][:0]]
        for place, row in enumerate(batch):
            if isinstance(row, DistilledRow):
                followed = torch.tensor([*row.encoded.labels[1:], IGNORED]) == IGNORED  # (S,)
                followed[: self._shared] = False
                distilled[place, : len(followed)] = followed
                states.append(row.base_states[followed])
        tensors |= {"distilled": distilled, "base_states": torch.cat(states)}


def _count_shared(rows: Sequence[Encoded]) -> int:
    """Tokens that all rows begin with; at least one."""
    first, others = rows[0].input_ids, [row.input_ids for row in rows[1:]]
    alike = (all(one[:place] == first[:place] for one in others) for place in range(2, len(first)))
    return 1 + sum(takewhile(bool, alike)) if others else 1


@torch.no_grad()
def _states(loss: AnswerLoss, rows: Sequence[Encoded]) -> list[torch.Tensor]:
    """The inputs of the head, (S, H), of each row."""
    batch = collate(rows, pad_id=0)  # whichever: no token looks at what is behind it
    device = loss.model.device
    with torch.autocast(device.type, enabled=False):
        hidden = loss.hidden_states(
            batch["input_ids"].to(device), batch["attention_mask"].to(device)
        ).cpu()  # (B, S, H)
    return [states[: len(row.input_ids)].clone() for states, row in zip(hidden, rows, strict=True)]
