"""The meters of a run's report at other strengths of its adapter, so that a too strong one is softened without training.

Only the tuned answers are asked anew. Not here: what a strength does to an adapter (adapters/scale.py).
"""

from dataclasses import replace

from glm_core.evaluation import report
from glm_core.evaluation.report import Answer, Report, Row, Watch
from glm_core.evaluation.scoring import Proportion
from glm_core.runs.store import Run, write_record
from glm_core.serving.base import Engine
from glm_core.serving.generate_many import ask_all
from glm_core.serving.request import Request
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
    strengths: dict[float, Meters] = {}
    for place, strength in enumerate(STRENGTHS):
        rows = found.rows if strength == 1.0 else _ask(engine, choice, found.rows, strength, watch, place)
        strengths[strength] = replace(found, rows=tuple(rows)).meters
    complete = replace(found, strengths=strengths)
    write_record(run, report.FILE, complete.to_dict())
    return complete


def _ask(engine: Engine, choice: ServedModel, rows, strength: float, watch: Watch, place: int) -> list[Row]:
    """The rows with what the run answers at `strength`."""
    asked = [
        Request(row.question.messages, choice.name, report.ANSWER_TOKENS, 0.0, strength=strength, owner=report.OWNER)
        for row in rows
    ]
    answered = list(rows)
    for done, (number, handle) in enumerate(ask_all(engine, asked), 1):
        if handle.error is not None:
            raise handle.error
        answered[number] = replace(rows[number], after=Answer(handle.text, handle.finish_reason == "length"))
        watch("strengths", (place + done / len(asked)) / len(STRENGTHS))
    return answered


def best(strengths: dict[float, Meters]) -> float | None:
    """The strength at which the lowest of the three meters is highest, the one nearest to 1 among equals."""

    def balance(strength: float) -> tuple[float, float]:
        values = [one.value for one in strengths[strength].values() if one.value is not None]
        return round(min(values, default=0.0), 3), -abs(strength - 1)

    return max(strengths, key=balance, default=None)
