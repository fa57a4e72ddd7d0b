"""Memory that is forecast beside what processes without a GPU take: trainers and servers.

    python -m benchmarks.memory [--real FOLDER] [--updates 12] [--cases NAME ...]

FOLDER holds real checkpoints as for `benchmarks.real_models`. Each case of training is the page's proposal for its rows, changed as the
table says, of at most `updates` updates, in a process of its own; forecast as the page does, with the model's own tokens counted, and
the trainer's resident memory at its peak. A server is asked once through the API, for 32 tokens; forecast with as many, and its
resident memory after the answer. Megabytes of a million bytes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.real_models import ROWS
from benchmarks.startup import LONGEST, ROOT, free_port
from glm_core import workspace
from glm_core.data import library
from glm_core.data.examples import Example, pair
from glm_core.models import describe, is_base
from glm_core.runs import forecast, store
from glm_core.training import defaults
from glm_core.training.memory import memory_estimate
from glm_core.training.settings import TrainingSettings

QUESTIONS = 3
TOKENS = 64  # of the question with its template, and the answer


@dataclass(frozen=True)
class Case:
    """Training to be measured: a model, a bundled data set or the rows of `real_models`, and changes of the page's proposal."""

    model: str
    dataset: str = "rows"
    changes: dict = field(default_factory=dict)


CASES = {
    "smollm2": Case("smollm2-135m-instruct"),
    "smollm2-pissa": Case("smollm2-135m-instruct", changes={"pissa": True}),
    "smollm2-int8": Case("smollm2-135m-instruct", changes={"quantization": "int8"}),
    "smollm2-prefix": Case("smollm2-135m-instruct", changes={"method": "ptuning", "learning_rate": 2e-2}),
    "gemma3": Case("gemma3-270m"),
    "chatglm-imprint": Case("chatglm-demo", "imprint"),
    "chatglm-advertisement": Case("chatglm-demo", "advertisement"),
    "chatglm-prefix": Case("chatglm-demo", "advertisement", {"method": "ptuning", "learning_rate": 0.15}),
    "bloom-domain": Case("bloom-demo", "appliance"),
}
SERVED = ("smollm2-135m-instruct", "gemma3-270m", "chatglm-demo", "bloom-demo")


def folder_of(name: str, real: Path | None) -> Path | None:
    """Where a model is; None where it is a real one and there are none."""
    own = workspace.ASSETS / "models" / name
    return own if own.is_dir() else real and real / name


def dataset_of(name: str) -> str:
    """The id of a case's rows in the library."""
    return library.add("rows", [pair(*row) for row in ROWS]).id if name == "rows" else name


def train(case: Case, base: Path, updates: int) -> tuple[TrainingSettings, int, int, int]:
    """The settings, the longest row in tokens, the forecast and the peak of one run in bytes.

    Raises:
        SystemExit: it failed.
    """
    from glm_core.data import lengths
    from glm_core.machine.machine import machine

    id = dataset_of(case.dataset)
    examples: list[Example] = list(library.examples(id))
    counts, questions = library.statistics(id), [one.question for one in examples]
    settings = defaults.suggest(
        defaults.job_of(id, questions), counts, describe(base).parameters, is_base=is_base(base)
    )
    settings = settings.changed(max_steps=updates, **case.changes)
    longest = lengths.longest_row(id, base, settings.max_source_length, settings.max_target_length, settings.answers)
    found = forecast.forecast(base, counts, settings, machine(), QUESTIONS, longest=longest)
    run = store.create(base, id, settings, questions[:QUESTIONS])
    command = [sys.executable, "-m", "glm_core.training", str(run.path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    status = workspace.read_json(run.path / "status.json", {})
    if status.get("state") != "finished":
        raise SystemExit((run.path / "train.log").read_text()[-2000:])
    return settings, found.memory.longest, found.memory.peak_bytes, status["peak_memory"]


def serve(base: Path) -> tuple[int, int]:
    """The forecast and the resident memory of a server after its first answer, in bytes."""
    from glm_core.hub import local_models

    local = workspace.home() / "models" / base.name
    if base.parent != workspace.ASSETS / "models" and not local.exists():
        local_models.add(base)
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{address}/_stcore/health", timeout=1)
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        body = {"model": base.name, "max_tokens": 32, "messages": [{"role": "user", "content": "Who are you?"}]}
        httpx.post(f"{address}/v1/chat/completions", json=body, timeout=LONGEST).raise_for_status()
        return memory_estimate.answering_bytes(base, "none", "cpu", TOKENS), psutil.Process(
            server.pid
        ).memory_info().rss
    finally:
        server.terminate()
        server.wait(60)


def line(name: str, guess: int, taken: int, words: str = "") -> str:
    """A row of the table."""
    return f"| {name} | {words} | {guess / 1e6:,.0f} | {taken / 1e6:,.0f} | {guess / taken - 1:+.1%} |"


def main() -> None:
    """Print a row a case of training and a server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--cases", nargs="*", choices=(*CASES, *SERVED), default=(*CASES, *SERVED))
    given = parser.parse_args()
    print("| | settings | forecast MB | taken MB | error |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        for name in given.cases:
            case = CASES.get(name)
            base = folder_of(case.model if case else name, given.real)
            if base is None:
                continue
            if case is None:
                print(line(f"{name}, served", *serve(base)), flush=True)
                continue
            settings, longest, guess, taken = train(case, base, given.updates)
            words = f"{settings.method}, {settings.micro_batch} rows, longest {longest}"
            print(line(name, guess, taken, words), flush=True)


if __name__ == "__main__":
    main()
