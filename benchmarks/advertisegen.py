"""Advertisement writing on real pairs: P-Tuning v2 and LoRA of a model on AdvertiseGen, scored on dev before and after.

    python -m benchmarks.advertisegen [FOLDER] [--model M] [--updates 300] [--rows 150]

FOLDER holds `train.jsonl` and `dev.jsonl` with `content` and `summary` a line; without one, the bundled advertisements are taken,
whose dev rows have attributes that no training row has. Greedy answers to the first dev rows are scored
by `glm_core.evaluation.metrics`: the published definitions (jieba, rouge-chinese ROUGE-1/2/L, character BLEU-4 with smoothing
method 3). The figures published for ChatGLM-6B stand beside them. The embedded model has a three-hundredth of its parameters and
sees a tenth of its updates: what counts there is the way from before to after.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from glm_core import data, models, workspace
from glm_core.adapters import attach
from glm_core.evaluation import metrics
from glm_core.generation.greedy import greedy
from glm_core.training.settings import TrainingSettings, preset

# README of the official ptuning folder, AdvertiseGen dev, 3,000 updates of 16 rows.
PUBLISHED = {
    "ChatGLM-6B, P-Tuning v2": {"bleu-4": 8.10, "rouge-1": 31.12, "rouge-2": 7.11, "rouge-l": 24.97},
    "ChatGLM-6B, LoRA": {"bleu-4": 7.62, "rouge-1": 30.60, "rouge-2": 6.96, "rouge-l": 24.80},
}
COLUMNS = ("bleu-4", "rouge-1", "rouge-2", "rouge-l")


def choose_settings(method: str, model: Path, updates: int) -> TrainingSettings:
    """The advertisement preset for this model with another number of updates."""
    chosen = preset("advertisement", models.describe(model).parameters, method)
    return chosen.changed(max_steps=updates or chosen.max_steps, evaluations=0, validation_ratio=0.0)


def train(model: Path, rows: Path, settings: TrainingSettings, folder: Path) -> float:
    """Train by the command the page shows; returns its seconds.

    Raises:
        SystemExit: it did not finish; its log is shown.
    """
    command = ["-m", "glm_core.training", "--model", str(model), "--data", str(rows), "--out", str(folder)]
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, *command, *settings.arguments()], cwd=workspace.ROOT, capture_output=True, text=True
    )
    if workspace.read_json(folder / "status.json", {}).get("state") != "finished":
        raise SystemExit(f"training failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return time.monotonic() - began


def answer(loaded: models.LoadedModel, examples: Sequence[data.Example], longest: int) -> list[str]:
    """Greedy advertisements for the attributes of `examples`."""
    return greedy(loaded, [list(one.prompt) for one in examples], max_new_tokens=longest)


def find_rows(folder: Path | None) -> tuple[Path, Path]:
    """The training and the dev file."""
    if folder is not None:
        return folder / "train.jsonl", folder / "dev.jsonl"
    bundled = workspace.ASSETS / "datasets"
    return bundled / "advertisement.jsonl", bundled / "advertisement-dev.jsonl"


def report(name: str, scores: dict[str, float], note: str = "") -> str:
    """One line of the table."""
    return f"| {name} | " + " | ".join(f"{scores[column]:.2f}" for column in COLUMNS) + f" | {note} |"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--model", type=Path, default=models.demo_path())
    parser.add_argument("--updates", type=int, default=0, help="0: as many as the preset has")
    parser.add_argument("--rows", type=int, default=150, help="dev rows that are scored")
    parser.add_argument("--methods", nargs="*", choices=("ptuning", "lora"), default=("ptuning", "lora"))
    return parser.parse_args()


def main() -> None:
    """Print the table, a line as soon as it is known, and two advertisements a method."""
    given = parse()
    rows, dev = find_rows(given.folder)
    examples = list(islice(data.read(dev).examples, given.rows))
    references = [one.answer for one in examples]
    loaded = models.load(given.model)
    print(
        f"{loaded.name}, {len(examples)} dev rows\n\n| | BLEU-4 | ROUGE-1 | ROUGE-2 | ROUGE-L | |\n|---|---|---|---|---|---|"
    )
    longest = choose_settings("ptuning", given.model, 0).max_target_length
    print(report(f"{loaded.name}, before", metrics.score(answer(loaded, examples, longest), references)), flush=True)
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        for method in given.methods:
            settings = choose_settings(method, given.model, given.updates)
            seconds = train(given.model, rows, settings, Path(folder) / method)
            attach.load_adapter(loaded, Path(folder) / method / "adapter", method)
            attach.activate(loaded, method)
            answers = answer(loaded, examples, longest)
            attach.activate(loaded, None)
            note = f"{settings.max_steps} updates of {settings.rows_per_update} rows, {seconds:.0f} s"
            print(report(f"{loaded.name}, {method}", metrics.score(answers, references), note), flush=True)
            shown += [
                f"{method}: {one.question}\n  -> {text}" for one, text in zip(examples[:2], answers, strict=False)
            ]
    for name, scores in PUBLISHED.items() if given.folder else ():
        print(report(name, scores, "published: 3000 updates of 16 rows"))
    print("\n" + "\n".join(shown))


if __name__ == "__main__":
    main()
