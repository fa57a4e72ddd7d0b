"""What can answer: bases and runs, found by name without a look at what was not asked for."""

import sys

import pytest

from glm_core import workspace
from glm_core.runs import store
from glm_core.serving import served_models
from glm_core.serving.errors import UnknownModel
from tests.tiny import tiny_chatglm

_opened: list[list[str]] = []


def _note_opened(event: str, arguments: tuple) -> None:
    if event == "open" and _opened:
        _opened[-1].append(str(arguments[0]))


sys.addaudithook(_note_opened)


@pytest.fixture
def opened():
    """The files that are opened from now on."""
    _opened.append([])
    yield _opened[-1]
    _opened.pop()


@pytest.fixture
def runs(workspace):
    """Five runs with an adapter on one base."""
    base = tiny_chatglm(workspace / "models" / "tiny")
    found = []
    for number in range(5):
        data = {"id": "d", "name": "rows", "rows": 1, "sha256": "0" * 64}
        record = {"name": f"run {number}", "owner": "ada", "model": str(base), "model_name": "tiny", "dataset": data}
        run = store.write_new(record | {"settings": {}, "questions": []}, b"")
        (run.path / "adapter").mkdir()
        for name in ("adapter_config.json", "easyaigc.json"):
            (run.path / "adapter" / name).write_text('{"step": 3}')
        (run.path / "adapter" / "adapter_model.safetensors").write_bytes(b"x")
        found.append(run)
    return found


def test_a_run_is_found_by_its_id_without_reading_the_others(runs, opened):
    assert served_models.find(runs[2].id).name == runs[2].id
    assert {path for path in opened if path.endswith("run.json")} == {str(runs[2].path / "run.json")}


def test_a_base_is_found_without_reading_any_run(runs, opened):
    assert served_models.find("tiny").name == "tiny"
    assert [path for path in opened if path.endswith("run.json")] == []


def test_a_run_is_found_by_its_name_and_what_is_missing_is_said(runs):
    assert served_models.find("run 3").name == runs[3].id
    with pytest.raises(UnknownModel, match="tiny"):
        served_models.find("nobody")


def test_the_list_of_models_reads_a_run_once(runs, opened, monkeypatch):
    monkeypatch.setattr(workspace, "SETTLING_SECONDS", -1)
    first = served_models.catalogue()
    assert {choice.name for choice in first} >= {run.id for run in runs}
    opened.clear()
    assert served_models.catalogue() == first
    assert [path for path in opened if path.endswith("run.json")] == []
