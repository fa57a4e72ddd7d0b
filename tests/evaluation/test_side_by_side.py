"""One question to several runs at once, on a real engine with a tiny model."""

import shutil

from glm_core.evaluation import side_by_side
from glm_core.evaluation.answer_pairs import Question
from glm_core.runs import store
from glm_core.serving.batching.batch import Batch
from glm_core.workspace import read_json, write_json


def more_runs(run, count):
    """Copies of a run under other names."""
    for number in range(2, count + 1):
        folder = store.folder() / f"run-{number}"
        shutil.copytree(run.path, folder)
        write_json(folder / "run.json", {**read_json(folder / "run.json"), "id": folder.name})


def test_four_runs_and_the_original_are_computed_in_one_batch(engine, run, monkeypatch):
    more_runs(run, 4)
    widths, step = [], Batch.step

    def watched(batch):
        widths.append(len(batch.rows))
        step(batch)

    monkeypatch.setattr(Batch, "step", watched)
    runs = [engine.find(f"run-{number}") for number in range(1, 5)]
    panes = side_by_side.Panes(tuple(one.name for one in runs), "你是谁？")
    panes.start(side_by_side.requests(engine, "你是谁？", runs, max_new_tokens=24), engine)
    for handle in panes.handles:
        "".join(handle)
    panes.raise_error()
    assert panes.whole and max(widths) == 5 and len({handle.provenance.adapter for handle in panes.handles}) == 5
    assert panes.texts[1] == panes.texts[2] == panes.texts[4] != panes.texts[0], (
        "copies answer alike, and not like the original"
    )


def test_a_whole_set_comes_back_run_by_run_in_order(engine, run, monkeypatch):
    monkeypatch.setattr(side_by_side, "ANSWER_TOKENS", 6)
    more_runs(run, 2)
    questions = [Question("你是谁？", "seen"), Question("三加五？", "unrelated")]
    shares = []
    found = side_by_side.compare_all(engine, [engine.find("run-1"), engine.find("run-2")], questions, shares.append)
    assert [[row.question for row in rows] for rows in found] == [questions, questions]
    assert found[0] == found[1] and shares == [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0]
    assert all(row.before != row.after for row in found[0])
