"""Runs that the stand-in trainer works on, and a launcher that starts it."""

import sys
import time
from pathlib import Path

import pytest

from glm_core.runs import processes, store
from glm_core.runs.launcher import Launcher

FAKE = Path(__file__).with_name("fake_trainer.py")


def fake_command(run):
    return fake_single(run.path)


def fake_single(folder):
    return [sys.executable, str(FAKE), str(folder)]


def make(name="run", owner="ada", processes=1, identifier="", **fake):
    """A run directory whose stand-in trainer does what `fake` says."""
    record = {
        "name": name,
        "owner": owner,
        "model": "/models/tiny",
        "model_name": "tiny",
        "dataset": {"id": "d", "name": "twenty rows", "rows": 20, "sha256": "0" * 64},
        "settings": {"learning_rate": 1e-3, "processes": processes, "fake": fake},
        "questions": ["你是谁？"],
    }
    return store.write_new(record, b'{"messages": []}\n', identifier=identifier)


def until(condition, launcher=None, seconds=20.0):
    """Tick until `condition()` holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        if launcher:
            launcher.tick()
        time.sleep(0.02)


@pytest.fixture
def launcher():
    """A launcher of stand-in trainers on a machine without a GPU; whatever it started is ended afterwards."""
    yield Launcher(fake_command, devices=list, grace=20)
    for run in store.runs():
        processes.kill_all(run.path)
