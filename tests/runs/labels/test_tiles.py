"""The figures over a run's page."""

from glm_core.runs import Status, figures
from glm_core.runs.figures import MemoryCurve
from glm_core.runs.labels import tiles


def progress(*times: float) -> tuple[float, ...]:
    rows = [{"step": step, "loss": 1.0, "time": time} for step, time in enumerate(times, 1)]
    found = tiles.tiles(Status("running", step=len(rows), total_steps=10), figures.tidy(rows), MemoryCurve([], {}, {}))
    return next(tile.line for tile in found if tile.name == "step")


def test_the_line_of_progress_is_level_while_training_stood_still():
    line = progress(0.0, 1.0, 99.0, 100.0)
    assert line[0] == 1 and line[-1] == 4
    assert max(later - earlier for earlier, later in zip(line[5:-5], line[6:-4], strict=True)) < 0.05


def test_a_line_of_progress_needs_two_steps():
    assert progress() == progress(5.0) == ()
