"""`python -m glm_core evaluate RUN`: the report without a browser, by id and by directory, and its exit code."""

import json

from glm_core.__main__ import main
from glm_core.evaluation import question_sets
from glm_core.evaluation.report import asking


def few_controls(monkeypatch):
    whole = question_sets.controls
    monkeypatch.setattr(question_sets, "controls", lambda model: whole(model)[:2])
    monkeypatch.setattr(asking, "ANSWER_TOKENS", 6)


def test_the_json_holds_verdict_meters_changes_and_controls(run, monkeypatch, capsys):
    few_controls(monkeypatch)
    assert main(["evaluate", run.id, "--json"]) == 1  # a random model has learned nothing
    said = json.loads(capsys.readouterr().out)
    assert said["run"] == run.id and said["grade"] == "none" and said["meters"]["learned"]["right"] == 0
    assert set(said["changes"]) == set(said["meters"]) == {"learned", "generalises", "kept"}
    assert said["drift"]["texts"] == 2 and said["report"]["rows"]


def test_a_run_is_named_by_its_directory_too_and_told_in_words(run, monkeypatch, capsys):
    few_controls(monkeypatch)
    assert main(["evaluate", str(run.path)]) == 1
    assert "0/3" in capsys.readouterr().out.splitlines()[0]


def test_a_run_that_is_not_there_is_an_error(workspace, capsys):
    assert main(["evaluate", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
