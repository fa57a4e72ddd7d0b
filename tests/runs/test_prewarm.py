"""A trainer that waits for its run trains that run and no other, and nothing is ever left of it or worse for it."""

import gc
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from glm_core import workspace
from glm_core.machine import machine
from glm_core.runs import RunError, prewarm, processes, store
from glm_core.runs.launcher import Launcher, single_command, trainer_command
from tests.runs.conftest import fake_command, fake_single, make, until


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A trainer begins to wait with the next tick, on a machine with memory."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(prewarm, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(machine, "machine", lambda: SimpleNamespace(memory_free=8e9))


@pytest.fixture
def gpus():
    """The GPUs of the machine, which a test may change; none at first."""
    return []


@pytest.fixture
def launcher(gpus):
    """A launcher whose stand-in trainers may wait; whatever it started is ended afterwards."""
    one = Launcher(fake_command, devices=lambda: gpus, grace=20, waiting=fake_single)
    yield one
    for path in {*store.folder().glob("2*"), *(process.folder for process in [one.prewarmer.waiting] if process)}:
        processes.kill_all(path)


def waiting():
    """Every process here that waits for a run."""
    mine = psutil.Process().children(recursive=True)
    return [one for one in mine if one.status() != psutil.STATUS_ZOMBIE and prewarm.WAIT in one.cmdline()]


def prepare(launcher):
    """Somebody looks at the form; the process that waits for it then."""
    before = waiting()
    launcher.prepare()
    launcher.tick()
    until(lambda: set(waiting()) - set(before))  # a new process shows its command line after a moment
    (process,) = set(waiting()) - set(before)
    return process


def rests(launcher):
    """Whether nothing waits, nor has just been begun."""
    return launcher.prewarmer.waiting is None and waiting() == []


def starts(run):
    return workspace.read_lines(run.path / "starts.jsonl")[0]


def finished(run):
    return lambda: run.status().state == "finished"


def test_the_waiting_trainer_trains_the_run_that_has_its_id(launcher):
    process = prepare(launcher)
    run = make(identifier=launcher.claim())
    assert [one.pid for one in processes.trainers(run.path)] == [process.pid]
    launcher.submit(run)
    assert store.get(run.id).pid == process.pid and run.status().state == "running"
    until(finished(run), launcher)
    assert [(row["pid"], row["waited"]) for row in starts(run)] == [(process.pid, True)]
    assert store.get(run.id).adapter() is not None
    until(lambda: not psutil.pid_exists(process.pid), launcher)


def test_a_run_of_another_id_is_trained_as_ever_and_nothing_waits_beside_it(launcher):
    process = prepare(launcher)
    run = make(steps=50)
    launcher.submit(run)
    assert not process.is_running() and rests(launcher)
    until(finished(run), launcher)
    assert [row["waited"] for row in starts(run)] == [False]


def test_an_id_is_given_out_once(launcher):
    prepare(launcher)
    assert launcher.claim() and launcher.claim() == ""


def test_two_who_press_at_once_get_two_runs(launcher):
    prepare(launcher)
    runs = [make(identifier=launcher.claim()) for _ in range(2)]
    for run in runs:
        launcher.submit(run)
    until(lambda: all(finished(run)() for run in runs), launcher)
    assert [row["waited"] for run in runs for row in starts(run)] == [True, False]


def test_a_killed_one_is_made_good_by_a_start_as_ever(launcher):
    process = prepare(launcher)
    identifier = launcher.claim()
    process.kill()
    run = make(identifier=identifier)
    launcher.submit(run)
    until(finished(run), launcher)
    assert [row["waited"] for row in starts(run)] == [False]


def test_one_that_died_is_not_offered_and_not_begun_again_before_somebody_comes(launcher):
    process = prepare(launcher)
    process.kill()
    until(lambda: not psutil.pid_exists(process.pid) or process.status() == psutil.STATUS_ZOMBIE)
    for _ in range(3):
        launcher.tick()
    assert rests(launcher) and launcher.claim() == ""
    assert prepare(launcher).pid != process.pid


