"""Runs on a Ray cluster: a stand-in for the Jobs API says what becomes of jobs, and the run's record follows."""

import io
import json
import time
import zipfile

import httpx
import pytest

from glm_core import workspace
from glm_core.runs import store
from glm_core.runs.cluster import jobs, package, settings
from glm_core.runs.cluster.jobs_api import JobsApi
from glm_core.runs.cluster.settings import Cluster, ClusterError
from glm_core.runs.launcher import Launcher
from tests.runs.conftest import fake_command, until


class StandIn:
    """The parts of Ray's Jobs API that are used; `jobs` maps a submission id to what is said of it."""

    def __init__(self):
        self.jobs, self.packages, self.asked, self.stopped = {}, {}, [], []
        self.down, self.token = False, ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path))
        if self.down:
            raise httpx.ConnectError("refused")
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401)
        return self.answer(request.method, request.url.path, request)

    def answer(self, method, path, request):
        if path == "/api/version":
            return httpx.Response(200, json={"ray_version": "2.60.0"})
        if path.startswith("/api/packages/gcs/"):
            name = path.rpartition("/")[2]
            if method == "PUT":
                self.packages[name] = request.read()
            return httpx.Response(200 if name in self.packages else 404)
        if path == "/api/jobs/":
            body = json.loads(request.read())
            self.jobs[body["submission_id"]] = {"status": "PENDING", **body}
            return httpx.Response(200, json={"submission_id": body["submission_id"]})
        name, _, verb = path.removeprefix("/api/jobs/").partition("/")
        if name not in self.jobs:
            return httpx.Response(404, text="no such job")
        if verb == "stop":
            self.stopped.append(name)
            self.jobs[name]["status"] = "STOPPED"
            return httpx.Response(200, json={"stopped": True})
        return httpx.Response(200, json={"logs": "the node is gone\n"} if verb == "logs" else self.jobs[name])


@pytest.fixture
def ray(monkeypatch):
    monkeypatch.setattr(jobs, "STALE_SECONDS", 0.02)
    monkeypatch.setattr("glm_core.runs.cluster.reconcile.SETTLE_SECONDS", 0.1)
    return StandIn()


def launcher_of(ray, cluster=Cluster("http://ray:8265"), grace=20.0):
    there = jobs.ClusterJobs(lambda: cluster, lambda found: JobsApi(found, httpx.MockTransport(ray)))
    return Launcher(fake_command, devices=list, grace=grace, jobs=there)


def make(**settings):
    record = {
        "name": "far",
        "owner": "ada",
        "model": "/models/tiny",
        "model_name": "tiny",
        "dataset": {"id": "d", "name": "rows", "rows": 20, "sha256": "0" * 64},
        "settings": settings,
        "questions": [],
        "place": {"kind": "ray", "gpu": False},
    }
    return store.write_new(record, b'{"messages": []}\n')


def state(run):
    return store.get(run.id).status().state


def submitted(ray, launcher, run):
    launcher.submit(run)
    until(lambda: f"{run.id}-1" in ray.jobs, launcher)
    return ray.jobs[f"{run.id}-1"]


def says(run, **entries):
    """What the trainer on a node writes into the run directory."""
    store.write_status(store.get(run.id), entries.pop("state"), **entries)


def test_a_run_is_a_job_with_the_code_as_a_package(ray):
    launcher = launcher_of(ray, Cluster("http://ray:8265", here=str(workspace.home()), there="/shared"))
    run = make(processes=3)
    job = submitted(ray, launcher, run)
    assert job["entrypoint"] == f"python -m glm_core.runs.cluster.driver /shared/runs/{run.id} --workers 3 --gpus 0"
    assert job["runtime_env"]["env_vars"] == {"EASYAIGC_MODEL_FOLDER": "/models/tiny"}
    [(name, content)] = ray.packages.items()
    assert job["runtime_env"]["working_dir"] == f"gcs://{name}"
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert "glm_core/training/__main__.py" in names and not any("__pycache__" in name for name in names)
    assert state(run) == "queued"


