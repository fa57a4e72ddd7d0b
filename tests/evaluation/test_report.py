"""A report on a tiny model: asked, judged, kept, gone on with."""

import json
import math
import shutil

import pytest

from glm_core import i18n, models, workspace
from glm_core import workspace as workspace_module
from glm_core.adapters import attach
from glm_core.evaluation import question_sets, report, stored_questions
from glm_core.evaluation.analysis import conclusion
from glm_core.evaluation.answer_pairs import compare
from glm_core.evaluation.perplexity import perplexities
from glm_core.evaluation.report_files import export
from glm_core.i18n import t
from glm_core.runs import RunError, rollback, store
from glm_core.serving.errors import EngineUnavailable
from glm_core.training.settings import TrainingSettings
from tests.evaluation import made
from tests.evaluation.conftest import write
from tests.tiny import tiny_chatglm


def make(engine, run, watch=lambda stage, share: None):
    return report.make(engine, run, engine.find(run.id), watch)


def test_every_question_is_asked_and_the_report_is_read_back_the_same(engine, run):
    stages = []
    made = make(engine, run, lambda stage, share: stages.append(stage))
    assert list(dict.fromkeys(stages)) == list(report.STAGES)
    assert {kind: len(made.of(kind)) for kind in ("seen", "wrapped", "unrelated")} == {
        "seen": 3,
        "wrapped": 3,
        "unrelated": 2,
    }
    assert report.read(run) == made and report.state_of(run) == "done"
    assert made.divergence.differs and made.base == "tiny" and made.step == 60
    assert all(row.after.cut for row in made.rows if len(row.after.text) > 20)


def test_answers_are_those_of_greedy_generation_one_by_one(engine, run, tiny_base):
    made = make(engine, run)
    loaded = models.load(tiny_base)
    attach.load_adapter(loaded, run.path / "adapter", "a")
    differences = compare(loaded, "a", [row.question for row in made.rows], batch=1)
    for row, difference in zip(made.rows, differences, strict=True):
        for mine, theirs in ((row.before.text, difference.before), (row.after.text, difference.after)):
            whole = mine.rstrip("\ufffd ")  # a character that was broken off, and blanks that are stripped at the end
            assert theirs.startswith(whole[:4])


def test_a_cancelled_report_goes_on_without_asking_twice(engine, run, monkeypatch):
    class Enough(Exception):
        pass

    def stop(stage, share):
        if stage == "answers" and share > 0.5:
            raise Enough

    with pytest.raises(Enough):
        make(engine, run, stop)
    report.cancelled(run)
    assert report.read(run) is None and report.state_of(run) == "cancelled"
    kept = len(json.loads(report.file_of(run).read_text("utf-8"))["rows"])
    asked = []
    submit = engine.submit
    monkeypatch.setattr(engine, "submit", lambda request: asked.append(request) or submit(request))
    made = make(engine, run)
    assert 0 < kept < 8 and len(asked) == 2 * (8 - kept) and len(made.rows) == 8


def test_a_run_deleted_while_its_report_is_made_does_not_come_back(engine, run):
    def remove(stage, share):
        if stage == "answers" and share > 0.5:
            shutil.rmtree(run.path, ignore_errors=True)

    with pytest.raises(RunError):
        make(engine, run, remove)
    assert not run.path.exists()


def test_a_question_longer_than_the_context_is_left_out_and_said(engine, run):
    stored_questions.write(
        run, [*stored_questions.read(run), question_sets.Question("很长" * 5000, "seen", reference="好")]
    )
    made = make(engine, run)
    assert len(made.of("seen")) == 3 and made.left_out == 1 and report.read(run) == made
    assert t("report.left_out", count=1) in export.about(made)


def test_answers_of_an_earlier_adapter_are_asked_anew(engine, run, monkeypatch):
    make(engine, run)
    info = json.loads((run.path / "adapter" / "easyaigc.json").read_text("utf-8"))
    workspace.write_json(run.path / "adapter" / "easyaigc.json", info | {"step": 70})
    asked = []
    submit = engine.submit
    monkeypatch.setattr(engine, "submit", lambda request: asked.append(request) or submit(request))
    assert make(engine, run).step == 70 and len(asked) == 16


