"""The benchmarks begin, and what they hang on the engine fits it."""

import importlib
import json

import pytest

from benchmarks import counted, real_models
from glm_core.serving.request_handle import RequestHandle
from tests.engine import ask, engine, home, shared_engine, tiny_folder  # noqa: F401
from tests.paths import ROOT

PROGRAMS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_can_be_imported(name):
    assert importlib.import_module(f"benchmarks.{name}").__doc__


def test_counted_answers_are_those_that_are_given(engine, tmp_path, monkeypatch):  # noqa: F811
    for name in ("add", "cancel", "finish"):
        monkeypatch.setattr(RequestHandle, name, getattr(RequestHandle, name))  # put back after the test
    counted.count_into(tmp_path / "answers.jsonl")
    text = "".join(handle := engine.submit(ask()))
    engine.unload()  # done once the engine has let go of the answer, which is then written
    (record,) = map(json.loads, (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines())
    assert record["text"] == text and record["reason"] == handle.finish_reason
    assert len(record["tokens"]) == handle.completion_tokens


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        ("We live on Earth. It is the third planet.", True),
        ("It is called Kepler-41B. It's a terrestrial planet, similar to Earth.", False),
        ("Unearthly.", False),
        ("", False),
    ],
)
def test_a_general_question_is_answered_in_the_first_sentence(answer, known):
    assert real_models.knows("Which planet do we live on?", answer, "Earth|Terra") is known
