"""The first sentence of a finished run, and the reason and the press that mends it where it has not learned."""

import json

import pytest

from glm_core.evaluation import scoring, verdict
from glm_core.runs import store
from glm_core.training.plan import GOAL_UPDATES, plan
from glm_core.training.settings import TrainingSettings

ROWS = [
    (f"第{n}号柜子放什么？", f"放着{thing}。")
    for n, thing in enumerate("苹果 雨伞 钢笔 地图 水壶 相机 毛巾 吉他".split(), 1)
]


def finished(rows, answers, settings=None, held_out=(), **status):
    """A finished run of `rows` with what the trainer wrote down of its answers."""
    record = {
        "name": "柜子",
        "model": "",
        "model_name": "",
        "dataset": {"id": "x", "name": "柜子", "rows": len(rows), "sha256": ""},
        "settings": (settings or TrainingSettings()).to_dict(),
        "questions": [],
    }
    lines = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in rows]
    run = store.write_new(record, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
    told = [
        {"row": n, "question": q, "reference": a, "answer": said}
        for n, ((q, a), said) in enumerate(zip(rows, answers, strict=True), 1)
    ]
    (run.path / "learned.json").write_text(json.dumps({"step": 9, "rows": told, "held_out": list(held_out)}))
    (run.path / "status.json").write_text(json.dumps({"state": "finished", "step": 9, "total_steps": 9, **status}))
    return store.get(run.id)


@pytest.fixture(autouse=True)
def _home(workspace):
    """Runs lie in a workspace of their own."""


def test_learned_rows_are_counted_and_nothing_is_to_be_mended():
    found = verdict.read(finished(ROWS, [answer for _, answer in ROWS]))
    assert found.grade == "good" and (found.right, found.total) == (8, 8)
    assert "8/8" in found.sentence and found.remedy is None and not found.because


def test_a_run_without_written_answers_has_no_verdict():
    run = finished(ROWS, [answer for _, answer in ROWS])
    (run.path / "learned.json").unlink()
    assert verdict.read(run) is None


def test_report_and_run_page_call_the_same_share_learned():
    answers = [answer for _, answer in ROWS[:7]] + ["这个我不知道。"]
    found = verdict.read(finished(ROWS, answers))
    assert found.grade == scoring.Proportion("learned", found.right, found.total, 0).grade == "some"


def test_few_steps_are_named_and_going_on_mends_them():
    settings = TrainingSettings(epochs=1, micro_batch=8)
    found = verdict.read(finished(ROWS, ["这个我不知道。"] * 8, settings))
    assert found.grade == "none" and "0/8" in found.sentence
    assert found.reason == "learning.few_steps" and found.values["steps"] == 1
    assert found.remedy.kind == "continue"
    assert plan(len(ROWS), found.remedy.settings).updates >= GOAL_UPDATES


def test_a_rate_that_is_too_small_is_named_with_a_usable_one():
    found = verdict.read(finished(ROWS, ["这个我不知道。"] * 8, TrainingSettings(learning_rate=1e-6, epochs=50)))
    assert found.reason == "learning.rate_low" and found.remedy.settings.learning_rate >= 5e-5


def test_a_small_rate_at_which_the_loss_fell_is_not_blamed():
    settings, losses = TrainingSettings(learning_rate=1e-6, epochs=50), [5.0] * 10 + [1.0] * 40
    found = verdict.read(finished(ROWS, ["这个我不知道。"] * 8, settings), losses)
    assert found.reason != "learning.rate_low"


def test_a_loss_that_rose_blames_the_rate():
    losses = [1.0] * 10 + [5.0] * 40
    found = verdict.read(finished(ROWS, ["的的的的"] * 8, TrainingSettings(epochs=50)), losses)
    assert found.reason == "learning.rate_high" and found.remedy.settings.learning_rate == pytest.approx(1e-4)


def test_cut_answers_are_blamed_before_the_steps():
    found = verdict.read(finished(ROWS, ["放着"] * 8, TrainingSettings(epochs=1, max_target_length=8), cut=8))
    assert found.reason == "learning.cut" and found.remedy.settings.max_target_length == 16


def test_contradicting_rows_send_to_the_data():
    rows = [*ROWS, ("第1号柜子放什么？", "放着口琴。")]
    answers = [answer for _, answer in ROWS] + ["放着苹果。"]
    found = verdict.read(finished(rows, answers, TrainingSettings(epochs=50)))
    assert found.reason == "learning.contradicting" and found.values["count"] == 1
    assert found.remedy.kind == "data"


def test_a_reason_that_explains_few_of_the_missed_rows_is_not_named():
    rows = [*ROWS, ("第1号柜子放什么？", "放着口琴。")]
    settings = TrainingSettings(epochs=1, micro_batch=8)
    assert verdict.read(finished(rows, ["这个我不知道。"] * 9, settings)).reason == "learning.few_steps"
    assert verdict.read(finished(ROWS, ["这个我不知道。"] * 8, settings, cut=8)).reason == "learning.few_steps"


def test_a_loss_that_still_falls_goes_on():
    losses = [10 * 0.98**step for step in range(100)]
    found = verdict.read(finished(ROWS, ["这个我不知道。"] * 8, TrainingSettings(epochs=50)), losses)
    assert found.reason == "learning.still_falling" and found.remedy.kind == "continue"


def test_a_classification_has_its_confusions_for_trained_and_for_unseen_rows():
    rows = [(f"第{n}条：{'好' if n % 2 else '差'}极了", "好评" if n % 2 else "差评") for n in range(12)]
    unseen = [{"question": q + "！", "reference": a, "answer": "好评"} for q, a in rows[:6]]
    found = verdict.read(finished(rows, [answer for _, answer in rows], held_out=unseen))
    assert found.trained.accuracy == 1.0 and found.unseen.accuracy == 0.5
