"""What a trainer tells of itself, whatever somebody does to the clock meanwhile."""

import time

import pytest

from glm_core import workspace
from glm_core.training import run_writer
from glm_core.training.run_writer import RunWriter


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_hides_no_progress_and_makes_no_days(tmp_path, monkeypatch, jump):
    monkeypatch.setattr(run_writer, "STATUS_SECONDS", 0.0)
    real = time.time
    with RunWriter(tmp_path, clock=real()) as writer:
        writer.stage("training")
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        for fraction in (0.25, 0.5):
            writer.progress(fraction)
            assert workspace.read_json(tmp_path / "status.json")["fraction"] == fraction
        writer.end("finished")
    seconds = workspace.read_json(tmp_path / "status.json")["stage_seconds"]
    assert all(0 <= value < 3600 for value in seconds.values())
