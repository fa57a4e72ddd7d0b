"""Perplexity of given answers under the original and the tuned model, on the engine's own copy of the weights.

What it tells: whether the references became likelier, and whether neutral text became less likely (forgetting), also
where greedy answers do not show it yet. Not here: which texts (question_sets.py).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from glm_core.evaluation.analysis.resampling import ratio_interval
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

ROWS = 8
"Texts asked for at a time, between which progress is told."
FEWEST = 3
"Texts from which an interval says something."


class Perplexity(NamedTuple):
    """exp of the mean negative log-likelihood of a token, under the original and under the tuned model.

    Attributes:
        low, high: 95 % interval of after / before; None where there are too few texts.
    """

    before: float
    after: float
    low: float | None = None
    high: float | None = None


def perplexities(
    engine: Engine,
    choice: ServedModel,
    texts: Sequence[tuple[str, str]],
    progress: Callable[[float], None] = lambda done: None,
    groups: Sequence[int] | None = None,
) -> Perplexity | None:
    """The perplexity of given answers under the original and under `choice`.

    Args:
        texts: (question, answer); only the answer's tokens count.
        progress: told the share done.
        groups: the fact that each text is about (analysis/resampling.py); None where each is about its own.

    Returns:
        None where there are no tokens or the values are not finite.
    """
    rows = likelihoods(engine, choice, texts, progress)
    tokens = sum(count for _before, _after, count in rows)
    sums = [sum(row[side] for row in rows) for side in (0, 1)]
    if not tokens or not all(map(math.isfinite, sums)):
        return None
    return Perplexity(*(math.exp(min(total / tokens, 100.0)) for total in sums), *_interval(rows, groups))


def likelihoods(
    engine: Engine,
    choice: ServedModel,
    texts: Sequence[tuple[str, str]],
    progress: Callable[[float], None] = lambda done: None,
) -> list[tuple[float, float, int]]:
    """Of every answer its summed negative log-likelihood under the original and under `choice`, and its tokens.

    Args:
        texts: (question, answer); only the answer's tokens count.
        progress: told the share done.
    """
    rows: list[tuple[float, float, int]] = []
    for start in range(0, len(texts), ROWS):
        some = texts[start : start + ROWS]
        before, after = (engine.log_likelihoods(model, some) for model in (choice.original, choice))
        rows += [(-one.total, -other.total, one.tokens) for one, other in zip(before, after, strict=True)]
        progress((start + len(some)) / len(texts))
    return rows


def _interval(
    rows: Sequence[tuple[float, float, int]], groups: Sequence[int] | None
) -> tuple[float, float] | tuple[()]:
    """95 % percentile interval of after / before: texts are drawn again by facts, each with both its likelihoods."""
    if len(rows) < FEWEST:
        return ()
    ends = ratio_interval([after - before for before, after, _ in rows], [count for *_, count in rows], groups)
    low, high = (math.exp(min(max(one, -100.0), 100.0)) for one in ends)
    return low, high
