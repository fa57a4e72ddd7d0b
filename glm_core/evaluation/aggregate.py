"""Every measure of every kind of question for both models, with bootstrap intervals.

The definitions are in metrics.py and scoring.py; here they are averaged over rows.
"""

from collections.abc import Sequence
from typing import Any

from glm_core.evaluation import metrics
from glm_core.evaluation.scoring import KINDS, Classification

SIDES = ("before", "after")
QUALITY = ("exact", "match", *metrics.MEASURES, "character-f1")
DEFECTS = ("cut", "looping")
MEASURES = (*QUALITY, *DEFECTS)
RESAMPLES = 2000
SEED = 42

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
    for side in SIDES:
        quality = [score_answer(getattr(row, side).text, row.question.reference) for row in known]
        for name in table:
            if name in DEFECTS:
                values = [
                    100.0 * (getattr(row, side).cut if name == "cut" else getattr(row, side).loops) for row in rows
                ]
            else:
                values = [one[name] for one in quality]
            table[name].append(bootstrap(values))
    return table


def score_answer(answer: str, reference: str) -> dict[str, float]:
    """Every measure of `QUALITY` of one answer, in percent."""
    return {
        "exact": 100.0 * (answer.strip() == reference.strip()),
        "match": 100.0 * metrics.matches(answer, reference),
        **metrics.score_pair(answer, reference),
        "character-f1": 100 * metrics.character_f1(answer, reference),
    }


def bootstrap(values: Sequence[float]) -> Interval:
    """The mean and its 95 % percentile interval (Efron, 1979), the same for the same values.

    Raises:
        ValueError: no values.
    """
    import numpy

    if not len(values):
        raise ValueError("no values")
    sample = numpy.asarray(values, dtype=float)
    drawn = numpy.random.default_rng(SEED).choice(sample, (RESAMPLES, len(sample))).mean(axis=1)
    low, high = numpy.percentile(drawn, [2.5, 97.5])
    return float(sample.mean()), float(low), float(high)


def classification_intervals(table: Classification) -> dict[str, Interval]:
    """Accuracy and macro F1 in percent with their 95 % percentile intervals; rows drawn again are draws from the table's cells."""
    import numpy

    labels, columns = table.labels, [*table.labels, ""]
    cells = numpy.array([[table.confusion.get((one, other), 0) for other in columns] for one in labels])
    total, size = cells.sum(), len(labels)
    drawn = (
        numpy.random.default_rng(SEED).multinomial(total, cells.ravel() / total, RESAMPLES).reshape(-1, size, size + 1)
    )
    hits = drawn[:, range(size), range(size)]
    wanted, said = drawn.sum(2), drawn[:, :, :size].sum(1)
    f1 = 2 * hits / numpy.maximum(wanted + said, 1)
    found = {"accuracy": (table.accuracy, hits.sum(1) / total), "macro-f1": (table.macro_f1, f1.mean(1))}
    ends = {name: 100 * numpy.percentile(values, [2.5, 97.5]) for name, (_, values) in found.items()}
    return {name: (100 * value, *map(float, ends[name])) for name, (value, _) in found.items()}


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
