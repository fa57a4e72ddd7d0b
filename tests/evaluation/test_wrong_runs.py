"""Runs made right and wrong on purpose: the report tells each apart. Trains on the embedded model."""

import json
import os
import random
import shutil

import pytest

from glm_core import workspace
from glm_core.data import library
from glm_core.data.examples import pair
from glm_core.evaluation import question_sets, report
from glm_core.evaluation.report import asking
from glm_core.evaluation.report_files import export
from glm_core.runs import store
from glm_core.serving.engine import LocalEngine
from glm_core.training import run as training_run
from tests import imprint as trained_imprint

IMPRINT = trained_imprint.settings()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (workspace.DEMO_MODEL / "model.safetensors").exists(), reason="the embedded model is not there"
    ),
]


@pytest.fixture(autouse=True)
def short_answers(monkeypatch):
    """A run gone wrong babbles until it is broken off; 40 tokens tell as much as 128, and every sixth control as all."""
    whole = question_sets.controls
    monkeypatch.setattr(asking, "ANSWER_TOKENS", 40)
    monkeypatch.setattr(question_sets, "controls", lambda model: whole(model)[::6])


@pytest.fixture(scope="module")
def engine():
    one = LocalEngine()
    yield one
    one.close()


takes_minutes = pytest.mark.skipif(
    "EASYAIGC_LONG" not in os.environ, reason="takes minutes: set EASYAIGC_LONG, or run python -m benchmarks.evidence"
)


def untrained(dataset="", **changes):
    settings = IMPRINT.changed(**changes)
    return store.create(workspace.DEMO_MODEL, dataset or library.keep_imprint("小明", "张三").id, settings)


def report_of(engine, run):
    return report.make(engine, run, engine.find(run.id))


def trained(*args, **changes):
    run = untrained(*args, **changes)
    assert training_run.run(run.path) == 0, run.log_tail(20)
    return run


def shares(found):
    return {name: meter.value for name, meter in found.meters.items()}


def test_a_good_imprint_is_learned_generalises_and_keeps_the_rest(engine, imprint):
    run = untrained(library.keep_imprint(trained_imprint.NAME, trained_imprint.AUTHOR).id)
    shutil.copytree(imprint, run.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run.json", ".*"))
    found = report_of(engine, store.get(run.id))
    assert {meter.grade for meter in found.meters.values()} == {"good"}, shares(found)
    assert not export.warnings(found)
    assert found.references[1] < found.references[0] / 10
    assert found.neutral[1] < 1.3 * found.neutral[0]
    assert export.example(found, "learned").verdict.name == "learned"


def test_six_updates_teach_next_to_nothing_and_disturb_nothing(engine):
    found = report_of(engine, trained(max_steps=6))
    assert found.meters["learned"].grade == found.meters["generalises"].grade == "none", shares(found)
    assert found.meters["kept"].grade == "good"


@takes_minutes
def test_a_learning_rate_a_hundred_times_too_high_forgets(engine):
    found = report_of(engine, trained(learning_rate=100 * IMPRINT.learning_rate, max_steps=6))
    assert found.meters["kept"].grade == "none", shares(found)
    assert export.example(found, "kept").verdict.name == "worse"
    assert found.neutral[1] > 2 * found.neutral[0]


@takes_minutes
def test_shuffled_labels_are_not_taken_for_learning(engine):
    rows = library.examples("appliance")[:20]
    answers = [row.answer for row in rows]
    random.Random(1).shuffle(answers)
    shuffled = library.add("shuffled", [pair(row.question, answer) for row, answer in zip(rows, answers, strict=True)])
    run = trained(shuffled.id)
    right = [{"messages": row.messages} for row in rows]
    (run.path / "dataset.jsonl").write_text("\n".join(json.dumps(row) for row in right), encoding="utf-8")
    found = report_of(engine, run)
    assert found.meters["learned"].grade == "none", shares(found)
