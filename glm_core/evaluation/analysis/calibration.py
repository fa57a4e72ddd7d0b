"""Calibrate the judge on one's own eyes: the reader marks some answers, the meters are corrected for the judge's errors.

Sensitivity and specificity come from the marked answers, the corrected share from Rogan and Gladen (1978), its interval
from drawing marked and judged answers again. Marks are kept in RUN_DIR/marks.json, for one adapter.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glm_core.evaluation.report import Report, Row
from glm_core.permissions import needs
from glm_core.runs import Run
from glm_core.runs.files import read_record
from glm_core.runs.store import write_record

FILE = "marks.json"
ROWS = 20
"Answers to mark: two minutes' work."
FEWEST = 8
"Marked answers from which a correction says something."
RESAMPLES, SEED = 500, 42


@dataclass(frozen=True)
class Calibration:
    """The judge beside the reader.

    Attributes:
        marked: answers marked that the judge decided. agreed: of these, judged as marked.
        unsure: marked answers that the judge left open.
        meters: share of right answers by meter, corrected, with its 95 % interval; only where it can be told.
    """

    marked: int
    agreed: int
    unsure: int
    meters: Mapping[str, tuple[float, float, float]]


def choose(report: Report) -> list[Row]:
    """The answers to mark: a fixed random sample, so that they stand for all."""
    rows = [row for row in report.rows if row.after.text.strip()]
    return random.Random(report.adapter).sample(rows, min(ROWS, len(rows)))


def key_of(row: Row) -> str:
    """Tells one answer to one question from every other."""
    return hashlib.sha256(f"{row.question.kind}\0{row.question.text}\0{row.after.text}".encode()).hexdigest()[:16]


def read(run: Run, report: Report) -> dict[str, bool]:
    """The marks of this report's answers by `key_of`: True for right."""
    record = read_record(run.path / FILE)
    marks = record.get("marks") if record.get("adapter") == report.adapter else None
    known = {key_of(row) for row in report.rows}
    return {key: one for key, one in (marks or {}).items() if key in known and isinstance(one, bool)}


@needs("trainer", owner=lambda run, *_, **__: run.owner)
def mark(run: Run, report: Report, row: Row, right: bool) -> None:
    """Keep the reader's word on one answer.

    Raises:
        RunError: the run has been deleted, the disk is full or the folder cannot be written.
    """
    write_record(run, FILE, {"adapter": report.adapter, "marks": read(run, report) | {key_of(row): right}})


@needs("trainer", owner=lambda run, *_, **__: run.owner)
def forget(run: Run, report: Report) -> None:
    """Drop all marks, to begin again.

    Raises:
        RunError: as `mark`.
    """
    write_record(run, FILE, {"adapter": report.adapter, "marks": {}})


def calibrate(report: Report, marks: Mapping[str, bool]) -> Calibration:
    """Compare the judge with the marks and correct the meters."""
    pairs = [(row.verdict.after.outcome, marks[key_of(row)]) for row in report.rows if key_of(row) in marks]
    decided = [(outcome == "right", truth) for outcome, truth in pairs if outcome != "unsure"]
    agreed = sum(judged == truth for judged, truth in decided)
    corrected = {}
    if len(decided) >= FEWEST:
        for name, meter in report.meters.items():
            judged = [True] * meter.count + [False] * (meter.total - meter.count)
            found = correct(judged, decided)
            if found is not None:
                corrected[name] = found
    return Calibration(len(decided), agreed, len(pairs) - len(decided), corrected)


def correct(judged: Sequence[bool], decided: Sequence[tuple[bool, bool]]) -> tuple[float, float, float] | None:
    """Correct a share for the judge's errors; None where it cannot be told.

    Args:
        judged: whether the judge took each answer for right.
        decided: (judge, truth) of the marked answers.

    Returns:
        The share and its 95 % interval.
    """
    share = _corrected(judged, decided)
    return None if share is None else (share, *_interval(judged, decided))


def _corrected(judged: Sequence[bool], decided: Sequence[tuple[bool, bool]]) -> float | None:
    """Rogan and Gladen: (share judged right + specificity - 1) / (sensitivity + specificity - 1); None where the judge knows nothing."""
    if not judged:
        return None
    sensitivity = _rate([said for said, truth in decided if truth])
    specificity = _rate([not said for said, truth in decided if not truth])
    known = sensitivity + specificity - 1
    if known <= 0.05:
        return None
    return min(1.0, max(0.0, (sum(judged) / len(judged) + specificity - 1) / known))


def _rate(hits: Sequence[bool]) -> float:
    """Share of hits; a side that nobody marked counts as judged well."""
    return sum(hits) / len(hits) if hits else 1.0


def _interval(judged: Sequence[bool], decided: Sequence[tuple[bool, bool]]) -> tuple[float, float]:
    """95 % percentile interval; one imagined error beside the marked ones, since few marks see no rare errors."""
    draw, found = random.Random(SEED), []
    imagined = [(said, not said) for said in (True, False)]
    for _ in range(RESAMPLES):
        again = draw.choices(decided, k=len(decided)) + ([draw.choice(imagined)] if draw.random() < 0.5 else [])
        share = _corrected(draw.choices(judged, k=len(judged)), again)
        if share is not None:
            found.append(share)
    found.sort()
    return (found[int(0.025 * len(found))], found[int(0.975 * (len(found) - 1))]) if found else (0.0, 1.0)


def disagreements(report: Report, marks: Mapping[str, bool]) -> list[Row]:
    """Marked answers that the judge decided otherwise."""
    return [
        row
        for row in report.rows
        if key_of(row) in marks
        and row.verdict.after.outcome != "unsure"
        and (row.verdict.after.outcome == "right") != marks[key_of(row)]
    ]
