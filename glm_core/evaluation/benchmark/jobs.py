"""Benchmarks in the background: with progress, cancellable; they go on when the tab is closed. The result stays with the run."""

from collections.abc import Callable, Sequence

from glm_core.errors import EasyError
from glm_core.evaluation import report
from glm_core.evaluation.benchmark import results
from glm_core.evaluation.benchmark.choices import ChoiceTask
from glm_core.evaluation.benchmark.comparison import compare
from glm_core.jobs import Jobs, Turn, TurnJob
from glm_core.permissions import needs
from glm_core.runs import Run
from glm_core.serving.base import Engine


class BenchmarkError(EasyError):
    """A benchmark that cannot be run."""


class BenchmarkJob(TurnJob):
    """One comparison under way or ended.

    Attributes:
        file, tasks: name of the file, and what is asked.
        fraction: share done.
    """

    def __init__(self, run: Run, file: str, tasks: Sequence[ChoiceTask]):
        super().__init__()
        self.run, self.file, self.tasks = run, file, tuple(tasks)
        self.fraction = 0.0


class Benchmarks:
    """The benchmarks of this process, one for each run at a time.

    Args:
        engine: gives the engine, which is made on first use.
        turn: shared with other work that must not run at the same time.
    """

    def __init__(self, engine: Callable[[], Engine], turn: Turn | None = None):
        self._engine, self._turn = engine, turn or Turn()
        self._jobs: Jobs[str, BenchmarkJob] = Jobs()

    def job(self, run: Run) -> BenchmarkJob | None:
        """The job of `run`, under way or ended since the server started."""
        return self._jobs.get(run.id)

    @needs("trainer")
    def start(self, run: Run, file: str, tasks: Sequence[ChoiceTask]) -> BenchmarkJob:
        """Compare `run` with its original on `tasks` in the background; the job already under way if there is one.

        Raises:
            BenchmarkError: the run has no adapter that can answer.
        """
        with self._jobs.lock:
            job = self._jobs.get(run.id)
            if job is None or not job.active:
                if run.adapter() is None:
                    raise BenchmarkError("report.error.no_adapter", name=run.name)
                job = self._jobs.add(run.id, BenchmarkJob(run, file, tasks))
                job.run_in_thread(f"benchmark-{run.id}", self._work, job)
        return job

    def _work(self, job: BenchmarkJob) -> None:
        job.state = job.attempt(lambda: self._take_turn(job), BenchmarkError, "benchmark.failed")

    def _take_turn(self, job: BenchmarkJob) -> None:
        def watch(share: float) -> None:
            job.fraction = share
            job.check()
            self._turn.wait(job.check)

        with self._turn.take(job.check):
            job.state = "running"
            engine = self._engine()
            model = engine.find(job.run.id)
            version = report.version_of(model)
            found = compare(engine, model, job.tasks, watch)
            if report.version_of(engine.find(job.run.id)) != version:
                raise BenchmarkError("benchmark.moved")
            results.keep(job.run, job.file, model, found)
