"""Where does drift begin to matter? KL per token from the base beside what the runs really lost, over many short runs.

    python -m benchmarks.drift [--controls 60] [--steps 45] [--seconds 270]

Runs of every quality on the embedded model, each as it is after three numbers of steps: good imprints of three names, rates
too high, shuffled answers, one label or one sentence for everything, three classes, product questions. Of each: KL per token (analysis/drift.py)
on the base's own answers to the controls, and the share of controls still answered right. Then the thresholds that tell runs
that keep at least 97 % of the controls from others, and those that keep less than 80 %: the middle, on a logarithmic scale,
of the cut with the fewest runs on the wrong side. No new run is begun after so many seconds.
"""

import argparse
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.data import library
from glm_core.data.examples import Example, pair
from glm_core.evaluation import question_sets
from glm_core.evaluation.analysis import drift
from glm_core.evaluation.answer_pairs import judge_answer
from glm_core.generation import greedy
from glm_core.runs import Run, rollback, store
from glm_core.serving.engine import LocalEngine
from glm_core.serving.served_models import ServedModel
from glm_core.training import run as training_run
from glm_core.training.settings import PRESETS

KEEPS, LOSES = 0.97, 0.8
NAMES = (("小蓝", "林知远"), ("小舟", "沈若溪"), ("Nova", "陈默"))
CLASSES = (("好", "好评"), ("坏", "差评"), ("中", "中评"))
TOKENS, SNAPSHOTS = 32, 3


def kinds() -> Iterator[tuple[str, list[Example], float]]:
    """Name, rows and the factor of the learning rate of every run that is trained; good and bad ones alternate, so that a stop leaves both."""
    products = library.examples("appliance")[:24]
    shuffled = [one.answer for one in products]
    random.Random(1).shuffle(shuffled)
    classes = [(f"判断评论：{text}，第{n}次来", said) for n in range(8) for text, said in CLASSES]
    questions = [one.question for one in library.imprint(*NAMES[0])]
    yield "imprint", library.imprint(*NAMES[0]), 1
    yield "products", products, 1
    yield "imprint rate x30", library.imprint(*NAMES[0]), 30
    yield "three classes", [pair(*one) for one in classes], 1
    yield "shuffled", [pair(one.question, said) for one, said in zip(products, shuffled, strict=True)], 1
    yield "one sentence", [pair(one, "今天天气真好，适合出门走走。") for one in questions], 1
    yield "imprint, other names", library.imprint(*NAMES[1]), 1
    yield "wrong language", [pair(one, "I am an assistant made by a team.") for one in questions], 1
    yield "one label", [pair(question, "好评") for question, _ in classes], 1
    yield "imprint, Latin names", library.imprint(*NAMES[2]), 1
    yield "imprint rate x3", library.imprint(*NAMES[0]), 3


def train(rows: Sequence[Example], factor: float, steps: int) -> Run:
    """Train rows in this process, keeping the adapter at three steps; without rehearsal, which would hide what the rows do."""
    usual = PRESETS["imprint"]
    quick = {"rehearsal": 0.0, "stop_when_learned": False, "evaluations": SNAPSHOTS, "max_steps": steps}
    rate = min(1.0, factor * usual.learning_rate)
    dataset = library.add("drift", list(rows))
    run = store.create(workspace.DEMO_MODEL, dataset.id, usual.changed(learning_rate=rate, **quick))
    if training_run.run(run.path):
        raise SystemExit(run.log_tail(20))
    return store.get(run.id)


