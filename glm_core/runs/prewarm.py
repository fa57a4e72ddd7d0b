"""A trainer that has imported everything before anybody presses train.

Importing takes a trainer seconds, from a slow disk a quarter of a minute, in which nobody sees anything happen. So while somebody
looks at the form, one is started for a run that does not exist yet: its command names the directory that the run will have, by
which it is known as that run's trainer from its first moment (processes.py). It holds 266 MB of memory (torch for processors) and no
GPU (training/process/warm_worker.py). When the run is launched one line on its stdin makes it train. Where anything else comes of it (the
queue is busy, other GPUs, nobody presses, it was killed) it is ended, and the run starts as it would have without it.

It reads EOF when the server ends, however that ends, and goes too.
"""

import logging
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from glm_core import workspace
from glm_core.machine import machine
from glm_core.runs import processes, store
from glm_core.runs.run import Run
from glm_core.training.process.warm_worker import WAIT

log = logging.getLogger(__name__)

DELAY_SECONDS = 1.5  # after the form was first asked for: its own drawing comes first
IDLE_SECONDS = 600.0  # without anybody at the form
DYING_SECONDS = 5.0
CLAIM_SECONDS = 60.0  # between the choice of a run's directory and its launch
FREE_BYTES = 3e9


class Waiting:
    """One process that waits for the run directory `folder`, to train there on `places`."""

    def __init__(self, command: list[str], folder: Path, places: list[str]):
        self.folder = folder
        self.claimed: float | None = None
        self._command, self._surroundings = command, processes.process_environment(places)
        self._process = processes.start_process([*command, WAIT], places, stdin=subprocess.PIPE)
        # Closed when this is given up: a Popen outlives its last user, and the pipe with it.
        self._stdin, self._process.stdin = self._process.stdin, None

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def alive(self) -> bool:
        """Return whether it still waits."""
        return self._process.poll() is None

    def suits(self, command: list[str], places: list[str]) -> bool:
        """Return whether it would do what `command` started on `places` does."""
        return command == self._command and processes.process_environment(places) == self._surroundings

    def go(self) -> subprocess.Popen | None:
        """Let it train; None where it died."""
        try:
            self._stdin.write(f"{time.time()}\n".encode())
            self._stdin.close()
        except OSError:
            return None
        return self._process if self.alive() else None

    def end(self) -> None:
        """Kill it: it has done nothing yet."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=DYING_SECONDS)
        self._stdin.close()


class Prewarmer:
    """At most one waiting trainer. Methods may be called from any thread; they return at once, but for the end of a process."""

    def __init__(self, command: Callable[[Path], list[str]] | None):
        """
        Args:
            command: the argument list that trains in a run directory; None where nothing shall ever wait.

        Attributes:
            waiting: the process that waits; None where there is none.
        """
        self._command = command
        self.waiting: Waiting | None = None
        self._asked: float | None = None
        self._seen = 0.0
        self._mutex = threading.RLock()

    def keep_warm(self) -> None:
        """Somebody looks at the form: a trainer should be ready soon, or stay so."""
        with self._mutex:
            self._seen = time.monotonic()
            self._asked = self._asked or self._seen

    def claim(self) -> str:
        """The id that a run must have to be trained by the waiting trainer; empty where none waits. Given out once."""
        with self._mutex:
            self._asked = None
            if self.waiting is None or self.waiting.claimed or not self.waiting.alive():
                return ""
            self.waiting.claimed = time.monotonic()
            return self.waiting.folder.name

    def take(self, folder: Path, command: list[str], places: list[str]) -> subprocess.Popen | None:
        """The trainer of run directory `folder`, which begins now; None where `command` must be started on `places` instead."""
        with self._mutex:
            one = self.waiting
            if one is None or one.folder != folder:
                return None
            child = one.go() if one.suits(command, places) else None
            if child is None:
                self._end()
            self.waiting = None
            return child

    def drop(self, folder: Path) -> None:
        """End the trainer that waits for `folder`, if one does."""
        with self._mutex:
            if self.waiting is not None and self.waiting.folder == folder:
                self._end()

    def tend(self, open_runs: list[Run], places: Callable[[], list[str]]) -> None:
        """End what waits in vain, start what was asked for. Called once a tick, with the runs that wait or train."""
        with self._mutex:
            if self.waiting is not None and self._in_vain(open_runs):
                self._end()
            elif self.waiting is None and not open_runs and self._due():
                self._start(places()[:1] or [processes.CPU])

    def _in_vain(self, open_runs: list[Run]) -> bool:
        """Return whether it died, nobody is at the form any more, or what trains now is not it."""
        one, now = self.waiting, time.monotonic()
        if not one.alive():
            return True
        if one.claimed:
            return (one.folder / "status.json").exists() or now - one.claimed > CLAIM_SECONDS
        return bool(open_runs) or now - self._seen > IDLE_SECONDS

    def _due(self) -> bool:
        if self._command is None or self._asked is None:
            return False
        now = time.monotonic()
        return now - self._asked >= DELAY_SECONDS and now - self._seen <= IDLE_SECONDS

    def _start(self, places: list[str]) -> None:
        folder = store.folder() / workspace.new_id()
        if machine.machine().memory_free < FREE_BYTES:
            self._asked = None
            return
        try:
            self.waiting = Waiting(self._command(folder), folder, places)
        except OSError as error:
            self._asked = None
            log.info("no trainer waits: %s", error)

    def _end(self) -> None:
        """End it, and start none until somebody comes to the form again: whatever ended it might end the next too."""
        self.waiting.end()
        self.waiting, self._asked = None, None
