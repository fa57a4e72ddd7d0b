"""Runs start in their order, stop when asked, and survive the death of whoever started or trained them."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from glm_core import workspace
from glm_core.runs import RunError, processes, silence, store
from glm_core.runs.files import locked
from glm_core.runs.launcher import Launcher, trainer_command
from tests.runs.conftest import FAKE, fake_command, make, until


def state(run):
    return store.get(run.id).status().state


def starts(run):
    return workspace.read_lines(run.path / "starts.jsonl")[0]


def test_a_submitted_run_trains_to_its_end_and_its_process_is_reaped(launcher):
    run = make()
    launcher.submit(run)
    pid = store.get(run.id).pid
    until(lambda: state(run) == "finished" and not psutil.pid_exists(pid), launcher)
    assert store.get(run.id).adapter() is not None
    assert [row["step"] for row in run.metrics()[0]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["a:b", "a\\b", "x" * 130])
def test_a_folder_with_a_name_that_no_run_could_have_stops_no_training(launcher, name):
    run = make()
    (store.folder() / name).mkdir()
    launcher.submit(run)
    until(lambda: state(run) == "finished", launcher)


def test_without_a_gpu_one_run_trains_at_a_time_in_the_order_of_submission(launcher):
    runs = [make(str(i), steps=3) for i in range(3)]
    for run in runs:
        launcher.submit(run)
    assert launcher.queue() == [runs[1].id, runs[2].id]
    alive = []
    until(lambda: alive.append(sum(r.alive() for r in store.runs())) or state(runs[2]) == "finished", launcher)
    assert max(alive) == 1
    ends = [run.metrics()[0][-1]["time"] for run in runs]
    assert ends == sorted(ends)


def test_every_gpu_has_one_run_and_nobody_overtakes_a_run_that_wants_two():
    launcher = Launcher(fake_command, devices=lambda: ["0", "1"])
    runs = [make(steps=8), make(processes=2, steps=3), make(steps=3)]
    for run in runs:
        launcher.submit(run)
    assert [state(run) for run in runs] == ["running", "queued", "queued"]
    until(lambda: all(state(run) == "finished" for run in runs), launcher)
    assert [starts(run)[0]["cards"] for run in runs] == ["0", "0,1", "0"]


def test_more_cards_than_there_are_is_a_sentence_and_does_not_block_the_queue():
    launcher = Launcher(fake_command, devices=lambda: ["0"])
    greedy, modest = make(processes=4), make()
    launcher.submit(greedy)
    launcher.submit(modest)
    assert state(greedy) == "failed" and "4 张显卡" in greedy.status().why
    until(lambda: state(modest) == "finished", launcher)


def test_several_processes_are_started_by_torchrun():
    assert "--nproc-per-node=2" in trainer_command(make(processes=2))
    assert trainer_command(make())[1:3] == ["-m", "glm_core.training"]


def test_stop_and_save_keeps_an_adapter_and_stop_and_discard_keeps_nothing(launcher):
    for save in (True, False):
        run = make(steps=500)
        launcher.submit(run)
        until(lambda run=run: len(run.metrics()[0]) > 2, launcher)
        launcher.stop(run, save=save)
        assert state(run) in ("stopping", "stopped")
        until(lambda run=run: state(run) == "stopped" and not store.get(run.id).alive(), launcher)
        launcher.tick()
        assert (run.adapter() is not None) is save
        assert bool(run.checkpoints()) is save


def test_a_waiting_run_is_withdrawn(launcher):
    first, second = make(steps=50), make()
    launcher.submit(first)
    launcher.submit(second)
    launcher.stop(second)
    assert state(second) == "stopped" and launcher.queue() == []
    launcher.stop(first, save=False)
    until(lambda: state(first) == "stopped", launcher)
    assert starts(second) == []


def test_a_stop_that_another_servers_waiting_trainer_hid_still_withdraws_the_run(launcher):
    run = make()
    store.write_status(run, "queued", queued=time.time())
    waiting = subprocess.Popen([sys.executable, str(FAKE), str(run.path), "--wait"], stdin=subprocess.PIPE)
    until(lambda: processes.trainers(run.path))
    launcher.stop(run)
    launcher.tick()
    assert state(run) == "stopped" and starts(run) == []
    waiting.communicate()


@pytest.mark.skipif(os.name == "nt", reason="no process can be halted there")
def test_a_halted_trainer_is_seen_as_halted_and_a_stop_ends_it(launcher):
    run = make(steps=5000)
    launcher.submit(run)
    until(lambda: run.metrics()[0], launcher)
    run = store.get(run.id)
    assert silence.explain(run) == ""
    assert "没有动静" in silence.explain(run, time.time() + 600)
    os.kill(run.pid, signal.SIGSTOP)
    until(lambda: "SIGSTOP" in silence.explain(run), launcher)
    assert state(run) == "running"
    launcher.stop(run)
    until(lambda: state(run) == "stopped" and not run.alive(), launcher)
    assert run.adapter() is not None and silence.explain(run) == ""


def test_a_trainer_that_does_not_listen_is_killed_after_the_grace():
    launcher = Launcher(fake_command, devices=list, grace=0.3)
    run = make(steps=5000, deaf=True)
    launcher.submit(run)
    until(lambda: run.metrics()[0], launcher)
    launcher.stop(run)
    until(lambda: state(run) == "stopped", launcher, seconds=10)
    assert not store.get(run.id).alive()


def test_what_has_ended_is_neither_stopped_nor_submitted_nor_resumed_again(launcher):
    run = make()
    launcher.submit(run)
    until(lambda: state(run) == "finished", launcher)
    for refused in (launcher.stop, launcher.submit, launcher.resume):
        with pytest.raises(RunError):
            refused(run)


def test_a_killed_trainer_is_a_failed_run_that_says_so_and_goes_on_from_its_checkpoint(launcher):
    run = make(steps=60)
    launcher.submit(run)
    until(lambda: len(run.checkpoints()) > 3, launcher)
    os.kill(store.get(run.id).pid, signal.SIGKILL)
    until(lambda: workspace.read_json(run.path / "status.json")["state"] == "failed", launcher)
    assert "强行结束" in run.status().why
    launcher.resume(run)
    until(lambda: state(run) == "finished", launcher)
    assert [row["step"] for row in run.metrics()[0]] == sorted({row["step"] for row in run.metrics()[0]})
    assert len(starts(run)) == 2


def test_without_a_checkpoint_there_is_nothing_to_resume(launcher):
    run = make(crash=3)
    launcher.submit(run)
    until(lambda: state(run) == "failed", launcher)
    with pytest.raises(RunError, match="检查点"):
        launcher.resume(run)


def test_a_trainer_that_cannot_be_started_is_a_failed_run_with_a_reason():
    launcher = Launcher(lambda run: ["/no/such/python", str(run.path)], devices=list)
    run = make()
    launcher.submit(run)
    assert state(run) == "failed" and "没能启动" in run.status().why


SERVER = f"""
import sys, time
sys.path.insert(0, {str(workspace.ROOT)!r})
from tests.runs.conftest import fake_command
from glm_core.runs.launcher import Launcher
launcher = Launcher(fake_command, devices=list)
print("up", flush=True)
while True:
    launcher.tick()
    time.sleep(0.01)
