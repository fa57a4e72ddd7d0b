"""Curves show what happened, whatever order and quality the rows have."""

import csv
import io

from glm_core import charts
from glm_core.runs import figures


def rows(*losses):
    return [{"step": step, "loss": loss} for step, loss in enumerate(losses, 1)]


def test_steps_repeated_after_a_resume_count_once_with_their_later_value():
    curves = figures.tidy([*rows(3, 2, 1.5), {"step": 2, "loss": 2.1}, {"step": 3, "loss": 1.6}])
    assert curves.series("loss") == ([1, 2, 3], [3, 2.1, 1.6])


def test_the_best_step_is_that_of_the_lowest_validation_loss():
    curves = figures.tidy(
        [*rows(3, 2, 1), {"step": 1, "eval_loss": 2.0}, {"step": 2, "eval_loss": 1.0}, {"step": 3, "eval_loss": 1.4}]
    )
    assert curves.best["step"] == 2
    drawn = figures.loss_figure(curves, 3)
    assert any(list(trace.x) == [2] and "第 2 步" in trace.name for trace in drawn.data)
    assert any(trace.line.dash == "dash" for trace in drawn.data)


def test_long_runs_are_thinned_and_keep_their_peak():
    losses = [1.0] * 20_000
    losses[12_345] = 9.0
    drawn = figures.loss_figure(figures.tidy(rows(*losses)), 20_000)
    assert all(len(trace.x) <= charts.MOST_POINTS for trace in drawn.data)
    assert max(max(trace.y) for trace in drawn.data) == 9.0


def test_smoothing_does_not_lean_on_the_first_value():
    assert figures.smooth([2.0] * 5) == [2.0] * 5
    assert abs(figures.smooth([0.0] + [1.0] * 100)[-1] - 1) < 0.001


def test_memory_is_the_cards_where_there_is_one_and_the_process_otherwise():
    process = [
        {"time": t, "process_memory": m, "memory_total": 16e9, "gpus": []} for t, m in ((0, 1e9), (1, 3e9), (2, 2e9))
    ]
    memory = figures.read_memory(process)
    assert (memory.now, memory.peak, memory.limit, memory.seconds) == (2e9, 3e9, 16e9, [0, 1, 2])
    gpu = [
        {"index": i, "name": "RTX", "memory_used": used, "memory_total": 11e9, "power": 200}
        for i, used in ((0, 5e9), (1, 9e9))
    ]
    memory = figures.read_memory([{**process[0], "gpus": gpu}], devices=["0"])
    assert (memory.now, memory.limit) == (5e9, 11e9)
    both, first = (
        figures.busy_figures([{**process[0], "gpus": gpu}], devices)["runs.figure.power"].data
        for devices in ((), ["0"])
    )
    assert [line.name for line in first] == ["RTX · 0"] and len({line.line.dash for line in both}) == 2
    assert figures.read_memory([]).peak == 0


def test_the_pause_before_a_resume_is_not_drawn():
    times = [0, 1, 90_000, 90_001]
    assert figures.read_memory([{"time": t, "process_memory": 1} for t in times]).seconds == [0, 1, 31, 32]


def test_the_table_has_every_column_once():
    table = figures.to_csv([{"step": 1, "loss": 2.5}, {"step": 1, "eval_loss": 2.0}])
    assert list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))))[1] == {
        "step": "1",
        "loss": "",
        "eval_loss": "2.0",
    }


def test_a_curve_without_a_value_has_no_numbers_on_its_axes():
    empty, begun = figures.series_figure(figures.tidy([]), "loss"), figures.series_figure(figures.tidy(rows(3)), "loss")
    assert (empty.layout.xaxis.showticklabels, empty.layout.yaxis.showticklabels) == (False, False)
    assert begun.layout.xaxis.showticklabels is None
