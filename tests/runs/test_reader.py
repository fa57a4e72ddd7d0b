"""A viewer reads only what is new, and the words beside the figures say what they mean."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from glm_core.runs import labels, store
from glm_core.runs.figures import MemoryCurve, tidy
from glm_core.runs.reader import RunReader
from glm_core.runs.store import Status
from glm_core.training.settings import TrainingSettings
from tests.runs.conftest import make


def append(run, name, *rows):
    with open(run.path / f"{name}.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def answer(step, said, question="你是谁？"):
    return {"step": step, "question": question, "answer": said}


def test_a_figure_is_drawn_again_only_when_rows_have_come():
    run = make()
    watch, drawn = RunReader(run), []

    def draw():
        return watch.cached(("curve",), len(watch.metrics), lambda: drawn.append(1) or object())

    append(run, "metrics", {"step": 1, "loss": 2.0})
    watch.refresh()
    first = draw()
    watch.refresh()
    assert draw() is first and len(drawn) == 1
    append(run, "metrics", {"step": 2, "loss": 1.0})
    watch.refresh(rows=False)
    assert draw() is first, "a paused viewer sees what it saw"
    watch.refresh()
    assert draw() is not first and watch.curves.series("loss") == ([1, 2], [2.0, 1.0])


def test_rows_that_a_resumed_run_took_back_are_forgotten():
    run = make()
    append(run, "metrics", *({"step": step, "loss": 1.0} for step in range(1, 9)))
    watch = RunReader(run)
    (run.path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    watch.refresh()
    assert watch.curves.series("loss")[0] == [1]


def test_equal_answers_in_a_row_are_one_entry_of_the_timeline():
    run = make()
    append(
        run,
        "samples",
        answer(0, "小砚"),
        answer(10, "小砚"),
        answer(20, "青禾"),
        answer(30, "青禾"),
        answer(30, "青青"),
    )
    (entries,) = RunReader(run).answers().values()
    assert [(e["first"], e["last"], e["answer"]) for e in entries] == [
        (0, 10, "小砚"),
        (20, 30, "青禾"),
        (30, 30, "青青"),
    ]
    assert [labels.steps_of(e) for e in entries] == ["训练前到第 10 步", "第 20–30 步", "第 30 步"]


def test_a_question_without_an_answer_yet_has_its_place():
    assert RunReader(make()).answers() == {"你是谁？": []}


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
    found = labels.better(run, Status("failed", reason=reason, retry=retry), MemoryCurve([], {}, {}))
    assert found == (None if changed is None else TrainingSettings(**changed))


@pytest.mark.parametrize(
    ("reason", "gib", "offered"),
    [("runs.why.killed", 1, False), ("runs.why.killed", 15, True), ("training.failed.memory", 1, True)],
)
def test_other_settings_are_offered_to_a_killed_run_only_where_memory_was_short(reason, gib, offered, monkeypatch):
    monkeypatch.setattr(labels.estimates, "fit", lambda model, settings, limit: settings)
    run = make()
    store.change(run, settings=TrainingSettings().to_dict())
    status, memory = (
        Status("failed", reason=reason),
        MemoryCurve([0.0], {"trainer": [gib * 2**30]}, {"trainer": 16 * 2**30}),
    )
    assert (labels.better(store.get(run.id), status, memory) is not None) == offered
    assert labels.had_free_memory(status, memory) != offered


def test_a_finished_run_needs_no_other_settings():
    run = make()
    store.change(run, settings=TrainingSettings().to_dict())
    assert labels.better(store.get(run.id), Status("finished"), MemoryCurve([], {}, {})) is None


def test_the_outcome_tells_time_losses_and_the_best_step():
    rows = [
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": 0.5},
        {"step": 1, "eval_loss": 0.7},
        {"step": 2, "eval_loss": 0.9},
    ]
    said = labels.outcome(Status("finished", step=2, stage_seconds={"training": 80}), tidy(rows))
    assert said == "训练完成：2 步，用了 1 分 20 秒。训练损失从 2 降到 0.5。验证损失在第 1 步最低，0.7。"


@pytest.mark.parametrize(
    ("seconds", "said"), [(2, "5 秒"), (43, "45 秒"), (131, "2 分 10 秒"), (3320, "55 分"), (90_000, "1 天 1 小时")]
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds, said):
    assert labels.roughly(seconds) == said


def test_memory_that_other_programs_had_is_told_apart_from_the_run_s():
    """As an H200 recorded it: 150.6 GB in use, of which the run had 15.5."""
    run = SimpleNamespace(settings=TrainingSettings(micro_batch=64).to_dict())
    crowded = MemoryCurve([0.0], {"NVIDIA H200 · 0": [150.6e9]}, {"NVIDIA H200 · 0": 150.8e9})
    failed = Status("failed", reason="training.failed.memory", peak_memory=15_470_000_000)
    smaller = TrainingSettings(micro_batch=4)
    assert "15.5 GB" in labels.proposal(run, failed, smaller, crowded) and "135.1 GB" in labels.proposal(
        run, failed, smaller, crowded
    )
    alone = replace(failed, peak_memory=150_000_000_000)
    process = MemoryCurve([0.0], {"": [15.0e9]}, {"": 16.0e9})
    for status, memory in (
        (alone, crowded),
        (replace(failed, peak_memory=None), crowded),
        (replace(failed, peak_memory=1), process),
    ):
        assert "64 → 4" in labels.proposal(run, status, smaller, memory) and "别的程序" not in labels.proposal(
            run, status, smaller, memory
        )


def test_only_new_answers_are_read_and_a_file_that_begins_again_is_read_anew():
    run = make()
    append(run, "samples", answer(0, "我是小砚。"))
    reader = RunReader(run)
    first = reader.samples[0]
    append(run, "samples", answer(5, "我是小印。"))
    reader.refresh()
    assert reader.samples[0] is first and [row["step"] for row in reader.samples] == [0, 5]
    (run.path / "samples.jsonl").write_text(json.dumps(answer(0, "x")) + "\n")
    reader.refresh()
    assert [row["answer"] for row in reader.samples] == ["x"]


def test_a_new_run_is_named_by_its_data_and_by_what_sets_it_apart():
    settings = TrainingSettings()
    assert labels.propose_name("店铺问答", "tiny", settings, store.runs()) == "店铺问答"
    first = make("店铺问答")
    store.change(first, settings=settings.to_dict())
    named = [
        labels.propose_name("店铺问答", model, one, store.runs())
        for model, one in (
            ("tiny", settings.changed(epochs=40)),
            ("tiny", settings.changed(learning_rate=5e-4)),
            ("tiny", settings.changed(method="ptuning")),
            ("large", settings),
            ("tiny", settings),
        )
    ]
    assert named == [
        "店铺问答 · 40 轮",
        "店铺问答 · 学习率 0.0005",
        "店铺问答 · P-Tuning v2",
        "店铺问答 · large",
        "店铺问答 · 2",
    ]
    store.change(make("店铺问答 · 40 轮"), settings=settings.changed(epochs=40).to_dict())
    assert labels.propose_name("店铺问答", "tiny", settings.changed(epochs=40), store.runs()) == "店铺问答 · 2"


def test_a_file_to_take_away_is_named_as_people_call_it():
    assert labels.file_name(make("店铺问答 · 40 轮 <x>/y"), 60, "zip") == "店铺问答 40 轮 x y-60.zip"
    assert labels.file_name(run := make("///"), None, "zip") == f"{run.id}.zip"
