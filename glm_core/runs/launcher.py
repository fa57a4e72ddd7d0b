"""Starts, stops and watches training processes. Covers the queue, the devices and what becomes of a process that dies.

All state is on disk, so a server may be killed at any moment: the trainers go on, and the next server's first `tick` finds
them again, gives dead ones a true state with its reason, and starts what still waits. Whoever decides holds the workspace's
lock, so that several servers on one workspace never start a run twice. The trainer itself is `python -m glm_core.training`; one
that has imported everything may wait for its run (prewarm.py).
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from glm_core import workspace
from glm_core.machine import machine
from glm_core.permissions import needs
from glm_core.runs import processes, store
from glm_core.runs.cluster.jobs import ClusterJobs, is_on_cluster, next_attempt
from glm_core.runs.cluster.reconcile import reconcile, submit
from glm_core.runs.exit_reasons import explain
from glm_core.runs.files import RunError, locked, number, read_record, writing
from glm_core.runs.prewarm import Prewarmer
from glm_core.runs.processes import CPU
from glm_core.runs.run import Run, processes_of

log = logging.getLogger(__name__)

GRACE_SECONDS = 90.0  # a stopped trainer finishes its update and saves; afterwards it is killed
DYING_SECONDS = 2.0  # a killed process is not one any more before its exit code is known
LEFTOVER_SECONDS = 3600.0


def trainer_command(run: Run) -> list[str]:
    """Return what trains `run`: one process, or torchrun with one process a GPU."""
    wanted = processes_of(run)
    python, *module = single_command(run.path)
    if wanted == 1:
        return [python, *module]
    return [python, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={wanted}", *module]


def single_command(folder: Path) -> list[str]:
    """Return what trains in run directory `folder` in one process."""
    return [sys.executable, "-m", "glm_core.training", str(folder)]


class Launcher:
    """The queue of this workspace. Call `tick` about once a second; every method may be called from any thread."""

    def __init__(
        self,
        command: Callable[[Run], list[str]] = trainer_command,
        *,
        devices: Callable[[], list[str]] = machine.devices,
        grace: float = GRACE_SECONDS,
        free_gpu: Callable[[Run], None] | None = None,
        waiting: Callable[[Path], list[str]] | None = None,
        jobs: ClusterJobs | None = None,
    ):
        """
        Args:
            command: the argument list that trains a run; tests put a stand-in here.
            devices: the GPUs a run may have, as CUDA_VISIBLE_DEVICES names them; empty means the CPU is the one place.
            grace: seconds between a stop and SIGKILL.
            free_gpu: called before a run starts, to unload a chat model from the GPU it needs.
            waiting: the argument list that trains in a run directory, where `prepare` shall start it in advance.
            jobs: the jobs of runs that train on the cluster; tests put a stand-in here.
        """
        self.command, self._devices, self._grace, self._free_gpu = command, devices, grace, free_gpu
        self.prewarmer, self._jobs = Prewarmer(waiting), jobs or ClusterJobs()
        self._children: dict[str, subprocess.Popen] = {}
        self._settled: dict[str, int] = {}
        self._leaving: dict[str, float] = {}
        self.open: frozenset[str] = frozenset()
        "The runs that waited or held a device at the last tick."
        self._mutex = threading.Lock()
        self._swept = False

    def prepare(self) -> None:
        """Somebody is about to train: have a trainer ready soon, where nothing trains and there is memory for it."""
        self.prewarmer.keep_warm()

    def claim(self) -> str:
        """The id to give the next run, so that the trainer that is ready takes it; empty where any will do."""
        return self.prewarmer.claim()

    @needs("trainer", owner=lambda _, run: run.owner)
    def submit(self, run: Run) -> None:
        """Put `run` at the end of the queue; it starts at once where its place is free.

        Raises:
            RunError: it has been submitted before, or the disk is full.
        """
        with locked(store.lock_path()):
            if (run.path / "status.json").exists():
                raise RunError("runs.already_submitted", name=run.name)
            store.write_status(run, "queued", queued=time.time())
        self.tick()

    @needs("trainer", owner=lambda _, run: run.owner)
    def resume(self, run: Run) -> None:
        """Queue an ended run to go on from its last checkpoint.

        Raises:
            RunError: it has not ended, is complete, or has no checkpoint (start again with its settings instead).
        """
        with locked(store.lock_path()):
            status = run.status()
            if status.active or status.state == "finished":
                raise RunError("runs.not_resumable", name=run.name)
            if not run.checkpoints():
                raise RunError("runs.no_checkpoint", name=run.name)
            processes.kill_all(run.path)
            for mark in ("stop", "discard"):
                (run.path / mark).unlink(missing_ok=True)
            store.change(run, pid=None, pid_created=None, devices=[], **next_attempt(run))
            store.write_status(run, "queued", queued=time.time())
        self.tick()

    @needs("trainer", owner=lambda _, run, *__, **___: run.owner)
    def stop(self, run: Run, save: bool = True) -> None:
        """Take `run` from the queue, or ask its trainer to stop; it is killed where it does not within the grace.

        Args:
            save: keep what was learned as an adapter; else the adapter and the checkpoints are thrown away.

        Raises:
            RunError: it has ended already.
        """
        with locked(store.lock_path()):
            run = store.get(run.id)
            if not run.status().active:
                raise RunError("runs.not_active", name=run.name)
            self.prewarmer.drop(run.path)
            far = is_on_cluster(run) and run.place.get("submitted")
            if not far and not run.alive() and not processes.trainers(run.path):
                store.write_status(run, "stopped", {"key": "runs.why.withdrawn"})
                return
            with writing(run.path):
                if not save:
                    (run.path / "discard").touch()
                if not (run.path / "stop").exists():
                    workspace.write_json(run.path / "stop", {"time": time.time(), "save": save})
            if run.alive():
                processes.send(run.pid, signal.SIGTERM)
                processes.wake(run.pid)

    def queue(self) -> list[str]:
        """The ids of the waiting runs in the order in which they start."""
        return [run.id for run in _waiting(store.runs())]

    def tick(self) -> None:
        """Give every run its true state, reap ended children, start what there is room for.

        Cheap where nothing happens: an ended run is looked at again only when its directory changed. Where another server
        holds the lock it is doing this very work, and nothing is done here.
        """
        with self._mutex:
            if not store.folder().is_dir():
                self.prewarmer.tend([], self._devices)
                return
            cleared = self._next_to_start() if self._free_gpu else None
            if cleared is not None:
                self._free_gpu(cleared)  # before the lock: running answers end first, and others write meanwhile
            try:
                with locked(store.lock_path(), timeout=0):
                    self._sweep()
                    open_runs = self._reconcile_all()
                    self.open = frozenset(run.id for run in open_runs)
                    self._start(open_runs, cleared)
                    self.prewarmer.tend(open_runs, self._devices)
            except RunError as error:
                if error.key != "runs.busy":
                    raise

    def _next_to_start(self) -> Run | None:
        """The first waiting run where its places are free, as far as the records say before they are made true."""
        unsettled = list(self._unsettled())
        waiting = [run for run in _waiting(unsettled) if not is_on_cluster(run)]
        if not waiting:
            return None
        places, busy = self._devices() or [CPU], set()
        for run in unsettled:
            if run.alive():
                busy.update(run.devices or places)
        wanted = 1 if places == [CPU] else processes_of(waiting[0])
        return waiting[0] if wanted <= len([place for place in places if place not in busy]) else None

    def _reconcile_all(self) -> list[Run]:
        """The runs that still wait or hold a device, after every run's record has been made true."""
        open_runs = []
        for run in self._unsettled():
            if self._reconcile(run):
                self._settled.pop(run.id, None)
                open_runs.append(run)
            else:
                self._finalize(run)
        return open_runs

    def _unsettled(self) -> Iterator[Run]:
        """The runs whose directory changed since they were found to have ended."""
        for entry in os.scandir(store.folder()):
            if store.is_run(entry) and self._settled.get(entry.name) != entry.stat(follow_symlinks=False).st_mtime_ns:
                yield store.get(entry.name)

    def _reconcile(self, run: Run) -> bool:
        """Make the record of one run true; whether it still waits or holds a device."""
        if is_on_cluster(run):
            return reconcile(self._jobs, run, self._grace)
        record = read_record(run.path / "status.json")
        state = record.get("state")
        if run.alive():
            self._kill_overdue(run, record)
            return True
        if state == "queued":
            return not self._dequeue(run)
        if not record:
            return self._reconcile_unsubmitted(run)
        if state in ("running", "stopping"):
            return self._mark_dead(run)
        return False

    def _dequeue(self, run: Run) -> bool:
        """Return whether a stop came for a waiting run while another server's trainer stood ready for it, which looked like training."""
        asked = (run.path / "stop").exists()
        if asked:
            store.write_status(run, "stopped", {"key": "runs.why.withdrawn"})
        return asked

    def _reconcile_unsubmitted(self, run: Run) -> bool:
        """A directory without a status is about to be submitted, or was left behind by a server that died in between."""
        if run.damaged or (run.path / "status.json").exists():
            return False
        if time.time() - run.created > LEFTOVER_SECONDS and not processes.trainers(run.path):
            store.write_status(run, "stopped", {"key": "runs.why.never_submitted"})
        return True

    def _kill_overdue(self, run: Run, record: dict) -> None:
        """Kill a trainer that neither stops when asked nor leaves after its last word, counted from when this launcher first saw it."""
        ended = record.get("state") in store.STATES and record["state"] not in store.ACTIVE
        if not ended and not (run.path / "stop").exists():
            self._leaving.pop(run.id, None)
            return
        since = self._leaving.setdefault(run.id, time.monotonic())  # no clock that somebody sets
        if time.monotonic() - since > self._grace:
            log.warning("run %s: killing its trainer, which did not end within %.0f s", run.id, self._grace)
            processes.kill_all(run.path)

    def _exit_code(self, run: Run) -> int | None:
        """Exit code of the trainer of `run`, None where another server started it. One that is just dying is waited for."""
        child = self._children.get(run.id)
        try:
            return child.wait(timeout=DYING_SECONDS) if child else None
        except subprocess.TimeoutExpired:
            return None

    def _mark_dead(self, run: Run) -> bool:
        """Write the true end of a run whose trainer is gone; whether it goes on after all."""
        left = processes.trainers(run.path)
        if left and run.pid is None:  # this server, or one before it, died between starting it and noting its number
            pid = min(left, key=lambda process: process.create_time()).pid
            store.change(run, pid=pid, pid_created=processes.created(pid))
            return True
        code = self._exit_code(run)
        processes.kill_all(run.path)  # workers that lost their torchrun
        record = read_record(run.path / "status.json")
        if record.get("state") not in ("running", "stopping"):
            return True  # it wrote its end just before it ended; the next tick settles it
        stopped = (run.path / "stop").exists()
        if record.get("launched") and run.pid is None and not stopped:
            store.write_status(run, "queued", launched=False)  # it was never started
            return True
        store.write_status(run, "stopped" if stopped else "failed", explain(run.path, code))
        return False

    def _finalize(self, run: Run) -> None:
        """Close the books of an ended run: reap its process, throw away what the reader asked to discard."""
        child = self._children.get(run.id)
        if child is None or child.poll() is not None:
            self._children.pop(run.id, None)
        self._leaving.pop(run.id, None)
        if (run.path / "discard").exists() and run.status().state == "stopped":
            for name in ("adapter", "checkpoints"):
                workspace.discard_folder(run.path / name, ignore_errors=True)
        self._settled[run.id] = run.path.stat().st_mtime_ns

    def _start(self, open_runs: list[Run], cleared: Run | None) -> None:
        """Start waiting runs in their order while their places are free; nobody overtakes the first.

        Where the chat model has to make room, only the run that it was made for; the next tick does so for the next one.
        """
        queued = _waiting(open_runs)
        for run in queued:
            if is_on_cluster(run) and not run.place.get("submitted"):
                submit(self._jobs, run)
        waiting = [run for run in queued if not is_on_cluster(run)]
        if not waiting:
            return
        places = self._devices() or [CPU]
        busy: set[str] = set()
        for run in open_runs:
            if run.alive():
                busy.update(run.devices or places)  # one started by hand might be anywhere
        for run in waiting:
            wanted = 1 if places == [CPU] else processes_of(run)
            free = [place for place in places if place not in busy]
            if wanted > len(places):
                store.write_status(
                    run, "failed", {"key": "runs.why.too_few_cards", "values": {"wanted": wanted, "have": len(places)}}
                )
            elif wanted > len(free) or (self._free_gpu and (cleared is None or cleared.id != run.id)):
                return
            else:
                busy.update(free[:wanted])
                self._launch(run, free[:wanted])

    def _launch(self, run: Run, places: list[str]) -> None:
        store.write_status(run, "running", launched=True, stage="starting")
        try:
            child = self._begin(run, places)
        except OSError as error:
            why = {"key": "runs.why.no_start", "values": {"reason": error.strerror or str(error)}}
            store.write_status(run, "failed", why)
            return
        self._children[run.id] = child
        store.change(run, pid=child.pid, pid_created=processes.created(child.pid), devices=places)

    def _begin(self, run: Run, places: list[str]) -> subprocess.Popen:
        """The process that trains `run`: the one that waits for it, or a new one."""
        command = self.command(run)
        with open(run.path / "train.log", "ab") as output:  # first: one that waits could not say why it has no log
            return self.prewarmer.take(run.path, command, places) or processes.start_process(
                command, places, output=output
            )

    def _sweep(self) -> None:
        """Once a server: delete what a crash left of runs that were being made or deleted."""
        if self._swept:
            return
        self._swept = True
        workspace.sweep_leftovers(store.folder(), depth=0)


def _waiting(runs: list[Run]) -> list[Run]:
    """Those of `runs` that wait, in the order in which they were queued."""
    queued = []
    for run in runs:
        record = read_record(run.path / "status.json")
        if record.get("state") == "queued":
            queued.append((number(record.get("queued"), run.created), run.id, run))
    return [run for *_, run in sorted(queued, key=lambda entry: entry[:2])]
