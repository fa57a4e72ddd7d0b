"""The questions a run is asked."""

import json

from glm_core import workspace
from glm_core.evaluation import question_sets
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


def test_rewordings_belong_to_runs_about_the_author():
    about_me = make_run([row("你是谁？", "我是小明")])
    assert len(question_sets.of(about_me)["reworded"]) == 10 and len(question_sets.of(about_me)["unrelated"]) == 20
    assert question_sets.reworded(question_sets.seen(about_me)[:0]) == []


def test_a_held_out_row_is_the_one_that_training_wrote_down_not_one_drawn_again():
    run = make_run([row("一", "1"), "{", row("二", "2"), row("三", "3"), row("一", "1")])
    split.write(run.path, split.Split(5, (1, 3), (4, 5), {2: "unreadable"}))
    assert question_sets.held_out_answers(run) == {"三": "3"}  # row 5 is asked by row 1 too
    kinds = [(one.text, one.kind) for one in question_sets.propose(run)]
    assert kinds == [("一", "seen"), ("二", "seen"), ("三", "reworded")]


def test_an_earlier_release_left_no_split_and_no_row_counts_as_held_out():
    run = make_run([row("一", "1"), row("二", "2"), row("三", "3")])
    record = workspace.read_json(run.path / "run.json")
    workspace.write_json(run.path / "run.json", record | {"settings": {"validation_ratio": 0.4}})
    run = store.get(run.id)
    assert run.split() is None and question_sets.held_out_answers(run) == {}
    assert [one.text for one in question_sets.seen(run)] == ["一", "二", "三"]
