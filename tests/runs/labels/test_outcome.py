"""What came of a run, and the settings with which a failed one should get through."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from glm_core.runs import Status, store
from glm_core.runs.figures import MemoryCurve, tidy
from glm_core.runs.labels import outcome
from glm_core.training.settings import TrainingSettings
from tests.runs.conftest import make


@pytest.mark.parametrize(
    ("reason", "retry", "changed"),
    [
        ("training.failed.memory", {"micro_batch": 2, "accumulation": 2}, {"micro_batch": 2, "accumulation": 2}),
        ("training.nan.rate", {}, {"learning_rate": 1e-4}),
        ("training.nan.half", {}, {"precision": "float32"}),
        ("runs.why.killed", {}, {"micro_batch": 2, "accumulation": 2}),
        ("training.failed.memory", {"micro_batch": "nonsense"}, None),
        ("training.failed.files", {}, None),
    ],
)
def test_a_failed_run_gets_settings_that_answer_its_reason(reason, retry, changed):
    run = make()
    store.change(run, settings=TrainingSettings().to_dict())
    run = store.get(run.id)
    found = outcome.better(run, Status("failed", reason=reason, retry=retry), MemoryCurve([], {}, {}))
    assert found == (None if changed is None else TrainingSettings(**changed))


@pytest.mark.parametrize(
    ("reason", "gib", "offered"),
    [("runs.why.killed", 1, False), ("runs.why.killed", 15, True), ("training.failed.memory", 1, True)],
)
def test_other_settings_are_offered_to_a_killed_run_only_where_memory_was_short(reason, gib, offered, monkeypatch):
    monkeypatch.setattr(outcome.memory_advice, "fit", lambda model, settings, limit: settings)
    run = make()
    store.change(run, settings=TrainingSettings().to_dict())
    status, memory = (
        Status("failed", reason=reason),
        MemoryCurve([0.0], {"trainer": [gib * 2**30]}, {"trainer": 16 * 2**30}),
    )
    assert (outcome.better(store.get(run.id), status, memory) is not None) == offered
    assert outcome.had_free_memory(status, memory) != offered


def test_a_finished_run_needs_no_other_settings():
    run = make()
    store.change(run, settings=TrainingSettings().to_dict())
    assert outcome.better(store.get(run.id), Status("finished"), MemoryCurve([], {}, {})) is None


def test_the_outcome_tells_time_losses_and_the_best_step():
    rows = [
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": 0.5},
        {"step": 1, "eval_loss": 0.7},
        {"step": 2, "eval_loss": 0.9},
    ]
    said = outcome.outcome(Status("finished", step=2, stage_seconds={"training": 80}), tidy(rows))
    assert said == "训练完成：2 步，用了 1 分 20 秒。训练损失从 2 降到 0.5。验证损失在第 1 步最低，0.7。"


def test_memory_that_other_programs_had_is_told_apart_from_the_run_s():
    """As an H200 recorded it: 150.6 GB in use, of which the run had 15.5."""
    run = SimpleNamespace(settings=TrainingSettings(micro_batch=64).to_dict())
    crowded = MemoryCurve([0.0], {"NVIDIA H200 · 0": [150.6e9]}, {"NVIDIA H200 · 0": 150.8e9})
    failed = Status("failed", reason="training.failed.memory", peak_memory=15_470_000_000)
    smaller = TrainingSettings(micro_batch=4)
    assert "15.5 GB" in outcome.proposal(run, failed, smaller, crowded) and "135.1 GB" in outcome.proposal(
        run, failed, smaller, crowded
    )
    alone = replace(failed, peak_memory=150_000_000_000)
    process = MemoryCurve([0.0], {"": [15.0e9]}, {"": 16.0e9})
    for status, memory in (
        (alone, crowded),
        (replace(failed, peak_memory=None), crowded),
        (replace(failed, peak_memory=1), process),
    ):
        assert "64 → 4" in outcome.proposal(run, status, smaller, memory) and "别的程序" not in outcome.proposal(
            run, status, smaller, memory
        )
