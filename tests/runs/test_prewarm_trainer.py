"""The real trainer waits for the launcher's word, and hears a stop from its first moment on."""

import json
import time

import pytest

from glm_core import workspace
from glm_core.runs import prewarm, processes, store
from glm_core.runs.launcher import Launcher, single_command
from glm_core.training.settings import TrainingSettings
from tests.runs.conftest import until
from tests.training.small import small

pytestmark = pytest.mark.slow
SETTINGS = TrainingSettings(max_steps=3, micro_batch=2, max_source_length=24, max_target_length=12, evaluations=1)
LINE = {"messages": [{"role": "user", "content": "你是谁？"}, {"role": "assistant", "content": "我叫小砚。"}]}


@pytest.fixture
def launcher(monkeypatch):
    """A launcher whose trainer waits already, if only just."""
    monkeypatch.setattr(prewarm, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(prewarm, "FREE_BYTES", 0)
    one = Launcher(devices=list, waiting=single_command)
    one.prepare()
    one.tick()
    yield one
    for run in store.runs():
        processes.kill_all(run.path)


def make(launcher, tmp_path):
    model = small("chatglm", tmp_path / "base")
    record = {
        "name": "run",
        "owner": "",
        "model": str(model),
        "model_name": "base",
        "settings": SETTINGS.to_dict(),
        "questions": ["你好"],
        "dataset": {"id": "d", "name": "d", "rows": 6, "sha256": "0" * 64},
    }
    identifier = launcher.claim()
    assert identifier
    return store.write_new(record, (json.dumps(LINE) + "\n").encode() * 6, identifier=identifier)


def test_it_trains_to_an_adapter_in_the_process_that_waited(launcher, tmp_path):
    waiting = launcher.prewarmer.waiting.pid
    run = make(launcher, tmp_path)
    launcher.submit(run)
    until(lambda: run.status().state == "finished" and not store.get(run.id).alive(), launcher, seconds=90)
    assert run.adapter() is not None and workspace.read_json(run.path / "status.json")["pid"] == waiting
    assert "训练完成" in run.log_tail()


@pytest.mark.parametrize("pause", [0.0, 0.3, 1.5])
def test_a_stop_while_it_still_imports_ends_it_stopped(launcher, tmp_path, pause):
    run = make(launcher, tmp_path)
    launcher.submit(run)
    time.sleep(pause)
    launcher.stop(run)
    until(lambda: run.status().state == "stopped" and not store.get(run.id).alive(), launcher, seconds=60)
    assert processes.trainers(run.path) == []
