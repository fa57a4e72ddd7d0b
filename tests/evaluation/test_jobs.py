"""Reports in the background."""

import threading
import time

import pytest

from glm_core.evaluation import jobs, report
from glm_core.jobs import Turn
from glm_core.runs import store
from glm_core.serving.errors import EngineUnavailable


def wait(job, *states):
    deadline = time.monotonic() + 60
    while job.state not in states and time.monotonic() < deadline:
        time.sleep(0.02)
    assert job.state in states, (job.state, job.error)


def test_a_run_that_ends_gets_its_report_by_itself(engine, run):
    reports = jobs.Reports(lambda: engine)
    reports.follow(frozenset({run.id}))
    assert reports.job(run) is None and (run.path / "questions.json").is_file()
    reports.follow(frozenset())
    wait(reports.job(run), "done")
    assert report.read(run).rows


def test_runs_that_ended_before_the_server_started_are_left_alone(engine, run):
    reports = jobs.Reports(lambda: engine)
    reports.follow(frozenset())
    assert reports.job(run) is None


@pytest.mark.parametrize("gone", ["the run", "its adapter"])
def test_what_has_no_adapter_gets_no_report(engine, run, gone):
    import shutil

    reports = jobs.Reports(lambda: engine)
    reports.follow(frozenset({run.id}))
    shutil.rmtree(run.path if gone == "the run" else run.path / "adapter")
    reports.follow(frozenset())
    assert reports.job(run) is None


def test_a_job_can_be_cancelled_while_it_waits_for_training(engine, run):
    reports = jobs.Reports(lambda: engine, Turn(lambda: True))
    job = reports.start(run)
    assert reports.start(run) is job and job.active
    job.cancel()
    wait(job, "cancelled")
    assert report.read(run) is None


def test_it_goes_on_when_training_has_ended(engine, run):
    busy = threading.Event()
    busy.set()
    reports = jobs.Reports(lambda: engine, Turn(busy.is_set))
    job = reports.start(run)
    time.sleep(0.2)
    assert job.active and report.state_of(run) == ""
    busy.clear()
    wait(job, "done")


def test_a_failure_is_a_sentence(run):
    def broken():
        raise EngineUnavailable("serving.closing")

    reports = jobs.Reports(broken)
    job = reports.start(run)
    wait(job, "failed")
    assert str(job.error)


def test_a_run_without_an_adapter_cannot_be_started(engine, run):
    import shutil

    shutil.rmtree(run.path / "adapter")
    with pytest.raises(jobs.ReportError):
        jobs.Reports(lambda: engine).start(store.get(run.id))
