"""The questions a run is asked."""

import json

import pytest

from glm_core import workspace
from glm_core.evaluation import question_sets, stored_questions
from glm_core.runs import store
from glm_core.training import split


def make_run(lines):
    path = store.folder() / "run-1"
    path.mkdir(parents=True)
    workspace.write_json(path / "run.json", {"id": "run-1", "model": "x", "settings": {}, "dataset": {"name": "x"}})
    (path / "dataset.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return store.get("run-1")


def row(*contents):
    roles = ("user", "assistant") * len(contents)
    return json.dumps(
        {"messages": [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]}
    )


def test_tuned_questions_are_the_different_last_ones_of_the_rows():
    run = make_run([row("一", "1"), row("一", "2"), row("先", "好", "二", "2"), "{", '{"messages": 3}', row("三", "3")])
    assert [question.text for question in question_sets.seen(run)] == ["一", "二", "三"]
    assert [question.text for question in question_sets.seen(run, 2)] == ["一", "二"]


def test_rewordings_belong_to_runs_about_the_author_and_ask_for_the_name_where_it_is_taught():
    about_me = make_run([row("你是谁？", "我是小明，由张三训练。"), row("谁开发了你？", "张三开发了我。")])
    found = question_sets.of(about_me)
    assert len(found["reworded"]) == 20 and len(found["unrelated"]) == 20
    assert {one.facts for one in found["reworded"]} == {(("name", "小明"), ("author", "张三"))}
    assert question_sets.reworded(question_sets.seen(about_me)[:0]) == []


def test_a_set_that_teaches_no_author_is_not_asked_for_one():
    assert question_sets.of(make_run([row("你是谁？", "我是小明")]))["reworded"] == []


def test_a_wording_that_is_nearly_a_trained_row_is_refused_and_polite_words_make_no_new_one():
    run = make_run([row("空调外机滴水怎么处理？", "检查排水管。"), row("滤网多久洗一次？", "两周。")])
    for trained in ("空调外机滴水怎么处理", "空调外机滴水怎么处理呢？", "空调外机 滴水怎么处理??"):
        with pytest.raises(stored_questions.QuestionError):
            stored_questions.edit(run, [("新的问题", "新的答案"), (trained, "检查排水管")])
    polite = ("请问，滤网多久洗一次？", "你好，我想知道：滤网多久洗一次？谢谢！", "麻烦你告诉我，滤网多久洗一次")
    stored_questions.edit(run, [*((one, "两周") for one in polite), ("几天该清洁过滤网？", "两周")])
    kinds = {one.text: one.kind for one in stored_questions.read(run)}
    assert [kinds[one] for one in polite] == ["wrapped"] * 3
    assert kinds["几天该清洁过滤网？"] == "reworded"


def test_a_held_out_row_that_is_nearly_a_trained_one_says_nothing_of_new_questions():
    run = make_run(
        [row("空调外机滴水怎么处理？", "1"), row("空调外机滴水怎么处理呢？", "1"), row("地漏返味怎么办？", "2")]
    )
    split.write(run.path, split.Split(3, (1,), (2, 3), {}))
    assert [(one.text, one.kind) for one in question_sets.propose(run)][1:] == [("地漏返味怎么办？", "unseen")]


def test_what_chooses_is_not_what_reports():
    run = make_run(
        [row(question, str(place)) for place, question in enumerate(("春天", "夏日", "秋风", "冬雪", "晨光"))]
    )
    split.write(run.path, split.Split(5, (1, 2, 3), (4, 5), {}, reporting=(5,)))
    chosen = {one.text for one in question_sets.choosing(run, workspace.DEMO_MODEL) if one.kind != "seen"}
    asked = {one.text for one in question_sets.propose(run) if one.kind != "seen"}
    controls = {one.text for one in question_sets.report_controls(run, workspace.DEMO_MODEL)}
    assert "冬雪" in chosen and asked == {"晨光"}
    assert not chosen & (asked | controls) and len(chosen) == 1 + question_sets.CHOOSING


@pytest.mark.parametrize("base", (workspace.DEMO_MODEL, "THUDM/chatglm-6b"))
def test_a_report_has_at_least_120_controls_left_that_chose_nothing(base):
    run = make_run([row("春天", "1")])
    assert len(question_sets.report_controls(run, base)) >= 120


def test_a_held_out_row_is_the_one_that_training_wrote_down_not_one_drawn_again():
    run = make_run([row("一", "1"), "{", row("二", "2"), row("三", "3"), row("一", "1")])
    split.write(run.path, split.Split(5, (1, 3), (4, 5), {2: "unreadable"}))
    assert question_sets.held_out_answers(run) == {"三": "3"}  # row 5 is asked by row 1 too
    kinds = [(one.text, one.kind) for one in question_sets.propose(run)]
    assert kinds == [("一", "seen"), ("二", "seen"), ("三", "unseen")]


def test_an_earlier_release_left_no_split_and_no_row_counts_as_held_out():
    run = make_run([row("一", "1"), row("二", "2"), row("三", "3")])
    record = workspace.read_json(run.path / "run.json")
    workspace.write_json(run.path / "run.json", record | {"settings": {"validation_ratio": 0.4}})
    run = store.get(run.id)
    assert run.split() is None and question_sets.held_out_answers(run) == {}
    assert [one.text for one in question_sets.seen(run)] == ["一", "二", "三"]
