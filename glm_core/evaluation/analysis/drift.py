"""How far tuning moved the model on what it should leave alone: KL per token from the base, on the base's own answers.

Sees forgetting before greedy answers change. Good runs measure 0.001 to 0.008, shuffled labels 0.03, a set of three
classes 0.24, a collapsed model over 3. Two forward passes a text.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from glm_core.data.examples import Example, pair
from glm_core.evaluation.aggregate import RESAMPLES, SEED
from glm_core.serving.served_models import ServedModel

ROWS = 8
"Texts measured between two steps of the engine, so that nobody waits long for an answer."
LONGEST_SOURCE, LONGEST_TARGET = 512, 128
SMALL, LARGE = 0.015, 0.1
"KL per token up to which the rest is kept, and from which much of it is lost."
FEWEST = 3


class Drift(NamedTuple):
    """Mean KL(base || tuned) of a token in nats, its 95 % interval (texts drawn again), and the number of texts."""

    mean: float
    low: float
    high: float
    texts: int

    @property
    def grade(self) -> str:
        """Return "good", "some" or "none": what is left of the rest."""
        return "good" if self.mean < SMALL else "some" if self.mean < LARGE else "none"


def measure(
    engine, choice: ServedModel, texts: Sequence[tuple[str, str]], progress: Callable[[float], None] = lambda done: None
) -> Drift | None:
    """Measure the drift of `choice` on (question, the base's answer); None where nothing can be measured."""
    examples = [pair(question, answer) for question, answer in texts if answer.strip()]
    rows: list[tuple[float, int]] = []
    for start in range(0, len(examples), ROWS):
        some = examples[start : start + ROWS]
        rows += engine.measure(choice, lambda session, some=some: _divergences(session, choice, some))
        progress((start + len(some)) / len(examples))
    rows = [row for row in rows if row[1]]
    if not rows or not all(math.isfinite(total) for total, _ in rows):
        return None
    return Drift(sum(total for total, _ in rows) / sum(count for _, count in rows), *_interval(rows), len(rows))


def _interval(rows: Sequence[tuple[float, int]]) -> tuple[float, float]:
    import numpy

    totals, counts = numpy.asarray(rows, dtype=float).T
    if len(rows) < FEWEST:
        mean = float(totals.sum() / counts.sum())
        return mean, mean
    drawn = numpy.random.default_rng(SEED).integers(len(rows), size=(RESAMPLES, len(rows)))
    low, high = numpy.percentile(totals[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return float(low), float(high)


def _divergences(session, choice: ServedModel, examples: Sequence[Example]) -> list[tuple[float, int]]:
    """Of every example the summed KL(base || tuned) over its answer's tokens, and their number."""
    import torch

    from glm_core.data.tokenize import IGNORED, collate, encode
    from glm_core.training.loss import AnswerLoss

    loaded = session.loaded
    batch = collate(encode(examples, loaded, LONGEST_SOURCE, LONGEST_TARGET), loaded.tokenizer.pad_token_id)
    labels = batch.pop("labels").to(loaded.model.device)
    batch = {name: tensor.to(loaded.model.device) for name, tensor in batch.items()}
    model, busy = AnswerLoss(loaded.model), frozenset(row.slot for row in session.rows)
    head, hidden = loaded.model.get_output_embeddings(), []
    for slot in (None, session.adapters.need(choice, 1.0, busy)):
        with torch.inference_mode(), session.adapters.using([slot] * len(examples)):
            hidden.append(model.hidden_states(**batch))
    learned = labels[:, 1:] != IGNORED  # (B, S - 1): the states that predict the answer's tokens
    found = []
    for place in range(len(examples)):
        states = [side[place, :-1][learned[place]] for side in hidden]  # (N, H) each
        with torch.inference_mode():
            base, tuned = (torch.log_softmax(head(one).float(), -1) for one in states)
        found.append((float((base.exp() * (base - tuned)).sum()), int(learned[place].sum())))
    return found
