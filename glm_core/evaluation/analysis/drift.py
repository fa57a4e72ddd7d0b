"""Drift of the model on what tuning should leave alone: KL per token from the base, on the base's own answers.

Sees forgetting before greedy answers change. Good runs measure 0.001 to 0.008, shuffled labels 0.03, a set of three
classes 0.24, a collapsed model over 3. Two forward passes a text.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from glm_core.evaluation.aggregate import RESAMPLES, SEED
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

ROWS = 8
"Texts asked for at a time, between which progress is told."
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
    engine: Engine,
    choice: ServedModel,
    texts: Sequence[tuple[str, str]],
    progress: Callable[[float], None] = lambda done: None,
) -> Drift | None:
    """Measure the drift of `choice` on (question, the base's answer); None where nothing can be measured."""
    texts = [(question, answer) for question, answer in texts if answer.strip()]
    rows: list[tuple[float, int]] = []  # of every text: summed KL, tokens
    for start in range(0, len(texts), ROWS):
        some = texts[start : start + ROWS]
        rows += engine.kl_divergences(choice, some)
        progress((start + len(some)) / len(texts))
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