"""


def server():
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    process.stdout.readline()
    return process


def test_training_goes_on_without_its_server_and_the_next_one_finds_it(launcher):
    run = make(steps=60)
    first = server()
    store.write_status(run, "queued")
    until(lambda: run.metrics()[0])
    first.kill()
    first.wait()
    assert state(run) == "running"
    seen = len(run.metrics()[0])
    launcher.tick()
    until(lambda: len(run.metrics()[0]) > seen, launcher)
    until(lambda: state(run) == "finished", launcher)
    assert len(starts(run)) == 1


def test_two_servers_never_start_a_run_twice():
    runs = [make(steps=2, pause=0.01) for _ in range(6)]
    servers = [server(), server()]
    for run in runs:
        store.write_status(run, "queued", queued=time.time())
    try:
        until(lambda: all(state(run) == "finished" for run in runs), seconds=40)
    finally:
        for process in servers:
            process.kill()
            process.wait()
    assert [len(starts(run)) for run in runs] == [1] * 6


def test_a_server_killed_between_starting_a_trainer_and_noting_its_number_is_made_good(launcher):
    run = make(steps=60)
    launcher.submit(run)
    until(lambda: run.metrics()[0])
    pid = store.get(run.id).pid
    store.change(run, pid=None, pid_created=None)
    launcher.tick()
    assert store.get(run.id).pid == pid and state(run) == "running"


def test_a_server_killed_before_starting_a_trainer_is_made_good(launcher):
    run = make()
    store.write_status(run, "running", launched=True, stage="starting")
    until(lambda: state(run) == "finished", launcher)
    assert len(starts(run)) == 1


def test_orphans_of_a_killed_leader_are_ended(launcher):
    run = make(steps=5000)
    launcher.submit(run)
    until(lambda: run.metrics()[0], launcher)
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(run.path)])
    os.kill(store.get(run.id).pid, signal.SIGKILL)
    until(lambda: state(run) == "failed", launcher)
    until(lambda: orphan.poll() is not None, launcher)
    assert processes.trainers(run.path) == []


def test_an_ended_run_is_not_read_again_until_it_changes(launcher, monkeypatch):
    run = make()
    launcher.submit(run)
    until(lambda: state(run) == "finished" and not store.get(run.id).alive(), launcher)
    launcher.tick()
    read = []
    monkeypatch.setattr(store, "get", lambda identifier: read.append(identifier))
    launcher.tick()
    assert read == []


def test_leftovers_of_a_crash_are_swept_at_the_next_start(launcher):
    make()
    (store.folder() / ".gone-x").mkdir()
    launcher.tick()
    assert not (store.folder() / ".gone-x").exists()
    assert FAKE.exists() and len(store.runs()) == 1


def test_the_chat_model_makes_room_before_the_start_and_others_may_write_meanwhile():
    seen = []

    def free_gpu(run):
        with locked(store.lock_path(), timeout=0):
            seen.append((run.id, state(run)))

    launcher = Launcher(fake_command, free_gpu=free_gpu)
    first, second = make(steps=2), make(steps=2)
    launcher.submit(first)
    launcher.submit(second)
    assert seen == [(first.id, "queued")], "the second one waits, so nothing makes room for it"
    until(lambda: state(second) == "finished", launcher)
    assert [identifier for identifier, _state in seen] == [first.id, second.id]