def test_the_report_of_a_step_comes_back_with_it(engine, run):
    for step in (60, 70):
        kept = shutil.copytree(run.path / "adapter", run.path / "checkpoints" / f"adapter-{step}")
        info = json.loads((kept / "easyaigc.json").read_text("utf-8"))
        workspace.write_json(kept / "easyaigc.json", info | {"step": step})
    first = make(engine, run)
    rollback.promote(run, 70)
    report.bring_back(run)
    assert report.read(run) == first and not report.is_of(first, engine.find(run.id)), "nothing to bring back yet"
    second = make(engine, run)
    for step, wanted in ((60, first), (70, second), (60, first)):
        rollback.promote(run, step)
        report.bring_back(run)
        assert report.read(run) == wanted and wanted.step == step and report.is_of(wanted, engine.find(run.id))


def test_perplexity_is_the_exponential_of_the_models_own_loss(engine, run, tiny_base):
    import torch

    pair = ("你是谁？", "我叫小明。")
    measured = perplexities(engine, engine.find(run.id), [pair])
    loaded = models.load(tiny_base)
    messages = [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    ids, labels, _ = loaded.family.encode_example(loaded.tokenizer, messages, 512, 512)
    with torch.inference_mode():
        loss = loaded.model(torch.tensor([ids]), labels=torch.tensor([labels])).loss.item()
    assert measured[0] == pytest.approx(math.exp(loss), rel=1e-4)
    assert measured[1] != pytest.approx(measured[0], rel=1e-3)
    assert perplexities(engine, engine.find(run.id), []) is None


def test_perplexity_does_not_depend_on_the_batch(engine, run):
    texts = [("你好", "你好，我是一个小小的助手。"), ("你是谁？", "我叫小砚。"), ("三加五等于多少？", "八")] * 4
    choice = engine.find(run.id)
    parts = [perplexities(engine, choice, [one] * 2) for one in texts[:3]]
    whole = perplexities(engine, choice, texts)
    assert min(one[0] for one in parts) < whole[0] < max(one[0] for one in parts)
    assert parts[0].low is None and whole.low < whole.after / whole.before < whole.high
    assert perplexities(engine, choice, texts) == whole


def test_a_report_without_intervals_of_the_perplexity_is_still_read(engine, run):
    from tests.evaluation import made

    record = json.loads(json.dumps(made.report().to_dict())) | {"neutral": [4.0, 5.0]}
    workspace.write_json(report.file_of(run), record)
    assert report.read(run).neutral == (4.0, 5.0, None, None)


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.update(rows=3),
        lambda record: record["rows"][0]["question"].update(kind="else"),
        lambda record: record["rows"][0]["before"].update(text=None),
        lambda record: record["rows"][0]["question"].update(history=[3]),
        lambda record: record.update(measures={"seen": 3}),
        lambda record: record.update(neutral="x"),
        lambda record: record.update(version=99),
        lambda record: record.pop("distances"),
    ],
)
def test_a_report_that_makes_no_sense_is_none(engine, run, damage):
    from tests.evaluation import made

    record = json.loads(json.dumps(made.report().to_dict()))
    workspace.write_json(report.file_of(run), record)
    assert report.read(run) is not None
    damage(record)
    workspace.write_json(report.file_of(run), record)
    assert report.read(run) is None


def test_questions_are_kept_with_the_run_and_wordings_can_be_edited(run):
    kept = stored_questions.read(run)
    assert [one.text for one in kept if one.kind == "seen"] == ["你是谁？", "三加五等于多少？", "高的反义词是什么？"]
    stored_questions.edit(run, [("你叫啥", "小明"), ("", ""), (kept[-1].text, kept[-1].reference)])
    edited = [one for one in stored_questions.read(store.get(run.id)) if one.kind != "seen"]
    assert [(one.text, one.kind) for one in edited] == [("你叫啥", "reworded"), (kept[-1].text, "wrapped")]
    assert edited[0].reference == "小明"


@pytest.mark.parametrize(
    "rows", [[("只有问题", "")], [("", "只有答案")], [("x" * 3000, "y")], [(str(i), "y") for i in range(200)]]
)
def test_wordings_that_cannot_be_judged_are_refused(run, rows):
    before = stored_questions.read(run)
    with pytest.raises(stored_questions.QuestionError):
        stored_questions.edit(run, rows)
    assert stored_questions.read(run) == before


def test_drift_is_measured_on_the_bases_own_answers(engine, run):
    from glm_core.evaluation.analysis import drift

    texts = [("你好", "你好，我是助手。"), ("三加五等于多少？", "八"), ("再见", "再见。")]
    choice = engine.find(run.id)
    found = drift.measure(engine, choice, texts)
    assert found.texts == 3 and 0 < found.low <= found.mean <= found.high
    assert drift.measure(engine, choice, texts) == found
    assert drift.measure(engine, choice, [("你好", "")]) is None


