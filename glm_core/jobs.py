"""Background jobs: a thread with state, progress and cancellation, and the registry that a module keeps its jobs in.

Used by downloads, model loads, reports, exports and Excel files. A job's files on disk belong to its module.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from glm_core.errors import EasyError

WAIT_SECONDS = 0.5

log = logging.getLogger(__name__)


K = TypeVar("K", bound=Hashable)
J = TypeVar("J", bound="Job")


class Cancelled(Exception):
    """The job was cancelled."""


class Job:
    """One job, running or ended; every attribute may be read from any thread.

    Attributes:
        state: "running", "done", "cancelled" or "failed"; a subclass may add its own.
        error: reason of the failure.
    """

    def __init__(self):
        self.state = "running"
        self.error: EasyError | None = None
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None

    def cancel(self) -> None:
        """Ask the job to stop at its next `check`."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the job has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def check(self) -> None:
        """Stop here where the job was cancelled; called by the work at regular intervals.

        Raises:
            Cancelled: the job was cancelled.
        """
        if self._cancelled.is_set():
            raise Cancelled

    def run_in_thread(self, name: str, target: Callable[..., None], *args) -> None:
        """Run `target` in a daemon thread called `name`."""
        self._thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._thread.start()

    def attempt(self, act: Callable[[], None], kind: type[EasyError], key: str) -> str:
        """Run `act` and return the state it ended in, with `error` set where that is "failed".

        Args:
            kind, key: class and text key of the error that stands for an unexpected exception, which goes to the log; `why` names its class.
        """
        try:
            act()
        except Cancelled:
            return "cancelled"
        except EasyError as error:
            self.error = error
        except Exception as error:
            log.exception("%s failed", self._thread.name if self._thread else "work")
            self.error = kind(key, why=type(error).__name__)
        else:
            return "done"
        return "failed"


class TurnJob(Job):
    """A job that may have to wait for its turn: "waiting" before it is "running"."""

    def __init__(self):
        super().__init__()
        self.state = "waiting"

    @property
    def active(self) -> bool:
        """Return whether it waits or works."""
        return self.state in ("waiting", "running")


class Jobs(Generic[K, J]):
    """The jobs of one kind in this process by key; every method may be called from any thread.

    Args:
        weak: drop a job as soon as nothing else refers to its key.

    Attributes:
        lock: reentrant; hold it around several calls that must see one state.
    """

    def __init__(self, weak: bool = False):
        self.lock: AbstractContextManager = threading.RLock()
        self._jobs: MutableMapping[K, J] = WeakKeyDictionary() if weak else {}

    def get(self, key: K) -> J | None:
        """Return the job of `key`, None where there is none."""
        with self.lock:
            return self._jobs.get(key)

    def add(self, key: K, job: J) -> J:
        """Keep `job` under `key` in place of an earlier one, and return it."""
        with self.lock:
            self._jobs[key] = job
        return job

    def get_or_add(
        self, key: K, make: Callable[[], J | None], again: Callable[[J], bool] = lambda job: False
    ) -> J | None:
        """Return the job of `key`; where there is none, or `again` says so of it, the one that `make` returns."""
        with self.lock:
            job = self._jobs.get(key)
            if (job is None or again(job)) and (made := make()) is not None:
                return self.add(key, made)
            return job

    def forget(self, key: K) -> None:
        """Drop the job of `key`; its thread, if it runs, goes on."""
        with self.lock:
            self._jobs.pop(key, None)

    def clear(self) -> None:
        """Drop all, as a restart of the server does; what is on disk is read again. Threads that run go on."""
        with self.lock:
            self._jobs.clear()

    def all(self) -> list[J]:
        """Return the jobs, oldest first."""
        with self.lock:
            return list(self._jobs.values())


class Turn:
    """One heavy piece of work at a time, and none while the machine is needed for training.

    Args:
        paused: whether it is needed now; work waits until it is not.
    """

    def __init__(self, paused: Callable[[], bool] = lambda: False):
        self._paused, self._taken = paused, threading.Lock()

    @contextmanager
    def take(self, check: Callable[[], None]) -> Iterator[None]:
        """Wait for the turn and hold it; `check` is called while it waits, and what it raises ends the waiting."""
        while not self._taken.acquire(timeout=WAIT_SECONDS):
            check()
        try:
            self.wait(check)
            yield
        finally:
            self._taken.release()

    def wait(self, check: Callable[[], None]) -> None:
        """Leave the machine to training; called by the work at regular intervals."""
        while self._paused():
            check()
            time.sleep(WAIT_SECONDS)
