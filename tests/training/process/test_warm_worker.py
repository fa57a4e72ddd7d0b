"""A trainer that waits has everything ready, does nothing before the word, and then trains like one that never waited."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from glm_core import workspace
from glm_core.training.__main__ import main
from glm_core.training.settings import TrainingSettings
from tests.paths import ROOT
from tests.training.forked import Copy
from tests.training.small import small

SETTINGS = TrainingSettings(max_steps=3, micro_batch=2, max_source_length=24, max_target_length=12, evaluations=1)
ROWS = [("你是谁？", "我叫小砚。"), ("你好", "你好。")] * 3

BARE = """
import json, sys
from glm_core.training.process import warm_worker
from glm_core.training.__main__ import main
redirect = warm_worker.redirect_output
def note(folder):
    global before
    before = set(sys.modules)
    redirect(folder)
warm_worker.redirect_output = note
code = main(sys.argv[1:])
print("NEW", json.dumps(sorted(set(sys.modules) - before)))
sys.exit(code)
"""


@pytest.fixture
def folder(tmp_path):
    """A run directory that is not there yet."""
    return tmp_path / "20261127-1"


@pytest.fixture
def wait(folder):
    """Starts a trainer that waits; it is ended with the test."""
    started = []

    def start(*command):
        one = subprocess.Popen(
            [sys.executable, *(command or ("-m", "glm_core.training")), str(folder), "--wait"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()
        one.communicate()


def settle(process, least=1.0):
    """Until it has imported everything: it uses no processor any more."""
    known, used = psutil.Process(process.pid), -1.0
    end = time.monotonic() + 60
    while used < least or known.cpu_times().user > used:
        used = known.cpu_times().user
        time.sleep(0.3)
        assert process.poll() is None and time.monotonic() < end


def make(folder, tmp_path, **told):
    folder.mkdir()
    lines = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ROWS]
    (folder / "dataset.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    record = {
        "id": folder.name,
        "name": "run",
        "model": str(small("chatglm", tmp_path / "base")),
        "questions": ["你好"],
    }
    workspace.write_json(folder / "run.json", record | {"settings": SETTINGS.to_dict()} | told)


def go(process, moment=None):
    process.stdin.write(f"{moment or time.time()}\n".encode())
    process.stdin.close()
    process.stdin = None


def test_it_waits_for_the_directory_and_trains_there_with_nothing_left_to_import(folder, wait, tmp_path):
    process = wait("-c", BARE)
    settle(process)
    assert not folder.exists()
    make(folder, tmp_path)
    go(process)
    assert process.wait(timeout=60) == 0
    status, log = workspace.read_json(folder / "status.json"), (folder / "train.log").read_text()
    assert status["state"] == "finished" and (folder / "adapter" / "easyaigc.json").is_file()
    assert status["stage_seconds"]["starting"] < 1.0, "it counts from the word, not from when the process was created"
    assert log.count("训练完成") == 1
    late = json.loads(log.partition("NEW ")[2])
    assert len(late) < 20, late  # of two thousand


def test_the_word_may_come_while_it_still_imports_and_its_moment_and_the_runs_language_count(folder, wait, tmp_path):
    make(folder, tmp_path, language="en")
    process = wait()
    go(process, time.time() - 100)
    assert process.wait(timeout=60) == 0
    status, log = workspace.read_json(folder / "status.json"), (folder / "train.log").read_text()
    assert status["state"] == "finished" and 100 < status["stage_seconds"]["starting"] < 160
    assert "adapter" in log and not re.search(r"[\u4e00-\u9fff]", log), "not the server's language"


@pytest.fixture
def waiting(folder):
    """A trainer that has imported everything and waits, as a copy of this process."""
    importlib.import_module("glm_core.training.callbacks")
    one = Copy(lambda: main([str(folder), "--wait"]))
    settle(one, least=0.0)
    yield one
    one.kill()


def test_when_the_server_is_gone_it_goes_quietly(folder, waiting):
    waiting.tell()
    assert waiting.wait(timeout=60) == 0 and not folder.exists()


def test_sigterm_ends_the_waiting(folder, waiting):
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(timeout=60) in (0, -signal.SIGTERM) and not folder.exists()
