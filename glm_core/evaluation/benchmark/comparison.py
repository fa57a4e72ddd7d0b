"""The original and a tuned model on the same multiple-choice tasks.

A task is right where its answer is the likeliest of its choices as a continuation, which is lm-eval's `acc`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glm_core.evaluation.analysis.changes import ChangeTable
from glm_core.evaluation.analysis.statistics import wilson
from glm_core.evaluation.benchmark.choices import ChoiceTask
from glm_core.i18n import t
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

SIDES = ("before", "after")


@dataclass(frozen=True)
class BenchmarkComparison:
    """The choice of each model for each task."""

    tasks: tuple[ChoiceTask, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def changes(self) -> ChangeTable:
        """How many tasks went from wrong to right and back."""
        pairs = [
            (one.answer == old, one.answer == new)
            for one, old, new in zip(self.tasks, self.before, self.after, strict=True)
        ]
        both, lost = pairs.count((True, True)), pairs.count((True, False))
        return ChangeTable(both, lost, pairs.count((False, True)), pairs.count((False, False)))

    def to_dict(self) -> dict:
        """Plain values: shares with their 95 % intervals, the table of changes, McNemar's p."""
        total, table = len(self.tasks), self.changes
        shares = {
            name: {"right": count, "accuracy": count / total, "interval": list(wilson(count, total))}
            for name, count in zip(SIDES, (table.both + table.lost, table.both + table.gained), strict=True)
        }
        cells = {"both": table.both, "lost": table.lost, "gained": table.gained, "neither": table.neither}
        difference = {"interval": list(table.interval), "p": table.p}
        picks = [{"before": old, "after": new} for old, new in zip(self.before, self.after, strict=True)]
        return {"tasks": total, **shares, "changes": cells, "difference": difference, "picks": picks}

    def text(self) -> str:
        """Return what a person reads in a terminal."""
        record = self.to_dict()
        return "\n".join(
            [
                *(share_sentence(name, record) for name in SIDES),
                t("benchmark.changes", **record["changes"]),
                t("benchmark.p", p=record["difference"]["p"]),
            ]
        )


def share_sentence(side: str, record: dict) -> str:
    """Return in words how many tasks `side` has right, of what `BenchmarkComparison.to_dict` gave."""
    share = record[side]
    low, high = share["interval"]
    values = {"right": share["right"], "share": 100 * share["accuracy"], "low": 100 * low, "high": 100 * high}
    return t(f"benchmark.{side}", total=record["tasks"], **values)


def compare(
    engine: Engine,
    model: ServedModel,
    tasks: Sequence[ChoiceTask],
    progress: Callable[[float], None] = lambda share: None,
) -> BenchmarkComparison:
    """Return what the original and `model` pick.

    Args:
        progress: told the share done after every task; an exception in it ends the work.

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
