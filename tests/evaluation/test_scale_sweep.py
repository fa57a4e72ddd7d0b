"""The meters at other strengths."""

import pytest

from glm_core import models
from glm_core.adapters import attach
from glm_core.evaluation import report, scale_sweep, scoring
from glm_core.evaluation.jobs import Reports
from glm_core.evaluation.scoring import Proportion
from glm_core.serving.errors import RequestError
from glm_core.training.settings import TrainingSettings
from tests.evaluation import made
from tests.evaluation.test_jobs import wait


def at(**counts):
    return {name: Proportion(name, counts[name], 10, 0) for name in scoring.METERS}


def test_no_strength_is_the_original_and_full_strength_is_the_report(engine, run, monkeypatch):
    monkeypatch.setattr(scale_sweep, "STRENGTHS", (0.0, 1.0))
    reports = Reports(lambda: engine)
    wait(reports.start(run), "done")
    whole = report.read(run)
    wait(reports.start(run, strengths=True), "done")
    found = report.read(run)
    assert found.rows == whole.rows and found.strengths[1.0] == whole.meters
    assert found.strengths[0.0]["kept"].count == found.strengths[0.0]["kept"].total
    assert found.strengths[0.0]["learned"].count == found.strengths[0.0]["learned"].before


def test_the_meters_of_a_prefix_at_every_strength(engine, run, tiny_base, monkeypatch):
    import shutil

    shutil.rmtree(run.path / "adapter")
    loaded = models.load(tiny_base)
    attach.attach(loaded, TrainingSettings(method="ptuning", prefix_length=4))
    attach.save(loaded, run.path / "adapter", {"step": 5})
    whole = report.make(engine, run, engine.find(run.id))
    monkeypatch.setattr(scale_sweep, "STRENGTHS", (0.0, 1.0))
    found = scale_sweep.add(engine, run, engine.find(run.id)).strengths
    assert found[1.0] == whole.meters and found[0.0]["kept"].count == found[0.0]["kept"].total


def test_dora_has_no_strength(engine, run, tiny_base):
    import shutil

    shutil.rmtree(run.path / "adapter")
    loaded = models.load(tiny_base)
    attach.attach(loaded, TrainingSettings(dora=True))
    attach.save(loaded, run.path / "adapter", {"step": 5})
    report.make(engine, run, engine.find(run.id))
    with pytest.raises(RequestError):
        scale_sweep.add(engine, run, engine.find(run.id))
    assert report.read(run).strengths == {}


def test_the_best_strength_is_the_one_whose_lowest_meter_is_highest():
    found = {0.5: at(learned=6, generalises=6, kept=10), 1.0: at(learned=10, generalises=10, kept=3)}
    assert scale_sweep.best(found) == 0.5
    assert scale_sweep.best({0.5: found[0.5], 0.75: found[0.5], 1.25: found[0.5]}) in (0.75, 1.25)
    assert scale_sweep.best({}) is None


def test_strengths_are_read_back_and_checked():
    found = made.report(strengths={0.5: at(learned=1, generalises=2, kept=3)})
    assert scoring.unpack_meters(found.to_dict()["strengths"]) == found.strengths
    for wrong in ({"x": {}}, {"1": {"learned": [1, 2, 3]}}, {"1": {name: [5, 2, 0] for name in scoring.METERS}}, 3):
        with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
            scoring.unpack_meters(wrong)
