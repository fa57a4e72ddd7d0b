"""The job on the cluster: one trainer a node or a GPU, in a placement group. Runs where ray is installed, never on the dashboard's side.

`python -m glm_core.runs.cluster.driver RUN_DIR --workers N [--gpus 0|1]`. Each worker starts `python -m glm_core.training RUN_DIR`
with the variables that torch.distributed reads, passes a stop mark on as SIGTERM and gives back the exit code.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glm_core import i18n
from glm_core.i18n import t
from glm_core.runs.files import read_record

LOOK_SECONDS = 1.0
PLACED_SECONDS = 10.0
"For the cluster to find free nodes before the log says what it is asked for."
LEAVE_SECONDS = 30.0
"For the others to end by themselves after one has failed."


class Worker:
    """One trainer on one node; ray makes an actor of it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def place(self) -> tuple[str, str, int]:
        """The node's name, its address, and a port that is free on it."""
        import ray

        address = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind(("", 0))
            return ray.get_runtime_context().get_node_id(), address, probe.getsockname()[1]

    def start(self, folder: str, rank: int, world: int, address: str, port: int) -> None:
        """Start the trainer of `rank` in run directory `folder`; the first one writes train.log, the others train-RANK.log."""
        group = {
            "RANK": str(rank),
            "WORLD_SIZE": str(world),
            "LOCAL_RANK": "0",
            "MASTER_ADDR": address,
            "MASTER_PORT": str(port),
        }
        variables = {"EASYAIGC_HOME": str(Path(folder).parent.parent), "PYTHONUNBUFFERED": "1"}
        log = Path(folder, "train.log" if rank == 0 else f"train-{rank}.log")
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "glm_core.training", folder],
                env=os.environ | variables | (group if world > 1 else {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, folder: str) -> int:
        """The trainer's exit code; a stop mark in `folder` is passed on to it once."""
        process, told = self._process, False
        if process is None:
            return 1
        while (code := process.poll()) is None:
            if not told and Path(folder, "stop").exists():
                process.send_signal(signal.SIGTERM)
                told = True
            time.sleep(LOOK_SECONDS)
        return code

    def kill(self) -> None:
        """End the trainer with everything it started."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)


def train(folder: str, workers: int, gpus: int) -> int:
    """Train `folder` with one trainer a bundle; returns the first exit code that is not 0, else 0."""
    import ray
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    ray.init()
    bundle: dict[str, float] = {"CPU": 1, **({"GPU": gpus} if gpus else {})}
    group = placement_group([bundle] * workers, strategy="SPREAD")
    if not _wait_for_room(group, folder, workers, bundle):
        return 0
    remote = ray.remote(num_cpus=1, num_gpus=gpus, max_concurrency=2)(Worker)
    actors = [
        remote.options(
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)
        ).remote()
        for index in range(workers)
    ]
    places = ray.get([actor.place.remote() for actor in actors])
    for rank, (node, address, _port) in enumerate(places):
        print(f"rank {rank}: node {node[:8]}, {address}", flush=True)
    _, address, port = places[0]
    ray.get([actor.start.remote(folder, rank, workers, address, port) for rank, actor in enumerate(actors)])
    return _wait(actors, [actor.wait.remote(folder) for actor in actors])


def _wait_for_room(group: Any, folder: str, workers: int, bundle: dict[str, float]) -> bool:
    """Wait until the cluster has placed `group`; where that takes long, say in train.log what is asked for and what there is.

    Returns:
        False where a stop mark came first.
    """
    import ray

    ready = group.ready()
    placed, _ = ray.wait([ready], timeout=PLACED_SECONDS)
    if not placed:
        there = {name: number for name, number in ray.cluster_resources().items() if name in ("CPU", "GPU")}
        said = t("cluster.no_room", workers=workers, each=_resources(bundle), there=_resources(there))
        with open(Path(folder, "train.log"), "a", encoding="utf-8") as file:
            file.write(said + "\n")
    while not placed and not Path(folder, "stop").exists():
        placed, _ = ray.wait([ready], timeout=LOOK_SECONDS)
    return bool(placed)


def _resources(amounts: Mapping[str, float]) -> str:
    return " + ".join(f"{number:g} {name}" for name, number in sorted(amounts.items())) or "0"


def _wait(actors: list, waiting: list) -> int:
    """Wait for all trainers; where one fails, the others have `LEAVE_SECONDS` before they are killed."""
    import ray

    worst, deadline = 0, None
    while waiting:
        ended, waiting = ray.wait(waiting, timeout=LOOK_SECONDS)
        try:
            worst = worst or next((code for code in ray.get(ended) if code), 0)
        except ray.exceptions.RayError as error:
            print(f"a worker was lost: {error}", flush=True)
            worst = worst or 1
        if worst and deadline is None:
            deadline = time.monotonic() + LEAVE_SECONDS
        if deadline is not None and time.monotonic() > deadline:
            for actor in actors:
                actor.kill.remote()
            time.sleep(LOOK_SECONDS)
            return worst
    return worst


def main() -> int:
    """Read the command line and train; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m glm_core.runs.cluster.driver")
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0)
    arguments = parser.parse_args()
    i18n.use(str(read_record(Path(arguments.folder, "run.json")).get("language")))
    return train(arguments.folder, max(1, arguments.workers), max(0, arguments.gpus))


if __name__ == "__main__":
    sys.exit(main())