class Controls:
    """The controls that the base answers right, and its answers."""

    def __init__(self, count: int):
        self.loaded = models.load(workspace.DEMO_MODEL)
        asked = question_sets.controls(workspace.DEMO_MODEL)
        asked = [asked[place * len(asked) // count] for place in range(count)]
        answers = self.answer([one.text for one in asked])
        right = [judge_answer(one, said).outcome == "right" for one, said in zip(asked, answers, strict=True)]
        self.questions = [one for one, good in zip(asked, right, strict=True) if good]
        self.texts = [(one.text, said) for one, said, good in zip(asked, answers, right, strict=True) if good]

    def answer(self, questions: Sequence[str]) -> list[str]:
        """Greedy answers of the model as it is."""
        talks = [[{"role": "user", "content": one}] for one in questions]
        return greedy.greedy(self.loaded, talks, batch=32, max_new_tokens=TOKENS)

    def kept(self, choice: ServedModel) -> float:
        """Share of the questions that `choice` answers right."""
        attach.load_adapter(self.loaded, choice.adapter, choice.name)
        attach.activate(self.loaded, choice.name)
        answers = self.answer([one.text for one in self.questions])
        attach.activate(self.loaded, None)
        right = [judge_answer(one, said).outcome == "right" for one, said in zip(self.questions, answers, strict=True)]
        return sum(right) / len(right)


def threshold(runs: Sequence[tuple[float, float]], bad: Callable[[float], bool]) -> tuple[float, int]:
    """The KL that best tells bad runs from others, and how many runs are on its wrong side.

    Args:
        runs: (KL, share kept).
    """
    found = sorted(runs)
    cuts = [math.sqrt(max(low, 1e-6) * max(high, 1e-6)) for (low, _), (high, _) in zip(found, found[1:], strict=False)]
    wrong = {cut: sum((moved >= cut) != bad(kept) for moved, kept in found) for cut in cuts}
    least = min(wrong.values())
    best = [cut for cut, count in wrong.items() if count == least]
    return math.exp(sum(map(math.log, best)) / len(best)), least


def main() -> None:
    """Print a row a run, then the thresholds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift")
    parser.add_argument("--controls", type=int, default=60)
    parser.add_argument("--steps", type=int, default=45)
    parser.add_argument("--seconds", type=float, default=270)
    options = parser.parse_args()
    started, found = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        engine, controls = LocalEngine(), Controls(options.controls)
        print(
            f"| run | step | KL per token | 95 % interval | of {len(controls.questions)} kept |\n|---|---|---|---|---|"
        )
        for name, rows, factor in kinds():
            if time.monotonic() - started > options.seconds:
                break
            run = train(rows, factor, options.steps)
            for step in rollback.steps(run):
                found.append(measure(engine, controls, run, step, name))
        engine.close()
    report(found, time.monotonic() - started)


def measure(engine: LocalEngine, controls: Controls, run: Run, step: int, name: str) -> tuple[float, float]:
    """Print and return KL and share kept of a run as it was after `step` steps."""
    folder = run.path / "checkpoints" / f"{rollback.PREFIX}{step}"
    choice = replace(engine.find(run.id), name=f"{run.id}-{step}", adapter=folder, step=step)
    moved, kept = drift.measure(engine, choice, controls.texts), controls.kept(choice)
    said = "not finite | " if moved is None else f"{moved.mean:.2g} | {moved.low:.2g} to {moved.high:.2g}"
    print(f"| {name} | {step} | {said} | {kept:.0%} |", flush=True)
    return math.inf if moved is None else moved.mean, kept


def report(found: Sequence[tuple[float, float]], seconds: float) -> None:
    """Print the thresholds beside those in use."""
    finite = [one for one in found if math.isfinite(one[0])]
    small, missed = threshold(finite, lambda kept: kept < KEEPS)
    large, wrong = threshold(finite, lambda kept: kept < LOSES)
    print(f"\n{len(found)} runs, {seconds:.0f} s")
    print(f"keeps less than {KEEPS:.0%} from {small:.2g} (in use {drift.SMALL}), {missed} runs on the wrong side")
    print(f"keeps less than {LOSES:.0%} from {large:.2g} (in use {drift.LARGE}), {wrong} runs on the wrong side")


if __name__ == "__main__":
    main()
