"""A process number is a trainer only with proof: its command line, or where it has none yet its create time."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from glm_core.runs import processes

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def start():
    """Starts a Python process with arguments, by default in this folder; all end with the test."""
    started = []

    def start(*arguments, **options):
        started.append(subprocess.Popen([sys.executable, "-c", SLEEP, *map(str, arguments)], **options))
        pid = started[-1].pid
        while not psutil.Process(
            pid
        ).cmdline():  # the kernel shows it a moment after the program has replaced its parent's
            time.sleep(0.005)
        return pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_trainer_is_known_by_the_directory_it_was_given_relative_or_not(start, tmp_path):
    absolute, relative = start(tmp_path / "runs" / "a"), start("runs/a", cwd=tmp_path)
    for pid in (absolute, relative):
        assert processes.alive(pid, None, tmp_path / "runs" / "a")
        assert not processes.alive(pid, None, tmp_path / "other" / "a")
    assert {process.pid for process in processes.trainers(tmp_path / "runs" / "a")} == {absolute, relative}


def test_other_programs_that_name_the_directory_are_left_alone(tmp_path):
    viewer = subprocess.Popen(["tail", "-f", "/dev/null", str(tmp_path / "a")], stderr=subprocess.DEVNULL)
    try:
        assert processes.trainers(tmp_path / "a") == []
        processes.kill_all(tmp_path / "a")
        assert viewer.poll() is None
    finally:
        viewer.kill()
        viewer.wait()


def test_a_process_without_a_command_line_yet_counts_if_it_was_created_when_it_says(monkeypatch, start, tmp_path):
    pid = start(tmp_path / "a")
    moment = processes.created(pid)
    monkeypatch.setattr(psutil.Process, "cmdline", lambda self: [])
    assert processes.alive(pid, moment, tmp_path / "a")
    assert not processes.alive(pid, moment - 3600, tmp_path / "a")
    assert not processes.alive(pid, None, tmp_path / "a")


def test_a_trainer_that_loses_its_command_line_between_two_looks_is_still_there(monkeypatch, start, tmp_path):
    """Else a run that is just ending would be dead, alive and dead again."""
    pid = start(tmp_path / "a")
    said = [psutil.Process(pid).cmdline(), []]
    monkeypatch.setattr(psutil.Process, "cmdline", lambda self: said.pop(0) if said else [])
    assert processes.alive(pid, processes.created(pid), tmp_path / "a")
    monkeypatch.undo()

    def gone(self):
        raise FileNotFoundError

    monkeypatch.setattr(psutil.Process, "cwd", gone)
    assert processes.alive(pid, processes.created(pid), tmp_path / "a")


def test_an_ended_process_that_nobody_reaped_is_not_alive(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "pass", str(tmp_path)])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.alive(process.pid, processes.created(process.pid), tmp_path)
    process.wait()
