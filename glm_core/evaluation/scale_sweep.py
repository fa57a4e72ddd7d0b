"""The meters of a run at other strengths of its adapter, so that a too strong one is softened without training.

Measured on the questions that may choose (question_sets.choosing), not on those that the report tells figures of. Not here:
what a strength does to an adapter (adapters/scale.py).
"""

from dataclasses import replace

from glm_core.evaluation import question_sets, report
from glm_core.evaluation.report import Report, Row, Watch, asking
from glm_core.evaluation.scoring import Proportion
from glm_core.evaluation.side_by_side import fitting
from glm_core.runs import Run
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.25)

Meters = dict[str, Proportion]


def add(engine: Engine, run: Run, choice: ServedModel, watch: Watch = lambda stage, share: None) -> Report:
    """Measure the meters at every strength and keep them with the finished report of `run`.

    Raises:
        ServingError: the adapter has no strength other than 1 (DoRA has none), or an answer failed.
        RunError: the run's directory cannot be written.
        ValueError: there is no finished report.
    """
    found = report.read(run)
    if found is None:
        raise ValueError("no finished report")
    parts = len(STRENGTHS) + 1

    def tell(place: int):
        return lambda share: watch("strengths", (place + share) / parts)

    rows = _whole(engine, run, choice, found, tell(0))
    questions = [row.question for row in rows]
    strengths: dict[float, Meters] = {}
    for place, strength in enumerate(STRENGTHS, 1):
        answers = [row.after for row in rows]
        if strength != 1.0:
            answers = asking.answer_tuned(engine, choice, questions, strength, tell(place))
        strengths[strength] = replace(
            found, rows=tuple(replace(row, after=one) for row, one in zip(rows, answers, strict=True))
        ).meters
    complete = replace(found, strengths=strengths)
    report.write(run, complete)
    return complete


def _whole(engine: Engine, run: Run, choice: ServedModel, found: Report, progress) -> list[Row]:
    """The choosing questions with both answers at full strength; what the report has asked is not asked again."""
    known = {str(row.question.messages): row for row in found.rows} if report.is_of(found, choice) else {}
    asked = fitting(engine, choice, question_sets.choosing(run, choice.base))
    rows = {key: replace(known[key], question=one) for one in asked if (key := str(one.messages)) in known}
    missing = [one for one in asked if str(one.messages) not in rows]
    asking.answer_pairs(engine, choice, missing, lambda row: rows.update({str(row.question.messages): row}), progress)
    return [rows[str(one.messages)] for one in asked]


def best(strengths: dict[float, Meters]) -> float | None:
    """The strength at which the lowest of the meters is highest, the one nearest to 1 among equals.

    A meter of which too much cannot be judged counts as if all that was wrong.
    """

    def balance(strength: float) -> tuple[float, float]:
        found = strengths[strength].values()
        values = [one.bounds[0] if one.value is None else one.value for one in found if one.total or one.unsure]
        return round(min(values, default=0.0), 3), -abs(strength - 1)

    return max(strengths, key=balance, default=None)
