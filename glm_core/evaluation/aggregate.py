"""Every measure of every kind of question for both models, with intervals: Wilson's for shares, else drawn by facts.

The definitions are in metrics.py and scoring.py; here they are averaged over rows.
"""

from collections.abc import Sequence
from typing import Any

from glm_core.evaluation import metrics
from glm_core.evaluation.analysis.resampling import RESAMPLES, SEED, clusters, ratio_interval
from glm_core.evaluation.analysis.statistics import wilson
from glm_core.evaluation.scoring import KINDS, Classification

SIDES = ("before", "after")
OVERLAP = (*metrics.MEASURES, "character-f1")
"Measures of texts of several words: of a label they say nothing."
QUALITY = ("exact", "match", *OVERLAP)
DEFECTS = ("cut", "looping")
MEASURES = (*QUALITY, *DEFECTS)
SHARES = ("exact", "match", *DEFECTS)
"Measures that are 0 or 100 for a row."

Interval = tuple[float, float, float]


def measure(rows: Sequence) -> dict[str, dict[str, list[Interval]]]:
    """kind -> measure -> [original's, tuned's], each (mean, low, high) in percent.

    Measures that need a reference are there only where every second row or more has one; they are over those rows.
    """
    found: dict[str, dict[str, list[Interval]]] = {}
    for kind in KINDS:
        group = [row for row in rows if row.question.kind == kind]
        if group:
            found[kind] = _measure_kind(group)
    return found


def _measure_kind(rows: Sequence) -> dict[str, list[Interval]]:
    known = [row for row in rows if row.question.reference]
    table = {name: [] for name in (QUALITY if 2 * len(known) >= len(rows) else ())} | {name: [] for name in DEFECTS}
    groups = clusters([row.question for row in known])
    for side in SIDES:
        quality = [score_answer(getattr(row, side).text, row.question.reference) for row in known]
        for name in table:
            if name in DEFECTS:
                values = [
                    100.0 * (getattr(row, side).cut if name == "cut" else getattr(row, side).loops) for row in rows
                ]
            else:
                values = [one[name] for one in quality]
            table[name].append(share(values) if name in SHARES else bootstrap(values, groups))
    return table


def score_answer(answer: str, reference: str) -> dict[str, float]:
    """Every measure of `QUALITY` of one answer, in percent."""
    return {
        "exact": 100.0 * (answer.strip() == reference.strip()),
        "match": 100.0 * metrics.matches(answer, reference),
        **metrics.score_pair(answer, reference),
        "character-f1": 100 * metrics.character_f1(answer, reference),
    }


def share(values: Sequence[float]) -> Interval:
    """The mean of values that are 0 or 100 with its Wilson interval.

    Raises:
        ValueError: no values.
    """
    if not len(values):
        raise ValueError("no values")
    low, high = wilson(sum(one > 50 for one in values), len(values))
    return sum(values) / len(values), 100 * low, 100 * high


def bootstrap(values: Sequence[float], groups: Sequence[int] | None = None) -> Interval:
    """The mean and its 95 % percentile interval, the same for the same values.

    Args:
        groups: the fact that each value is about (resampling.py); None where each is about its own.

    Raises:
        ValueError: no values.
    """
    if not len(values):
        raise ValueError("no values")
    return (sum(values) / len(values), *ratio_interval(values, [1.0] * len(values), groups))


def classification_intervals(table: Classification) -> dict[str, Interval]:
    """Accuracy in percent with its Wilson interval, and macro F1 with a percentile one; rows drawn again are draws from the table's cells."""
    import numpy

    labels, columns = table.labels, [*table.labels, ""]
    cells = numpy.array([[table.confusion.get((one, other), 0) for other in columns] for one in labels])
    total, size = cells.sum(), len(labels)
    drawn = (
        numpy.random.default_rng(SEED).multinomial(total, cells.ravel() / total, RESAMPLES).reshape(-1, size, size + 1)
    )
    hits = drawn[:, range(size), range(size)]
    wanted, said = drawn.sum(2), drawn[:, :, :size].sum(1)
    named = wanted + said
    f1 = (2 * hits / numpy.maximum(named, 1)).sum(1) / numpy.maximum((named > 0).sum(1), 1)
    ends = {
        "accuracy": wilson(sum(table.confusion.get((one, one), 0) for one in labels), int(total)),
        "macro-f1": tuple(numpy.percentile(f1, [2.5, 97.5])),
    }
    values = {"accuracy": table.accuracy, "macro-f1": table.macro_f1}
    return {
        name: (100 * value, 100 * float(ends[name][0]), 100 * float(ends[name][1])) for name, value in values.items()
    }


def check(record: dict) -> dict[str, dict[str, list[Interval]]]:
    """Measures as read from a file.

    Raises:
        ValueError, TypeError, AttributeError: they are none.
    """
    found: dict[str, dict[str, list[Any]]] = {
        kind: {name: [tuple(map(float, one)) for one in sides] for name, sides in table.items()}
        for kind, table in record.items()
    }
    names = {name for table in found.values() for name in table}
    shapes = {len(sides) for table in found.values() for sides in table.values()}
    if not set(found) <= set(KINDS) or not names <= set(MEASURES) or not shapes <= {2}:
        raise ValueError("measures")
    if any(len(one) != 3 for table in found.values() for sides in table.values() for one in sides):
        raise ValueError("measures")
    return found
