"""Time of a run's whole report, and of asking in batches against one by one.

    python benchmarks/report.py [--pairs N] [--tokens N] [--endless]

Trains the 20-row imprint on the embedded model in a temporary workspace, makes its report twice (the second time with
nothing kept), and asks the first N bundled advertisements to both models in batches and one by one. Processor seconds are
given beside the clock's, since those are the same while other work runs. With `--endless` no answer ends before it is as long as
it may be. Nothing is left behind.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from glm_core import workspace  # noqa: E402
from glm_core.data import library, read  # noqa: E402
from glm_core.evaluation import report, side_by_side  # noqa: E402
from glm_core.models.registry import Family  # noqa: E402
from glm_core.runs import Run, store  # noqa: E402
from glm_core.serving.engine import LocalEngine  # noqa: E402
from glm_core.serving.generate_many import TOGETHER, ask_all  # noqa: E402
from glm_core.training import run as training_run  # noqa: E402
from glm_core.training.settings import PRESETS  # noqa: E402


def train() -> Run:
    """The imprint, as the home page offers it."""
    run = store.create(workspace.DEMO_MODEL, library.keep_imprint("小明", "张三").id, PRESETS["imprint"])
    if training_run.run(run.path):
        raise SystemExit(run.log_tail(20))
    return store.get(run.id)


def time_asking(
    engine: LocalEngine, run: Run, pairs: int, tokens: int, together: int
) -> tuple[float, float, list[int]]:
    """Seconds of the clock and of the processor that `pairs` questions to both models take, and how long the answers are."""
    choice = engine.find(run.id)
    examples = read(workspace.ASSETS / "datasets" / "advertisement.jsonl").examples[:pairs]
    asked = [
        one for e in examples for one in side_by_side.requests(engine, e.question, [choice], max_new_tokens=tokens)
    ]
    started, busy, lengths = time.monotonic(), time.process_time(), []
    for _number, handle in ask_all(engine, asked, together):
        if handle.error is not None:
            raise handle.error
        lengths.append(handle.completion_tokens)
    return time.monotonic() - started, time.process_time() - busy, lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=535)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--endless", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        run, engine = train(), LocalEngine()
        choice = engine.find(run.id)
        for name in ("cold", "warm"):
            report.file_of(run).unlink(missing_ok=True)
            found = report.make(engine, run, choice)
            print(f"report of {len(found.rows)} questions, {name}: {found.seconds:.1f} s")
        print({name: f"{one.count}/{one.total}" for name, one in found.meters.items()}, found.references, found.neutral)
        with mock.patch.object(Family, "stop_ids", lambda *_: []) if options.endless else nullcontext():
            (wall, busy, lengths), (wall_one, busy_one, _) = (
                time_asking(engine, run, options.pairs, options.tokens, together) for together in (TOGETHER, 1)
            )
        print(
            f"{options.pairs} pairs, at most {options.tokens} tokens ({sum(lengths) / len(lengths):.1f} on average, {max(lengths)} at most)"
        )
        print(f"clock: {wall:.1f} s in batches, {wall_one:.1f} s one by one, {wall_one / wall:.1f} times")
        print(f"processor: {busy:.1f} s in batches, {busy_one:.1f} s one by one, {busy_one / busy:.1f} times")
        engine.close()


if __name__ == "__main__":
    main()
