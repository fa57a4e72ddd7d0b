"""Multiple-choice sets by log-likelihood, for the original and a tuned model: did tuning cost what the model knew?

A task is right where its answer is the likeliest of its choices as a continuation, which is lm-eval's `acc`. Reads JSON
lines, and the CSV files of C-Eval and CMMLU.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glm_core.errors import EasyError
from glm_core.evaluation.analysis.statistics import mcnemar, newcombe, wilson
from glm_core.i18n import t
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

LETTERS = "ABCDEFGH"
FEWEST_CHOICES = 2


class TaskError(EasyError):
    """A file of tasks that cannot be read: says which line, and what a line looks like."""


@dataclass(frozen=True)
class ChoiceTask:
    """One question. `answer` is the place of the right one among `choices`."""

    question: str
    choices: tuple[str, ...]
    answer: int

    @property
    def context(self) -> str:
        """Return what the choices are continuations of."""
        return f"{self.question}\n答案："


@dataclass(frozen=True)
class BenchmarkComparison:
    """The choice of each model for each task."""

    tasks: tuple[ChoiceTask, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def right(self, picked: Sequence[int]) -> int:
        """Return how many of `picked` are right."""
        return sum(one.answer == pick for one, pick in zip(self.tasks, picked, strict=True))

    @property
    def changes(self) -> tuple[int, int, int, int]:
        """Tasks right with both, with the original only, with the tuned one only, with neither."""
        pairs = [
            (one.answer == old, one.answer == new)
            for one, old, new in zip(self.tasks, self.before, self.after, strict=True)
        ]
        return (
            pairs.count((True, True)),
            pairs.count((True, False)),
            pairs.count((False, True)),
            pairs.count((False, False)),
        )

    def to_dict(self) -> dict:
        """Plain values: shares with their 95 % intervals, the table of changes, McNemar's p."""
        total, (both, lost, gained, neither) = len(self.tasks), self.changes
        shares = {
            name: {"right": count, "accuracy": count / total, "interval": wilson(count, total)}
            for name, count in (("before", both + lost), ("after", both + gained))
        }
        table = {"both": both, "lost": lost, "gained": gained, "neither": neither}
        difference = {"interval": newcombe(both, lost, gained, neither), "p": mcnemar(lost, gained)}
        picks = [{"before": old, "after": new} for old, new in zip(self.before, self.after, strict=True)]
        return {"tasks": total, **shares, "changes": table, "difference": difference, "picks": picks}

    def text(self) -> str:
        """Return what a person reads in a terminal."""
        record = self.to_dict()
        lines = [
            t(f"benchmark.{name}", total=len(self.tasks), **_percent(record[name])) for name in ("before", "after")
        ]
        return "\n".join(
            [*lines, t("benchmark.changes", **record["changes"]), t("benchmark.p", p=record["difference"]["p"])]
        )


def _percent(share: dict) -> dict:
    low, high = share["interval"]
    return {"right": share["right"], "share": 100 * share["accuracy"], "low": 100 * low, "high": 100 * high}


def read_tasks(path: str | Path) -> list[ChoiceTask]:
    """Return the tasks of a file of JSON lines (question, choices, answer as number or letter), or of a CSV with A, B, C, D.

    Raises:
        TaskError: it cannot be read, or a line is no task.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError("benchmark.unreadable", file=path.name, why=error) from error
    rows: Iterable[Any] = (
        csv.DictReader(text.splitlines()) if path.suffix.lower() == ".csv" else filter(str.strip, text.splitlines())
    )
    tasks = [_task(row, path.name, number) for number, row in enumerate(rows, 1)]
    if not tasks:
        raise TaskError("benchmark.empty", file=path.name)
    return tasks


def _task(row: str | dict, file: str, number: int) -> ChoiceTask:
    try:
        record = json.loads(row) if isinstance(row, str) else row
        fields = {key.lower(): value for key, value in record.items() if isinstance(key, str)}
        choices = fields.get("choices") or [fields[letter.lower()] for letter in "ABCD"]
        question, answer = fields["question"], fields["answer"]
        place = LETTERS.index(answer.strip().upper()) if isinstance(answer, str) else answer
        right = isinstance(place, int) and not isinstance(place, bool) and 0 <= place < len(choices)
        if (
            not right
            or len(choices) < FEWEST_CHOICES
            or not all(isinstance(one, str) and one for one in (question, *choices))
        ):
            raise ValueError
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise TaskError("benchmark.no_task", file=file, line=number) from error
    return ChoiceTask(question, tuple(choices), place)


def compare(
    engine: Engine,
    model: ServedModel,
    tasks: Sequence[ChoiceTask],
    progress: Callable[[float], None] = lambda share: None,
) -> BenchmarkComparison:
    """Return what the original and `model` pick.

    Raises:
        EngineUnavailable: the models are not in this process, or cannot be loaded.
    """
    picked: tuple[list[int], list[int]] = ([], [])
    for done, task in enumerate(tasks, 1):
        for side, one in zip(picked, (model.original, model), strict=True):
            side.append(pick(engine, one, task))
        progress(done / len(tasks))
    return BenchmarkComparison(tuple(tasks), *map(tuple, picked))


def pick(engine: Engine, model: ServedModel, task: ChoiceTask) -> int:
    """Return the place of the choice that is likeliest; the first of equal ones."""
    found = engine.log_likelihoods(model, [(task.context, choice) for choice in task.choices], plain=True)
    return max(range(len(found)), key=lambda place: found[place].total)