def test_a_package_is_built_alike_and_uploaded_once(ray):
    launcher = launcher_of(ray)
    for run in (make(), make()):
        submitted(ray, launcher, run)
    assert [method for method, path in ray.asked if "packages" in path].count("PUT") == 1
    name, _ = package.build()
    package.build.cache_clear()
    assert package.build()[0] == name


def test_the_state_is_what_the_trainer_writes_and_a_local_run_trains_beside_it(ray, launcher):
    here = launcher_of(ray)
    run = make()
    job = submitted(ray, here, run)
    job["status"] = "RUNNING"
    says(run, state="running", step=3)
    from tests.runs.conftest import make as make_local

    local = make_local(steps=3)
    here.submit(local)
    until(lambda: state(local) == "finished", here)
    assert state(run) == "running" and store.get(run.id).status().step == 3
    says(run, state="finished")
    job["status"] = "SUCCEEDED"
    for _ in range(20):
        here.tick()
    assert state(run) == "finished"


def test_another_dashboard_does_not_take_it_for_dead(ray):
    run = make()
    submitted(ray, launcher_of(ray), run)["status"] = "RUNNING"
    says(run, state="running", step=1)
    other = launcher_of(ray)
    until(lambda: any(path == f"/api/jobs/{run.id}-1" for _, path in ray.asked), other)
    for _ in range(20):
        other.tick()
    assert state(run) == "running"


def test_a_cluster_that_does_not_answer_decides_nothing(ray):
    launcher = launcher_of(ray)
    run = make()
    submitted(ray, launcher, run)["status"] = "RUNNING"
    says(run, state="running", step=1)
    ray.down = True
    other = launcher_of(ray)
    asked = len(ray.asked)
    until(lambda: len(ray.asked) > asked + 3, other)
    assert state(run) == "running"


@pytest.mark.parametrize("end", ["FAILED", "gone"])
def test_a_lost_job_is_a_failed_run_with_the_clusters_words_that_can_go_on(ray, end):
    launcher = launcher_of(ray)
    run = make()
    job = submitted(ray, launcher, run)
    job["status"] = "RUNNING"
    says(run, state="running", step=4)
    launcher.tick()
    if end == "gone":
        del ray.jobs[f"{run.id}-1"]
    else:
        job |= {"status": "FAILED", "message": "Node 10.0.0.9 died"}
    until(lambda: state(run) == "failed", launcher)
    why = store.get(run.id).status().why
    assert ("Node 10.0.0.9 died" in why) is (end == "FAILED")
    step = run.path / "checkpoints" / "checkpoint-4"
    step.mkdir(parents=True)
    (step / "trainer_state.json").write_text("{}")
    launcher.resume(store.get(run.id))
    until(lambda: f"{run.id}-2" in ray.jobs, launcher)
    assert state(run) == "queued"


def test_a_waiting_job_is_withdrawn_at_once_and_a_training_one_has_its_grace(ray):
    launcher = launcher_of(ray, grace=0.3)
    waiting, training = make(), make()
    submitted(ray, launcher, waiting)
    submitted(ray, launcher, training)["status"] = "RUNNING"
    says(training, state="running", step=2)
    until(lambda: launcher._jobs.state(training) and launcher._jobs.state(training).status == "RUNNING", launcher)
    launcher.stop(waiting)
    launcher.stop(training)
    assert (training.path / "stop").exists() and state(training) == "stopping"
    until(lambda: state(waiting) == "stopped", launcher)
    until(lambda: state(training) == "stopped", launcher)
    assert f"{training.id}-1" in ray.stopped


def test_a_stop_that_the_cluster_carries_out_is_noticed_however_often_it_is_asked_for(ray, monkeypatch):
    monkeypatch.setattr(jobs, "STALE_SECONDS", 0.5)  # longer than between two ticks, as in earnest
    run, launcher = make(), launcher_of(ray, grace=0.0)
    submitted(ray, launcher, run)["status"] = "RUNNING"
    launcher.stop(store.get(run.id))
    until(lambda: state(run) == "stopped", launcher)


