"""Drift of the model on what tuning should leave alone: KL per token from the base, on the base's own answers.

Sees forgetting before greedy answers change. Over fifty runs (benchmarks/drift.py, evidence.py) those that kept at least 96 %
of the controls measured up to 0.026, an imprint at three times its rate 0.016 with 95 %, a collapsed model over 6. Two forward
passes a text.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from glm_core.evaluation.analysis.resampling import ratio_interval
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

ROWS = 8
"Texts asked for at a time, between which progress is told."
SMALL, LARGE = 0.03, 0.1
"KL per token up to which the rest is kept, and from which much of it is lost."
FEWEST = 3


class Drift(NamedTuple):
    """Mean KL(base || tuned) of a token in nats, its 95 % interval (drawn by facts), and the number of texts."""

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
    groups: Sequence[int] | None = None,
) -> Drift | None:
    """Measure the drift of `choice` on (question, the base's answer); None where nothing can be measured.

    Args:
        progress: told the share done.
        groups: the fact that each text is about (resampling.py); None where each is about its own.
    """
    facts = [group for (_, answer), group in zip(texts, groups or range(len(texts)), strict=True) if answer.strip()]
    texts = [(question, answer) for question, answer in texts if answer.strip()]
    rows: list[tuple[float, int]] = []  # of every text: summed KL, tokens
    for start in range(0, len(texts), ROWS):
        some = texts[start : start + ROWS]
        rows += engine.kl_divergences(choice, some)
        progress((start + len(some)) / len(texts))
    facts = [fact for row, fact in zip(rows, facts, strict=True) if row[1]]
    rows = [row for row in rows if row[1]]
    if not rows or not all(math.isfinite(total) for total, _ in rows):
        return None
    return Drift(sum(total for total, _ in rows) / sum(count for _, count in rows), *_interval(rows, facts), len(rows))


def _interval(rows: Sequence[tuple[float, int]], facts: Sequence[int]) -> tuple[float, float]:
    totals, counts = [total for total, _ in rows], [count for _, count in rows]
    if len(rows) < FEWEST:
        mean = sum(totals) / sum(counts)
        return mean, mean
    return ratio_interval(totals, counts, facts)