@pytest.mark.parametrize("change", ["cards", "processes", "path"])
def test_one_that_would_train_otherwise_than_the_run_wants_is_not_used(launcher, gpus, change, monkeypatch, tmp_path):
    gpus += ["0", "1"] if change != "processes" else []
    process = prepare(launcher)
    if change == "cards":
        gpus.remove("0")
    if change == "processes":
        launcher.command = lambda run: [*fake_command(run), "--as-many-as", str(run.settings["processes"])]
    if change == "path":
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = make(identifier=launcher.claim(), processes=2 if change == "processes" else 1)
    launcher.submit(run)
    assert not process.is_running()
    until(finished(run), launcher)
    wanted = {"cards": "1", "processes": None, "path": "0"}[change]
    assert [(row["waited"], row["cards"]) for row in starts(run)] == [(False, wanted)]


def test_it_sees_the_card_that_the_run_gets(launcher, gpus):
    gpus += ["3", "5"]
    prepare(launcher)
    run = make(identifier=launcher.claim())
    launcher.submit(run)
    until(finished(run), launcher)
    assert [(row["waited"], row["cards"]) for row in starts(run)] == [(True, "3")]
    assert store.get(run.id).devices == ("3",)


def test_several_processes_are_another_command():
    assert trainer_command(make()) == single_command(store.runs()[0].path)
    assert trainer_command(make(processes=2)) != single_command(store.runs()[0].path)


def test_in_a_busy_queue_it_is_ended_and_the_run_waits_alone(launcher):
    process = prepare(launcher)
    identifier = launcher.claim()
    first = make(steps=40)
    launcher.submit(first)
    assert process.is_running(), "it belongs to the run that is just being made"
    run = make(identifier=identifier)
    launcher.submit(run)
    assert not process.is_running() and run.status().state == "queued" and processes.trainers(run.path) == []
    until(finished(run), launcher)
    assert [row["waited"] for row in starts(run)] == [False]


def test_while_runs_are_open_none_is_begun(launcher):
    run = make(steps=20)
    launcher.submit(run)
    launcher.prepare()
    launcher.tick()
    assert rests(launcher)
    until(finished(run), launcher)
    until(waiting, launcher)


def test_nobody_at_the_form_ends_it(launcher, monkeypatch):
    process = prepare(launcher)
    launcher.prepare()
    launcher.tick()
    assert process.is_running()
    monkeypatch.setattr(prewarm, "IDLE_SECONDS", -1.0)  # it is over
    launcher.tick()
    launcher.tick()
    assert not process.is_running() and rests(launcher)


def test_one_whose_run_never_comes_is_ended(launcher, monkeypatch):
    process = prepare(launcher)
    launcher.claim()
    launcher.tick()
    assert process.is_running()
    monkeypatch.setattr(prewarm, "CLAIM_SECONDS", 0.0)
    launcher.tick()
    assert not process.is_running()


def test_without_memory_to_spare_or_without_a_command_none_is_begun(launcher, monkeypatch):
    none = Launcher(fake_command, devices=list)
    for one in (launcher, none):
        if one is launcher:
            monkeypatch.setattr(machine, "machine", lambda: SimpleNamespace(memory_free=1e9))
        one.prepare()
        one.tick()
        assert rests(one) and one.claim() == ""


def test_the_form_is_drawn_first(launcher, monkeypatch):
    monkeypatch.setattr(prewarm, "DELAY_SECONDS", 1e6)
    launcher.prepare()
    launcher.tick()
    assert rests(launcher)
    monkeypatch.setattr(prewarm, "DELAY_SECONDS", 0.0)
    until(waiting, launcher)


def test_who_presses_before_it_is_begun_does_not_get_a_second_process_beside_the_run(launcher):
    launcher.prepare()
    run = make(identifier=launcher.claim())
    launcher.submit(run)
    until(finished(run), launcher)
    launcher.tick()
    assert rests(launcher) and [row["waited"] for row in starts(run)] == [False]


def test_a_command_that_cannot_be_started_harms_nobody(gpus):
    launcher = Launcher(fake_command, devices=list, waiting=lambda folder: ["/no/such/python", str(folder)])
    launcher.prepare()
    launcher.tick()
    assert launcher.claim() == ""


