"""Benchmarks in the background: kept with the run, cancelled without a trace, one adapter's figures only."""

import json
import shutil
import threading

import pytest

from glm_core import workspace as files
from glm_core.evaluation import benchmark
from glm_core.evaluation.benchmark import jobs, results
from glm_core.evaluation.benchmark.choices import ChoiceTask
from glm_core.jobs import Turn
from glm_core.runs import store

TASKS = [ChoiceTask("三加五等于多少？", ("八", "九"), 0), ChoiceTask("高的反义词是什么？", ("高", "低"), 1)]


def ended(job):
    job.wait(60)
    return job.state


def test_the_result_stays_with_the_run_and_says_of_which_step(engine, run):
    job = jobs.Benchmarks(lambda: engine).start(run, "a.jsonl", TASKS)
    assert ended(job) == "done" and job.fraction == 1.0, job.error
    (found,) = benchmark.read(run)
    assert (found.file, found.base, found.step) == ("a.jsonl", "tiny", 60)
    assert found.record == json.loads(json.dumps(benchmark.compare(engine, engine.find(run.id), TASKS).to_dict()))
    assert found.changes.total == 2


def test_one_result_a_set_of_tasks_the_newest_first(engine, run):
    work = jobs.Benchmarks(lambda: engine)
    for file, tasks in (("a.jsonl", TASKS), ("b.jsonl", TASKS[:1]), ("a.jsonl", TASKS), ("a.jsonl", TASKS[:1])):
        assert ended(work.start(run, file, tasks)) == "done"
    assert [(one.file, one.record["tasks"]) for one in benchmark.read(run)] == [
        ("a.jsonl", 1),
        ("a.jsonl", 2),
        ("b.jsonl", 1),
    ]


def test_a_cancelled_one_leaves_nothing(engine, run):
    job = jobs.Benchmarks(lambda: engine, Turn(lambda: True)).start(run, "a.jsonl", TASKS)
    job.cancel()
    assert ended(job) == "cancelled" and benchmark.read(run) == []


def test_one_runs_at_a_time_and_a_second_press_gives_the_same(engine, run):
    turn, held = Turn(), threading.Event()
    work = jobs.Benchmarks(lambda: engine, turn)
    with turn.take(held.is_set):
        job = work.start(run, "a.jsonl", TASKS)
        assert work.start(run, "b.jsonl", TASKS) is job and job.state == "waiting"
    assert ended(job) == "done"


def test_figures_of_two_adapters_are_not_mixed(engine, run, monkeypatch):
    versions = iter(["60-a", "61-b"])
    monkeypatch.setattr(jobs.report, "version_of", lambda model: next(versions))
    job = jobs.Benchmarks(lambda: engine).start(run, "a.jsonl", TASKS)
    assert ended(job) == "failed" and benchmark.read(run) == []


def test_what_has_no_adapter_is_refused(engine, run):
    shutil.rmtree(run.path / "adapter")
    with pytest.raises(jobs.BenchmarkError):
        jobs.Benchmarks(lambda: engine).start(store.get(run.id), "a.jsonl", TASKS)


@pytest.mark.parametrize("entry", [5, {}, {"file": "a"}])
def test_a_damaged_entry_is_left_out(engine, run, entry):
    files.write_json(run.path / results.FILE, {"version": 1, "results": {"a": entry}})
    assert benchmark.read(run) == []
