"""One step a run: the one whose adapter answers, and another one only where the judge finds it clearly better.

Run page, report, compare and chat speak of this step. Not here: going to a step (runs/rollback.py), the curve (retention.py).
"""

from dataclasses import dataclass

from glm_core import workspace
from glm_core.evaluation import retention
from glm_core.evaluation.retention import Point
from glm_core.i18n import t
from glm_core.runs import Run, rollback


@dataclass(frozen=True)
class StepChoice:
    """The step in use.

    Attributes:
        current: None where the adapter does not say.
        better: a kept step that is clearly better on the questions asked while it trained; None where there is none.
        points: what was answered at each evaluation.
    """

    current: int | None
    better: int | None = None
    points: tuple[Point, ...] = ()

    @property
    def sentence(self) -> str:
        """Return which step is in use, with its shares where they are known and of what; empty where no step is known."""
        if self.current is None:
            return ""
        asked = any(point.step == self.current and point.balance is not None for point in self.points)
        return t("step.in_use_asked" if asked else "step.in_use", what=retention.label(self.current, self.points))

    @property
    def offer(self) -> str:
        """Return which step is clearly better; empty where none is."""
        return "" if self.better is None else t("step.better", what=retention.label(self.better, self.points))


_points: workspace.FileCache[tuple[Point, ...]] = workspace.FileCache(64)


def read(run: Run) -> StepChoice:
    """The step in use of a run, and whether another is clearly better."""
    try:
        points = _points.get(run.path / "abilities.jsonl", lambda _: retention.read(run, run.probe_rows()[0]))
    except OSError:
        points = ()
    return choose(rollback.current(run), rollback.steps(run), points)


def choose(current: int | None, kept: list[int], points: tuple[Point, ...]) -> StepChoice:
    """The choice between the step in use and the `kept` ones."""
    known = {one.step: one for one in points}
    found = retention.best(points)
    if current not in known or found is None or found.step == current or found.step not in kept:
        return StepChoice(current, None, points)
    better = found.step if retention.clearly_better(found, known[current]) else None
    return StepChoice(current, better, points)