def test_drift_of_an_adapter_that_never_moved_is_zero(engine, run, tiny_base, tmp_path):
    from dataclasses import replace

    from glm_core.evaluation.analysis import drift
    from glm_core.training.settings import TrainingSettings

    loaded = models.load(tiny_base)
    attach.attach(loaded, TrainingSettings())
    attach.save(loaded, tmp_path / "still", {"step": 60})
    still = replace(engine.find(run.id), name="still", adapter=tmp_path / "still")
    assert drift.measure(engine, still, [("你好", "你好，我是助手。")] * 3).mean == pytest.approx(0, abs=1e-6)


def test_a_report_holds_drift_and_minimal_pairs(engine, run):
    found = make(engine, run)
    assert found.drift.texts == 2 and found.pairs.total > 0
    assert report.read(run).drift == found.drift


def test_trained_questions_with_polite_words_around_say_nothing_about_other_wordings(engine, run):
    found = make(engine, run)
    assert found.meters["generalises"].value is None and found.meters["generalises"].grade == "unknown"
    assert found.meters["learned"].grade == "none"  # nothing was learned by heart either
    assert not {i18n.t(f"report.doubt.{one}_trained") for one in ("only", "partly")} & {*conclusion.doubts(found)}


def test_a_trained_question_is_no_other_wording(run):
    with pytest.raises(stored_questions.QuestionError):
        stored_questions.edit(run, [("你是谁", "小明")])


def test_controls_that_chose_the_step_are_not_asked_again(engine, run):
    control = question_sets.controls(engine.find(run.id).base)[0]
    probes = [{"kind": "unrelated", "question": control.text, "history": [], "reference": "", "accept": ["8"]}]
    line = json.dumps({"step": 0, "probes": probes, "answers": ["8"], "time": 1.0}, ensure_ascii=False)
    (run.path / "abilities.jsonl").write_text(line + "\n", encoding="utf-8")
    asked = [row.question.text for row in make(engine, store.get(run.id)).rows]
    chosen = question_sets.choosing_controls(store.get(run.id), engine.find(run.id).base)
    assert [one.text for one in chosen] == [control.text] and control.text not in asked


def replace_adapter(run, base, info=None):
    """Give `run` an adapter of `base` whose weights are those of the start, so that it changes nothing."""
    loaded = models.load(base)
    attach.attach(loaded, TrainingSettings())
    attach.save(loaded, run.path / "adapter", {"step": 60} | (info or {}))
    return store.get(run.id)


def test_an_adapter_that_is_all_zero_is_found_before_anything_is_shown(engine, run, tiny_base):
    found = make(engine, replace_adapter(run, tiny_base))
    assert not found.divergence.differs
    assert t("proof.cause.zero") in export.warnings(found)
    assert {row.verdict.name for row in found.rows} <= {"unchanged", "not_right", "unsure"}
    assert all(row.after.text == row.before.text for row in found.rows)


def test_an_adapter_of_another_size_of_base_is_refused(engine, run, tmp_path):
    other = tiny_chatglm(tmp_path / "other", hidden_size=128, inner_hidden_size=256)
    with pytest.raises(EngineUnavailable):
        make(engine, replace_adapter(run, other))


def test_an_adapter_of_another_base_of_the_same_size_is_named(engine, run, tiny_base):
    found = make(engine, replace_adapter(run, tiny_base, {"base": "another"}))
    assert ("report.cause.other_base", {"there": "another", "here": "tiny"}) in found.causes


def test_a_large_report_is_read_and_judged_once(workspace, monkeypatch):
    monkeypatch.setattr(workspace_module, "SETTLING_SECONDS", -1)
    folder = store.folder() / "run-1"
    write(folder, workspace / "base")
    record = made.report([made.row("seen", f"问{n}", "不知道", "答案", f"答{n}") for n in range(60)]).to_dict()
    for row in record["rows"]:  # grown after its figures were computed, which take minutes over texts of this length
        row["before"]["text"], row["after"]["text"] = "不知道" * 9000, "答案" * 9000
    (folder / "report.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    assert (folder / "report.json").stat().st_size > 4 << 20
    found = report.read(store.get("run-1"))
    assert len(found.rows) == 60 and report.state_of(store.get("run-1")) == "done"
    again = report.read(store.get("run-1"))
    assert again.rows[0] is found.rows[0], "its verdict is kept with it"
    (folder / "report.json").write_text(json.dumps(record | {"step": 61}, ensure_ascii=False), encoding="utf-8")
    assert report.read(store.get("run-1")).step == 61