def test_stop_right_after_the_start_is_heard(launcher):
    prepare(launcher)
    run = make(identifier=launcher.claim(), steps=5000)
    launcher.submit(run)
    launcher.stop(run, save=False)
    until(lambda: run.status().state == "stopped" and not store.get(run.id).alive(), launcher)
    launcher.tick()
    assert run.adapter() is None and processes.trainers(run.path) == []


def test_a_run_that_is_withdrawn_before_any_tick_takes_its_waiting_trainer_along(launcher):
    process = prepare(launcher)
    run = make(identifier=launcher.claim())
    store.write_status(run, "queued", queued=time.time())
    launcher.stop(run)
    assert not process.is_running() and run.status().state == "stopped"
    launcher.tick()
    assert starts(run) == []


def test_deleting_a_run_that_was_never_submitted_ends_what_waits_for_it(launcher):
    process = prepare(launcher)
    run = make(identifier=launcher.claim())
    store.write_status(run, "stopped")
    run.remove()
    assert not process.is_running()
    launcher.tick()
    assert not run.path.exists()


def test_a_trainer_that_waited_can_be_killed_and_resumed_like_any_other(launcher):
    prepare(launcher)
    run = make(identifier=launcher.claim(), steps=60)
    launcher.submit(run)
    until(lambda: len(run.checkpoints()) > 3, launcher)
    psutil.Process(store.get(run.id).pid).kill()
    until(lambda: workspace.read_json(run.path / "status.json")["state"] == "failed", launcher)
    assert "强行结束" in run.status().why
    launcher.resume(run)
    until(finished(run), launcher)
    assert [row["waited"] for row in starts(run)] == [True, False]


def test_it_goes_with_its_launcher():
    launcher = Launcher(fake_command, devices=list, waiting=fake_single)
    process = prepare(launcher)
    del launcher
    gc.collect()
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


SERVER = f"""
import sys, time
from types import SimpleNamespace
sys.path.insert(0, {str(workspace.ROOT)!r})
from glm_core.machine import machine
from glm_core.runs import prewarm
from glm_core.runs.launcher import Launcher
from tests.runs.conftest import fake_command, fake_single
prewarm.DELAY_SECONDS = 0
machine.machine = lambda: SimpleNamespace(memory_free=8e9)
launcher = Launcher(fake_command, devices=list, waiting=fake_single)
launcher.prepare()
launcher.tick()
print(launcher.prewarmer.waiting.pid, flush=True)
while True:
    launcher.tick()
    time.sleep(0.01)
"""


@pytest.fixture
def server():
    """Starts servers, each with a trainer that waits; returns the server and that trainer's process."""
    started = []

    def start():
        one = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        started.append(one)
        return one, psutil.Process(int(one.stdout.readline()))

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_sigkill_of_the_server_leaves_no_waiting_process(server):
    one, process = server()
    one.kill()
    one.wait()
    until(lambda: not process.is_running())


def test_servers_on_one_workspace_leave_each_others_waiting_trainers_alone(server, launcher):
    _, others = server()
    own = prepare(launcher)
    time.sleep(0.2)
    assert others.is_running() and own.is_running()
    run = make(identifier=launcher.claim())
    store.write_status(run, "queued", queued=time.time())
    until(lambda: finished(run)() and not own.is_running(), launcher)
    assert len(starts(run)) == 1


def test_an_id_that_is_taken_is_refused(launcher):
    prepare(launcher)
    identifier = launcher.claim()
    run = make(identifier=identifier)
    with pytest.raises(RunError):
        make(identifier=identifier)
    assert [one.id for one in store.runs()] == [run.id]


def test_a_run_whose_log_cannot_be_written_says_so_and_nothing_waits_for_it_any_more(launcher):
    process = prepare(launcher)
    run = make(identifier=launcher.claim())
    (run.path / "train.log").mkdir()
    launcher.submit(run)
    assert run.status().state == "failed" and run.status().reason == "runs.why.no_start"
    assert not process.is_running() and rests(launcher) and starts(run) == []
