"""Runs killed at random moments: is one lost, does one tell a falsehood, does it end as if nothing had happened?

    python -m benchmarks.kill --runs 50 [--at updates]

Each run trains the imprint in a process of its own, under a server process that only watches runs. At a random moment of its
life (start-up, loading, training, saving), or with `--at updates` after a random update, the trainer, the server or both get
SIGKILL; the server is started anew; what the
run says of itself is held against the processes there are. Then the run goes on from its checkpoint, or starts again where it
has none, and its last loss is compared with that of a run nobody disturbed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from glm_core import models, workspace
from glm_core.runs import Run, processes, store
from glm_core.training.settings import PRESETS

TOLERANCE = 1e-3  # between the last losses of a broken and an unbroken run
TRUTH_SECONDS = 10.0  # within which a run must say what is true
LONGEST_WAIT = 600.0
LAG_SECONDS = 0.5
TARGETS = ("trainer", "server", "both")
SERVER = """
import sys, threading, time
from benchmarks.kill import new_run
from glm_core.runs import store
from glm_core.runs.launcher import Launcher, single_command

launcher = Launcher(waiting=single_command)

def begin(model, epochs):
    run = new_run(model, int(epochs), launcher.claim())
    launcher.submit(run)
    print(run.id, flush=True)

def listen():
    for line in sys.stdin:
        verb, *given = line.rstrip().split(" ", 2)
        begin(*given) if verb == "begin" else getattr(launcher, verb)(*map(store.get, given))

threading.Thread(target=listen, daemon=True).start()
while True:
    launcher.tick()
    time.sleep(0.2)
"""


class Server:
    """A process that watches the runs of this workspace as the dashboard's does, and can be killed."""

    def __init__(self):
        self.start()

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=workspace.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _tell(self, *words: object) -> None:
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def ask(self, verb: str, run: Run) -> None:
        """Have the launcher `submit` or `resume` the run."""
        self._tell(verb, run.id)

    def prepare(self) -> None:
        """Have it start a trainer in advance, as the training page does when it is opened."""
        self._tell("prepare")

    def begin(self, model: Path, epochs: int) -> Run:
        """Have it make and submit a run, with the trainer that waits where there is one, as the page's button does."""
        self._tell("begin", model, epochs)
        return store.get(self._process.stdout.readline().strip())

    def waiting(self) -> list[psutil.Process]:
        """Trainers that it started in advance."""
        children = psutil.Process(self._process.pid).children()
        return [one for one in children if one.status() != psutil.STATUS_ZOMBIE and "--wait" in one.cmdline()]

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self._process.kill()
        self._process.wait()


@dataclass
class Outcome:
    """Fate of one run: when and where it was killed, its status afterwards, how it ended."""

    target: str
    moment: float
    stage: str
    step: int
    told: str
    true_after: float | None
    how: str
    difference: float

    @property
    def good(self) -> bool:
        """True where its status was right in time and it ended like an unbroken run."""
        return self.true_after is not None and self.difference < TOLERANCE


def new_run(model: Path | str, epochs: int, identifier: str = "") -> Run:
    """A run of the imprint."""
    settings = PRESETS["imprint"].changed(epochs=epochs)
    return store.create(model, "imprint", settings, ["你是谁？"], "benchmark", "kill", identifier=identifier)


def wait_for(condition, seconds: float = LONGEST_WAIT) -> float | None:
    """Seconds until `condition()` held, None where it did not within `seconds`."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def state(run: Run) -> str:
    """The run's status now."""
    return store.get(run.id).status().state


def is_true(run: Run) -> bool:
    """True where the run's status agrees with the processes there are."""
    said, trains = state(run), bool(processes.trainers(run.path))
    return trains if said in ("running", "stopping") else said == "queued" or not trains


def last_loss(run: Run) -> float:
    """The training loss of the run's last update; not a number where it has none."""
    losses = [row["loss"] for row in run.metrics()[0] if "loss" in row]
    return losses[-1] if losses else float("nan")


