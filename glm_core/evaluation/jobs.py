"""Reports in the background: one at a time, with progress, cancellable; they go on when the tab is closed.

A run that ends while the server is up gets its report by itself. Jobs are forgotten when the server ends; what was
answered is in report.json and is not asked again.
"""

import logging
import threading
import time
from collections.abc import Callable

from glm_core.errors import EasyError
from glm_core.evaluation import report, sets, strengths
from glm_core.runs import records
from glm_core.runs.records import Run

WAIT_SECONDS = 0.5

log = logging.getLogger(__name__)


class ReportError(EasyError):
    """A report that cannot be made."""


class Job:
    """A report under way or ended; every attribute may be read from any thread.

    Attributes:
        state: "waiting", "running", "done", "cancelled" or "failed".
        stage, fraction: what is being done (of `report.STAGES`, or "strengths"), and the share of it.
        error: why it failed.
    """

    def __init__(self, run: Run, strengths: bool = False):
        self.run, self.strengths = run, strengths
        self.state, self.stage, self.fraction = "waiting", "", 0.0
        self.error: EasyError | None = None
        self._cancelled = threading.Event()

    @property
    def active(self) -> bool:
        """Whether it waits or works."""
        return self.state in ("waiting", "running")

    def cancel(self) -> None:
        """Stop soon; the answers so far are kept."""
        self._cancelled.set()

    def watch(self, stage: str, fraction: float) -> None:
        """Note progress.

        Raises:
            Cancelled: it was cancelled.
        """
        self.stage, self.fraction = stage, fraction
        if self._cancelled.is_set():
            raise Cancelled


class Cancelled(Exception):
    """Ends a job's work."""


class Reports:
    """The reports of this process.

    Args:
        engine: gives the engine, which is made on first use.
        paused: whether the machine is needed for training now; work waits until it is not.
    """

    def __init__(self, engine: Callable[[], object], paused: Callable[[], bool] = lambda: False):
        self._engine, self._paused = engine, paused
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._open: frozenset[str] = frozenset()

    def job(self, run: Run) -> Job | None:
        """The job of `run`, under way or ended since the server started."""
        return self._jobs.get(run.id)

    def start(self, run: Run, strengths: bool = False) -> Job:
        """Make the report of `run` in the background; the job already under way if there is one.

        Args:
            strengths: keep the report that there is, and measure its meters at other strengths of the adapter.

        Raises:
            ReportError: the run has no adapter that can answer.
        """
        with self._lock:
            job = self._jobs.get(run.id)
            if job is None or not job.active:
                if run.adapter() is None:
                    raise ReportError("report.error.no_adapter", name=run.name)
                job = self._jobs[run.id] = Job(run, strengths)
                threading.Thread(target=self._work, args=(job,), name=f"report-{run.id}", daemon=True).start()
        return job

    def follow(self, open_runs: frozenset[str]) -> None:
        """Keep the questions of runs that begin, and start the reports of those that have ended.

        Args:
            open_runs: the ids of the runs that wait or train now.
        """
        began, ended, self._open = open_runs - self._open, self._open - open_runs, open_runs
        for identifier in sorted(began):
            self._attempt(identifier, sets.kept)
        for identifier in sorted(ended):
            self._attempt(identifier, self._start_ended)

    def _attempt(self, identifier: str, act: Callable[[Run], object]) -> None:
        """A run may be gone or its directory unwritable; that is no reason to stop watching the others."""
        try:
            act(records.get(identifier))
        except (EasyError, OSError) as error:
            log.warning("report of %s: %s", identifier, error)

    def _start_ended(self, run: Run) -> None:
        if run.adapter() is not None and run.status().state in ("finished", "stopped"):
            self.start(run)

    def _work(self, job: Job) -> None:
        try:
            while not self._turn.acquire(timeout=WAIT_SECONDS):
                job.watch("", 0.0)
            try:
                self._wait(job)
                job.state = "running"
                self._make(job)
            finally:
                self._turn.release()
            job.state = "done"
        except Cancelled:
            report.cancelled(job.run)
            job.state = "cancelled"
        except EasyError as error:
            job.error, job.state = error, "failed"
        except Exception:
            log.exception("the report of %s failed", job.run.id)
            job.error, job.state = ReportError("report.error.failed"), "failed"

    def _make(self, job: Job) -> None:
        def watch(stage: str, fraction: float) -> None:
            job.watch(stage, fraction)
            self._wait(job)

        engine = self._engine()
        act = strengths.add if job.strengths and report.read(job.run) else report.make
        act(engine, job.run, engine.find(job.run.id), watch)

    def _wait(self, job: Job) -> None:
        """Leave the machine to training."""
        while self._paused():
            job.watch(job.stage, job.fraction)
            time.sleep(WAIT_SECONDS)
