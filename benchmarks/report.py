"""Time of a run's whole report, and of asking in batches against one by one.

    python benchmarks/report.py [--pairs N] [--tokens N]

Trains the 20-row imprint on the embedded model in a temporary workspace, makes its report twice (the second time with
nothing kept), and asks N questions to both models eight at a time and one by one. Nothing is left behind.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from glm_core import workspace  # noqa: E402
from glm_core.data import library  # noqa: E402
from glm_core.evaluation import report, sets, sides  # noqa: E402
from glm_core.runs import records  # noqa: E402
from glm_core.serving.asking import ask_all  # noqa: E402
from glm_core.serving.engine import Engine  # noqa: E402
from glm_core.training import loop  # noqa: E402
from glm_core.training.settings import PRESETS  # noqa: E402


def train() -> records.Run:
    """The imprint, as the home page offers it."""
    run = records.create(workspace.DEMO_MODEL, library.keep_imprint("小明", "张三").id, PRESETS["imprint"])
    if loop.run(run.path):
        raise SystemExit(run.log_tail(20))
    return records.get(run.id)


def time_asking(engine: Engine, run: records.Run, pairs: int, tokens: int, together: int) -> float:
    """Seconds that `pairs` questions to both models take."""
    choice = engine.find(run.id)
    questions = [*sets.kept(run), *sets.controls(run.model)]
    questions = (questions * (pairs // len(questions) + 1))[:pairs]
    asked = [one for q in questions for one in sides.requests(engine, q.text, [choice], max_new_tokens=tokens)]
    started = time.monotonic()
    for _number, ticket in ask_all(engine, asked, together):
        if ticket.error is not None:
            raise ticket.error
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        run, engine = train(), Engine()
        choice = engine.find(run.id)
        for name in ("cold", "warm"):
            report.file_of(run).unlink(missing_ok=True)
            found = report.make(engine, run, choice)
            print(f"report of {len(found.rows)} questions, {name}: {found.seconds:.1f} s")
        print({name: f"{one.count}/{one.total}" for name, one in found.meters.items()}, found.references, found.neutral)
        batched, single = (time_asking(engine, run, options.pairs, options.tokens, n) for n in (8, 1))
        print(f"{options.pairs} pairs: {batched:.1f} s in batches, {single:.1f} s one by one, {single / batched:.1f} times")
        engine.close()


if __name__ == "__main__":
    main()
