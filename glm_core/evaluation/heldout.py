"""Answers of a run to the rows that its training held out: the published scores, predictions beside references.

Taken from the run's report, so nothing is asked twice. Not here: making it (jobs.py), all else that it says (pages/report.py).
"""

from dataclasses import dataclass

from glm_core.evaluation import metrics, question_sets
from glm_core.evaluation.question_sets import shown
from glm_core.evaluation.report import Report, Row
from glm_core.runs import Run

RANKED_BY = "rouge-l"


@dataclass(frozen=True)
class HeldOut:
    """Scores of both models on the rows set aside, in percent, and the rows, those most like their reference first."""

    before: dict[str, float]
    after: dict[str, float]
    rows: tuple[Row, ...]
    scores: tuple[float, ...]

    def best(self, count: int) -> list[tuple[Row, float]]:
        """The rows whose prediction is most like its reference, each with its ROUGE-L; at most the better half."""
        return self.ranked[: min(count, self._half)]

    def worst(self, count: int) -> list[tuple[Row, float]]:
        """The rows whose prediction is least like its reference, the worst first; at most the other half."""
        return self.ranked[max(self._half, len(self.rows) - count) :][::-1]

    @property
    def ranked(self) -> list[tuple[Row, float]]:
        """Every row with its ROUGE-L."""
        return list(zip(self.rows, self.scores, strict=True))

    @property
    def _half(self) -> int:
        return (len(self.rows) + 1) // 2


def sets_aside(run: Run) -> bool | None:
    """Tell if training held out rows of `run`; None where it is not known which."""
    split = run.split()
    return None if split is None else bool(split.held_out)


def held_out(report: Report, run: Run) -> HeldOut | None:
    """The scores of the report's questions that are held-out rows of `run`; None where there are none."""
    aside = question_sets.held_out_answers(run)
    rows = [
        row
        for row in report.of("reworded", "unseen")
        if row.question.reference and aside.get(row.question.text) == row.question.reference
    ]
    if not rows:
        return None
    references = [shown(row.question) for row in rows]
    before, after = (
        metrics.score([getattr(row, side).text for row in rows], references) for side in ("before", "after")
    )
    ranked = sorted(
        (
            (metrics.score_pair(row.after.text, reference)[RANKED_BY], place)
            for place, (row, reference) in enumerate(zip(rows, references, strict=True))
        ),
        reverse=True,
    )
    return HeldOut(before, after, tuple(rows[place] for _, place in ranked), tuple(score for score, _ in ranked))