def train_undisturbed(server: Server, model: Path, epochs: int) -> tuple[Run, float]:
    """A finished run and its seconds from submission to end.

    Raises:
        SystemExit: it did not finish; its log is shown.
    """
    run = new_run(model, epochs)
    server.ask("submit", run)
    seconds = wait_for(lambda: state(run) in ("finished", "failed"))
    if state(run) != "finished":
        raise SystemExit(f"the undisturbed run ended as {state(run)}:\n{run.log_tail(30)}")
    return run, seconds


def hit(server: Server, target: str, run: Run) -> None:
    """SIGKILL the trainer, the server or both; the server is started anew."""
    if target != "trainer":
        server.kill()
    if target != "server":
        processes.kill_all(run.path)
    if target != "trainer":
        server.start()


def finish(server: Server, run: Run) -> tuple[Run, str]:
    """Let the run go on, or start it again where there is nothing to go on from: the run that finished, and how."""
    how = "went on by itself"
    if state(run) == "failed":
        steps = run.checkpoints()
        how = f"resumed from {steps[-1]}" if steps else "started again"
        run = run if steps else store.clone(run)
        server.ask("resume" if steps else "submit", run)
        wait_for(lambda: state(run) in ("queued", "running"), TRUTH_SECONDS)
    wait_for(lambda: state(run) in ("finished", "failed") and not processes.trainers(run.path))
    return run, how


def disturb(
    server: Server, model: Path, epochs: int, target: str, moment: float, update: int, expected: float
) -> Outcome:
    """One run, hit `moment` seconds after it was submitted, or after an `update` where that is not 0."""
    run = new_run(model, epochs)
    server.ask("submit", run)
    began = time.monotonic()
    if update:
        wait_for(lambda: run.status().step >= update or not run.status().active)
        time.sleep(moment % LAG_SECONDS)  # the status tells a step some time later
    else:
        wait_for(lambda: run.size_of("status.json") > 0, TRUTH_SECONDS)
        time.sleep(moment)
    before, moment = run.status(), time.monotonic() - began
    hit(server, target, run)
    true_after = wait_for(lambda: is_true(run), TRUTH_SECONDS)
    told = state(run)
    ended, how = finish(server, run)
    return Outcome(target, moment, before.stage, before.step, told, true_after, how, abs(last_loss(ended) - expected))


def report(outcomes: list[Outcome]) -> bool:
    """Print the table and the count; whether all is well."""
    print("| killed | after s | stage | step | said afterwards | true after s | then | loss differs |")
    print("|---|---|---|---|---|---|---|---|")
    for one in outcomes:
        truth = "never" if one.true_after is None else f"{one.true_after:.1f}"
        cells = (
            one.target,
            f"{one.moment:.1f}",
            one.stage,
            one.step,
            one.told,
            truth,
            one.how,
            f"{one.difference:.1e}",
        )
        print("| " + " | ".join(map(str, cells)) + " |")
    good = sum(one.good for one in outcomes)
    print(
        f"\n{good} of {len(outcomes)} told the truth within {TRUTH_SECONDS:.0f} s and ended within {TOLERANCE} of the unbroken run"
    )
    return good == len(outcomes)


def main() -> int:
    """Exit code 0 where no run was lost, in a false state, or ended elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--at", choices=("moments", "updates"), default="moments")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=models.demo_path())
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes server and trainers along
    chance, outcomes = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        server = Server()
        try:
            reference, seconds = train_undisturbed(server, options.model, options.epochs)
            print(f"undisturbed: {seconds:.1f} s, last loss {last_loss(reference):.6f}", flush=True)
            for place in range(options.runs):
                target, moment = TARGETS[place % len(TARGETS)], chance.uniform(0, seconds)
                update = chance.randrange(1, reference.status().total_steps) if options.at == "updates" else 0
                expected = last_loss(reference)
                outcomes.append(disturb(server, options.model, options.epochs, target, moment, update, expected))
                print(outcomes[-1], flush=True)
            kept = len(store.runs()) >= 1 + options.runs
        finally:
            server.kill()
            for run in store.runs():
                processes.kill_all(run.path)
    print(f"\n{'no run was lost' if kept else 'RUNS WERE LOST'}")
    return 0 if report(outcomes) and kept else 1


if __name__ == "__main__":
    sys.exit(main())
