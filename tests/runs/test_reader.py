"""A viewer reads only what is new, and the words beside the figures say what they mean."""

import json

from glm_core.runs.labels import captions
from glm_core.runs.reader import RunReader
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
    assert [captions.steps_of(e) for e in entries] == ["训练前到第 10 步", "第 20–30 步", "第 30 步"]


def test_a_question_without_an_answer_yet_has_its_place():
    assert RunReader(make()).answers() == {"你是谁？": []}


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
