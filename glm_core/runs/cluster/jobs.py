"""The jobs of this workspace's cluster runs: submitted and asked about in the background, so that nobody waits for a far machine."""

import logging
import shlex
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from glm_core.errors import EasyError
from glm_core.runs.cluster import package, settings
from glm_core.runs.cluster.jobs_api import ENDED, JobsApi
from glm_core.runs.cluster.settings import Cluster, ClusterError
from glm_core.runs.files import number, read_record
from glm_core.runs.run import Run, processes_of

log = logging.getLogger(__name__)

STALE_SECONDS = 3.0
"How old an answer of the cluster may be before it is asked again."
LOG_LINES = 40


@dataclass(frozen=True)
class JobState:
    """A job as the cluster last described it.

    Attributes:
        status: of Ray: PENDING, RUNNING, SUCCEEDED, FAILED, STOPPED; "" where it knows no such job.
        message: why it ended.
        since: seconds since the epoch at which this process first saw that status.
    """

    status: str
    message: str
    since: float

    @property
    def ended(self) -> bool:
        """Return whether no trainer of the job works any more."""
        return self.status in ENDED or not self.status


MODEL = "EASYAIGC_MODEL_FOLDER"
"Tells the trainer where its node sees the base."


def entry(run: Run, cluster: Cluster) -> str:
    """The shell command of the job that trains `run`."""
    folder = shlex.quote(cluster.on_node(run.path.resolve()))
    gpus = 1 if run.place.get("gpu") else 0
    return f"python -m glm_core.runs.cluster.driver {folder} --workers {processes_of(run)} --gpus {gpus}"


def job_id(run: Run) -> str:
    """The name of the run's job: another one for each time it is submitted, the same one until then."""
    return f"{run.id}-{int(number(run.place.get('attempt'), 1))}"


class ClusterJobs:
    """Jobs by run. Every method returns at once; what takes time happens in two threads.

    Args:
        cluster: reads where the cluster is; None where there is none.
        connect: makes the API of a cluster; tests put a stand-in here.
    """

    def __init__(
        self,
        cluster: Callable[[], Cluster | None] = settings.read,
        connect: Callable[[Cluster], JobsApi] = JobsApi,
    ) -> None:
        self._cluster, self._connect = cluster, connect
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="cluster")
        self._mutex = threading.Lock()
        self._states: dict[str, JobState] = {}
        self._asked: dict[str, float] = {}
        self._heard: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._working: dict[tuple[str, str], Future] = {}
        self._refusals: dict[str, EasyError] = {}

    def submit(self, run: Run) -> None:
        """Queue the job of `run` on the cluster, unless that is under way; `refusal` says what went wrong."""
        self._begin("submit", job_id(run), lambda: self._submit(run))

    def submitting(self, run: Run) -> bool:
        """Return whether the job of `run` is on its way to the cluster."""
        return self._is_working("submit", job_id(run))

    def state(self, run: Run) -> JobState | None:
        """The last known state of the job; None before it has said anything. Asks anew where that is old."""
        job = job_id(run)
        self._heard.setdefault(job, time.monotonic())
        if time.monotonic() - self._asked.get(job, -STALE_SECONDS) >= STALE_SECONDS:
            self._begin("find", job, lambda: self._find(job))
        return self._states.get(job)

    def silence(self, run: Run) -> float:
        """Seconds since the cluster last said anything of the job of `run`, or since it was first asked."""
        return time.monotonic() - self._heard.get(job_id(run), time.monotonic())

    def stop(self, run: Run) -> None:
        """Ask the cluster to end the job of `run`."""
        job = job_id(run)
        self._begin("stop", job, lambda: self._api().stop(job))

    def refusal(self, run: Run) -> EasyError | None:
        """Why the job could not be handed to the cluster, None where it was or is on its way."""
        return self._refusals.get(job_id(run))

    def keep_log(self, run: Run) -> None:
        """Write the end of what the job's driver printed into the run's train.log."""
        job = job_id(run)
        self._begin("log", job, lambda: self._keep_log(run, job))

    def _api(self) -> JobsApi:
        cluster = self._cluster()
        if cluster is None:
            raise ClusterError("cluster.none")
        return self._connect(cluster)

    def _submit(self, run: Run) -> None:
        job = job_id(run)
        self._refusals.pop(job, None)
        try:
            cluster, api = self._cluster(), self._api()
            name, content = package.build()
            api.submit(job, entry(run, cluster), api.upload(name, content), {MODEL: cluster.on_node(run.model)})
        except EasyError as error:
            self._refusals[job] = error
            return
        self._find(job)

    def _find(self, job: str) -> None:
        found = self._api().find(job) or {}
        self._heard[job] = time.monotonic()
        self._said.pop(job, None)
        status, message = str(found.get("status", "")), str(found.get("message") or "")[-500:]
        known = self._states.get(job)
        since = known.since if known and known.status == status else time.time()
        self._states[job] = JobState(status, message, since)

    def _keep_log(self, run: Run, job: str) -> None:
        lines = self._api().log(job).splitlines()[-LOG_LINES:]
        with open(run.path / "train.log", "a", encoding="utf-8") as file:
            file.write("".join(f"[ray] {line}\n" for line in lines))

    def _begin(self, what: str, job: str, work: Callable[[], None]) -> None:
        with self._mutex:
            if not self._is_working(what, job):
                self._working[what, job] = self._threads.submit(self._watched, what, job, work)

    def _is_working(self, what: str, job: str) -> bool:
        future = self._working.get((what, job))
        return future is not None and not future.done()

    def _watched(self, what: str, job: str, work: Callable[[], None]) -> None:
        try:
            work()
        except EasyError as error:  # the run goes on there; it is asked about again
            if self._said.get(job) != str(error):
                log.warning("job %s: %s", job, error)
            self._said[job] = str(error)
        except Exception:  # a thread of a pool would swallow it
            log.exception("job %s", job)
        finally:
            if what == "find":  # a stop that is repeated must not put the question off
                self._asked[job] = time.monotonic()


def is_on_cluster(run: Run) -> bool:
    """Return whether `run` trains on the cluster instead of this computer."""
    return run.place.get("kind") == settings.KIND


def next_attempt(run: Run) -> dict:
    """The entry of run.json that lets a cluster run be submitted once more; none for others."""
    if not is_on_cluster(run):
        return {}
    attempt = int(number(run.place.get("attempt"), 1)) + 1
    return {"place": {name: value for name, value in run.place.items() if name != "submitted"} | {"attempt": attempt}}


def waits_for_stop(run: Run) -> float | None:
    """Seconds since somebody asked `run` to stop, None where nobody did."""
    asked = number(read_record(run.path / "stop").get("time"))
    return None if asked is None else time.time() - asked
