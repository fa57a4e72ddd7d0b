"""Two Ray nodes on this machine: `python -m benchmarks.cluster --ray FOLDER/bin/ray`.

One run in one process, with torchrun on two, and on the cluster with a trainer a node, at the same rows an update: their losses
stand in one table. Then a run whose node is killed in the middle and that goes on from its checkpoint, a run that is stopped and
saved, and how many submissions a second the Jobs API takes and how many files a run has. Needs a Python with ray[default], torch,
transformers and peft, whose `ray` is named by --ray.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from glm_core import workspace
from glm_core.data import library
from glm_core.data.examples import pair
from glm_core.runs import Run, store
from glm_core.runs.cluster import package, settings
from glm_core.runs.cluster.jobs_api import JobsApi
from glm_core.runs.launcher import Launcher
from glm_core.training.settings import TrainingSettings

SUBMISSIONS = 20
PARTS = ("losses", "stop", "node", "submissions")
ROWS = 32


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nodes:
    """Two Ray nodes, each with one CPU, started by the `ray` command and ended with the benchmark."""

    def __init__(self, ray: str, folder: Path) -> None:
        self._ray, self._folder = ray, folder
        self._port, self.dashboard = free_port(), free_port()
        self.second: list[psutil.Process] = []

    def start(self) -> None:
        self._run(
            "start",
            "--head",
            f"--port={self._port}",
            f"--dashboard-port={self.dashboard}",
            "--dashboard-host=127.0.0.1",
            f"--temp-dir={self._folder}",
        )
        self.start_second()

    def start_second(self) -> None:
        before = {process.pid for process in _raylets()}
        self._run("start", f"--address=127.0.0.1:{self._port}")
        self.second = [process for process in _raylets() if process.pid not in before]

    def kill_second(self) -> None:
        """End the second node with all that runs on it, as a power cut would."""
        for raylet in self.second:
            for process in [*raylet.children(recursive=True), raylet]:
                process.kill()

    def stop(self) -> None:
        subprocess.run([self._ray, "stop", "--force"], capture_output=True)

    def _run(self, *arguments: str) -> None:
        options = [
            f"--dashboard-agent-listen-port={free_port()}",
            "--num-cpus=1",
            "--num-gpus=0",
            "--object-store-memory=100000000",
            "--disable-usage-stats",
        ]
        paths = os.pathsep.join([str(Path(self._ray).parent), os.environ["PATH"]])  # the nodes' `python`
        done = subprocess.run(
            [self._ray, *arguments, *options], capture_output=True, text=True, env=os.environ | {"PATH": paths}
        )
        if done.returncode:
            sys.exit(f"ray {arguments[0]}: {done.stderr[-2000:]}")


def _raylets() -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["name"]) if process.info["name"] == "raylet"]


def rows() -> str:
    """A set of its own in the library; returns its id."""
    return library.add("rows", [pair(f"第{n}个问题是什么？", f"第{n}个答案。") for n in range(ROWS)]).id


def run_of(dataset: str, processes: int, cluster: bool, **changes) -> Run:
    chosen = TrainingSettings(
        epochs=3, micro_batch=4 // processes, accumulation=1, processes=processes, rehearsal=0.0,
        validation_ratio=0.0, lora_dropout=0.0,
    ).changed(**changes)  # fmt: skip
    place = {"kind": "ray", "gpu": False} if cluster else None
    return store.create(workspace.DEMO_MODEL, dataset, chosen, ["你是谁？"], place=place)


def wait(launcher: Launcher, run: Run, done, seconds: float = 600) -> float:
    """Tick until `done(status)`; returns the seconds that took."""
    began = time.monotonic()
    while not done(run.status()):
        launcher.tick()
        time.sleep(0.2)
        if time.monotonic() - began > seconds:
            sys.exit(f"{run.id}: {run.status()}\n{run.log_tail(40)}")
    return time.monotonic() - began


def ended(status) -> bool:
    return not status.active


def losses(run: Run) -> dict[int, float]:
    return {int(row["step"]): row["loss"] for row in run.metrics()[0] if "loss" in row}


def compare(launcher: Launcher, dataset: str) -> None:
    """One process, torchrun with two, the cluster with two: the losses of every update."""
    found = {}
    for name, processes, cluster in (("one process", 1, False), ("torchrun, 2", 2, False), ("Ray, 2 nodes", 2, True)):
        run = run_of(dataset, processes, cluster)
        launcher.submit(run)
        seconds = wait(launcher, run, ended)
        found[name] = losses(run)
        if run.status().state != "finished":
            sys.exit(f"{name}: {run.status().why}\n{run.log_tail(60)}")
        last = list(found[name].values())[-1] if found[name] else float("nan")
        apart = max((abs(found[name][step] - loss) for step, loss in found["one process"].items()), default=0.0)
        print(f"{name:14} {run.status().state:9} {len(found[name]):3} updates  last loss {last:.5f}  "
              f"at most {apart:.1e} from one process  {seconds:5.0f} s  {_files(run)} files", flush=True)  # fmt: skip


def _files(run: Run) -> int:
    return sum(1 for path in run.path.rglob("*") if path.is_file())


def lose_a_node(nodes: Nodes, launcher: Launcher, dataset: str) -> None:
    """Kill the second node in the middle, start it again, go on from the checkpoint: the loss at the end as without."""
    ends = []
    for kill in (False, True):
        run = run_of(dataset, 2, True, evaluations=4, epochs=4)
        launcher.submit(run)
        if kill:
            run = _go_on_after_a_kill(nodes, launcher, run)
        wait(launcher, run, ended)
        ends.append((run.status().state, list(losses(run).values())[-1]))
    print(f"last loss without and with a lost node: {ends[0][1]:.5f} {ends[1][1]:.5f} ({ends[1][0]})", flush=True)


def _go_on_after_a_kill(nodes: Nodes, launcher: Launcher, run: Run) -> Run:
    wait(launcher, run, lambda status: bool(run.checkpoints()) or not status.active)
    nodes.kill_second()
    seconds = wait(launcher, run, ended)
    print(f"node killed: seen as {run.status().state} after {seconds:.0f} s: {run.status().why}", flush=True)
    nodes.start_second()
    launcher.resume(store.get(run.id))
    return store.get(run.id)


def stop_one(launcher: Launcher, dataset: str) -> None:
    """Stop and save on the cluster."""
    run = run_of(dataset, 2, True, epochs=200)
    launcher.submit(run)
    wait(launcher, run, lambda status: status.step >= 3 or not status.active)
    launcher.stop(store.get(run.id))
    seconds = wait(launcher, run, ended)
    saved = "an adapter" if run.adapter() else "no adapter"
    print(f"stopped: {run.status().state} after {seconds:.1f} s with {saved}", flush=True)


def submissions(api: JobsApi) -> None:
    """How long the Jobs API takes to accept a job."""
    taken = []
    package_uri = api.upload(*package.build())
    for number in range(SUBMISSIONS):
        began = time.perf_counter()
        api.submit(f"bench-{number}", "true", package_uri, {})
        taken.append(time.perf_counter() - began)
    print(f"submission: {statistics.median(taken) * 1000:.0f} ms each, {1 / statistics.mean(taken):.1f} a second; "
          f"code {len(package.build()[1]) / 1000:.0f} kB", flush=True)  # fmt: skip


def main() -> None:
    """Start two nodes and run every part."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--ray", required=True, help="the ray command of a Python that has torch, transformers and peft too"
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    ray, parts = options.ray, options.parts
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        os.environ["EASYAIGC_HOME"] = f"{folder}/home"
        nodes = Nodes(ray, Path(folder) / "ray")
        try:
            nodes.start()
            settings.write(settings.Cluster(f"http://127.0.0.1:{nodes.dashboard}"))
            api = JobsApi(settings.Cluster(f"http://127.0.0.1:{nodes.dashboard}"))
            version, launcher = api.version(), Launcher(devices=list)
            print(json.dumps({"ray": version, "cores": os.cpu_count()}), flush=True)
            dataset = rows()
            if "losses" in parts:
                compare(launcher, dataset)
            if "stop" in parts:
                stop_one(launcher, dataset)
            if "node" in parts:
                lose_a_node(nodes, launcher, dataset)
            if "submissions" in parts:
                submissions(api)
        finally:
            nodes.stop()


if __name__ == "__main__":
    main()