def test_a_run_that_was_stopped_is_given_up_where_the_cluster_never_answers_again(ray, monkeypatch):
    monkeypatch.setattr("glm_core.runs.cluster.reconcile.GONE_SECONDS", 0.3)
    run, launcher = make(), launcher_of(ray, grace=0.0)
    submitted(ray, launcher, run)["status"] = "RUNNING"
    until(lambda: store.get(run.id).place.get("submitted"), launcher)
    ray.down = True
    for _ in range(10):
        launcher.tick()
        time.sleep(0.05)
    assert state(run) == "queued"  # nobody asked for a stop: nothing is decided
    launcher.stop(store.get(run.id))
    until(lambda: state(run) == "stopped", launcher)
    assert "没有回应" in store.get(run.id).status().why


def test_a_refused_submission_is_a_failed_run_with_the_reason(ray):
    ray.token = "secret"
    run = make()
    launcher = launcher_of(ray)
    launcher.submit(run)
    until(lambda: state(run) == "failed", launcher)
    assert "令牌" in store.get(run.id).status().why
    ray.token = ""


def test_a_head_node_that_answers_and_takes_no_job_ends_the_run_with_its_words(ray, monkeypatch):
    answer = ray.answer

    def refuse(method, path, request):
        if method == "POST":
            time.sleep(0.3)  # asked meanwhile, it knows of no such job
            return httpx.Response(500, text="no available agent to submit job")
        return answer(method, path, request)

    monkeypatch.setattr(ray, "answer", refuse)
    run, launcher = make(), launcher_of(ray)
    launcher.submit(run)
    until(lambda: state(run) == "failed", launcher)
    assert "no available agent" in store.get(run.id).status().why
    assert ray.asked.count(("POST", "/api/jobs/")) == 1


def test_a_submission_that_a_dead_server_had_begun_is_made_again(ray):
    run = make()
    store.write_status(run, "queued", queued=1.0)
    store.change(run, place={**run.place, "submitted": True})
    launcher = launcher_of(ray)
    until(lambda: f"{run.id}-1" in ray.jobs, launcher)


@pytest.mark.parametrize(
    "wrong",
    [
        Cluster("10.0.0.5:8265"),
        Cluster("ftp://ray"),
        Cluster("http://"),
        Cluster("http://user:pw@ray:8265"),
        Cluster("http://ray:8265", here="/a"),
        Cluster("http://ray:8265", here="a", there="/b"),
        Cluster("http://ray:99999"),
        Cluster("http://ray\n:8265"),
    ],
)
def test_a_cluster_that_makes_no_sense_is_not_kept(wrong):
    with pytest.raises(ClusterError):
        settings.write(wrong)
    assert settings.read() is None


def test_a_cluster_is_kept_for_its_owner_alone():
    settings.write(Cluster("http://ray:8265", "secret", "/home/a", "/mnt/a"))
    assert settings.read() == Cluster("http://ray:8265", "secret", "/home/a", "/mnt/a")
    assert (workspace.home() / "cluster.json").stat().st_mode & 0o077 == 0
    (workspace.home() / "cluster.json").write_text("[" * 100_000)
    assert settings.read() is None
    settings.forget()


@pytest.mark.parametrize(
    ("path", "there"), [("/home/a", "/mnt/a"), ("/home/a/x", "/mnt/a/x"), ("/home/ab", "/home/ab"), ("/x", "/x")]
)
def test_paths_are_said_as_the_nodes_see_them(path, there):
    assert Cluster("http://ray:8265", here="/home/a/", there="/mnt/a").on_node(path) == there


def test_what_is_no_ray_is_said(ray):
    api = JobsApi(Cluster("http://ray:8265"), httpx.MockTransport(lambda request: httpx.Response(200, text="hello")))
    with pytest.raises(ClusterError, match="8265"):
        api.version()
    assert JobsApi(Cluster("http://ray:8265"), httpx.MockTransport(ray)).version() == "2.60.0"
