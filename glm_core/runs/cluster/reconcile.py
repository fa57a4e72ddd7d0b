"""A cluster run's true state: what the cluster says of its job joined with what its trainer wrote into the run directory."""

import time

from glm_core.runs import store
from glm_core.runs.cluster.jobs import ClusterJobs, JobState, waits_for_stop
from glm_core.runs.exit_reasons import explain
from glm_core.runs.files import read_record
from glm_core.runs.run import Run

SETTLE_SECONDS = 10.0
"How long after a job's end its trainer's last word may still be on its way over the shared storage."
GONE_SECONDS = 600.0
"Silence of the cluster after which a run that somebody stopped is given up, so that it can be deleted."


def submit(jobs: ClusterJobs, run: Run) -> None:
    """Hand a waiting run to the cluster, which keeps the queue from there on."""
    store.change(run, place={**run.place, "submitted": True})
    jobs.submit(run)


def reconcile(jobs: ClusterJobs, run: Run, grace: float) -> bool:
    """Make the record of a cluster run true; return whether it still waits or works.

    While the cluster does not answer nothing is decided: the trainer goes on writing, and its files say what it does. Only a
    run that was stopped is given up where the cluster stays silent.

    Args:
        grace: seconds between a stop mark and the end of the job by the cluster.
    """
    record = read_record(run.path / "status.json")
    state = record.get("state")
    if state not in store.ACTIVE:
        return not record and not run.damaged  # a directory without a status is about to be submitted
    stopped_for = waits_for_stop(run)
    if not run.place.get("submitted"):
        return not _withdraw(run, stopped_for)
    job = jobs.state(run)
    if jobs.submitting(run):
        return True
    if _fail_refused(jobs, run):
        return False
    if stopped_for is not None and stopped_for > grace and jobs.silence(run) > GONE_SECONDS:
        store.write_status(run, "stopped", {"key": "runs.why.cluster_gone"})
        return False
    if job is None:
        return True
    if not job.status and state == "queued":  # the server died between noting the job and submitting it
        return not _withdraw(run, stopped_for) and _submit_again(jobs, run)
    if not job.ended:
        if stopped_for is not None and (job.status == "PENDING" or stopped_for > grace):
            jobs.stop(run)
        return True
    return _settle(jobs, run, job)


def _withdraw(run: Run, stopped_for: float | None) -> bool:
    if stopped_for is not None:
        store.write_status(run, "stopped", {"key": "runs.why.withdrawn"})
    return stopped_for is not None


def _submit_again(jobs: ClusterJobs, run: Run) -> bool:
    jobs.submit(run)
    return True


def _fail_refused(jobs: ClusterJobs, run: Run) -> bool:
    """End a run that could not be handed to the cluster; one that the cluster has not answered about yet waits."""
    refusal = jobs.refusal(run)
    if refusal is not None:
        store.write_status(run, "failed", refusal.as_record())
    return refusal is not None


def _settle(jobs: ClusterJobs, run: Run, job: JobState) -> bool:
    """Write the end of a run whose job is over, once its trainer's own last word has had time to arrive."""
    if time.time() - job.since < SETTLE_SECONDS:
        return True
    record = read_record(run.path / "status.json")
    if record.get("state") not in store.ACTIVE:
        return True  # it wrote its end meanwhile; the next tick settles it
    if (run.path / "stop").exists():
        store.write_status(run, "stopped", explain(run.path))
        return False
    jobs.keep_log(run)
    message = job.message.strip().splitlines()
    why = message[-1] if message else job.status or "404"
    store.write_status(run, "failed", {"key": "runs.why.cluster_ended", "values": {"reason": why[:300]}})
    return False
