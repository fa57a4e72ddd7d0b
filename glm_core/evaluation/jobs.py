"""Reports in the background: one at a time, with progress, cancellable; they go on when the tab is closed.

A run that ends while the server is up gets its report by itself. Jobs are forgotten when the server ends; what was
answered is in report.json and is not asked again.
"""

import logging
from collections.abc import Callable

from glm_core.errors import EasyError
from glm_core.evaluation import report, scale_sweep, stored_questions
from glm_core.jobs import Jobs, Turn, TurnJob
from glm_core.machine import allocator
from glm_core.permissions import needs
from glm_core.runs import Run, store
from glm_core.serving.base import Engine

log = logging.getLogger(__name__)


class ReportError(EasyError):
    """A report that cannot be made."""


class ReportJob(TurnJob):
    """A report under way or ended; every attribute may be read from any thread.

    Attributes:
        stage, fraction: what is being done (of `report.STAGES`, or "strengths"), and the share of it.
    """

    def __init__(self, run: Run, strengths: bool = False):
        super().__init__()
        self.run, self.strengths = run, strengths
        self.stage, self.fraction = "", 0.0

    def watch(self, stage: str, fraction: float) -> None:
        """Note progress.

        Raises:
            Cancelled: it was cancelled.
        """
        self.stage, self.fraction = stage, fraction
        self.check()


class Reports:
    """The reports of this process.

    Args:
        engine: gives the engine, which is made on first use.
        turn: shared with other work that must not run at the same time.
    """

    def __init__(self, engine: Callable[[], Engine], turn: Turn | None = None):
        self._engine, self._turn = engine, turn or Turn()
        self._jobs: Jobs[str, ReportJob] = Jobs()
        self._open: frozenset[str] = frozenset()

    def job(self, run: Run) -> ReportJob | None:
        """The job of `run`, under way or ended since the server started."""
        return self._jobs.get(run.id)

    @needs("trainer")
    def start(self, run: Run, strengths: bool = False) -> ReportJob:
        """Make the report of `run` in the background; the job already under way if there is one.

        Args:
            strengths: keep the report that there is, and measure its meters at other strengths of the adapter.

        Raises:
            ReportError: the run has no adapter that can answer.
        """
        with self._jobs.lock:
            job = self._jobs.get(run.id)
            if job is None or not job.active:
                if run.adapter() is None:
                    raise ReportError("report.error.no_adapter", name=run.name)
                job = self._jobs.add(run.id, ReportJob(run, strengths))
                job.run_in_thread(f"report-{run.id}", self._work, job)
        return job

    def follow(self, open_runs: frozenset[str]) -> None:
        """Keep the questions of runs that begin, and start the reports of those that have ended.

        Args:
            open_runs: the ids of the runs that wait or train now.
        """
        began, ended, self._open = open_runs - self._open, self._open - open_runs, open_runs
        for identifier in sorted(began):
            self._attempt(identifier, stored_questions.read)
        for identifier in sorted(ended):
            self._attempt(identifier, self._start_ended)

    def _attempt(self, identifier: str, act: Callable[[Run], object]) -> None:
        """A run may be gone or its directory unwritable; that is no reason to stop watching the others."""
        try:
            act(store.get(identifier))
        except (EasyError, OSError) as error:
            log.warning("report of %s: %s", identifier, error)

    def _start_ended(self, run: Run) -> None:
        if run.adapter() is not None and run.status().state in ("finished", "stopped"):
            self.start(run)

    def _work(self, job: ReportJob) -> None:
        state = job.attempt(lambda: self._take_turn(job), ReportError, "report.error.failed")
        if state == "cancelled":
            report.cancelled(job.run)
        job.state = state
        allocator.trim()  # hundreds of answers, their tensors and their words have come and gone

    def _take_turn(self, job: ReportJob) -> None:
        with self._turn.take(job.check):
            job.state = "running"
            self._make(job)

    def _make(self, job: ReportJob) -> None:
        def watch(stage: str, fraction: float) -> None:
            job.watch(stage, fraction)
            self._turn.wait(job.check)

        engine = self._engine()
        act = scale_sweep.add if job.strengths and report.read(job.run) else report.make
        act(engine, job.run, engine.find(job.run.id), watch)
