"""Training speed and peak memory of a model, beside what the estimate said: a short run a case, each in a process of
its own.

`python benchmarks/training.py [--model FOLDER] [--cases lora prefix ...]`. With a GPU the figures are the card's,
without one the process's. Rows are those of the bundled advertisement set, cut to 64 + 64 tokens.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from glm_core import models, workspace  # noqa: E402
from glm_core.training.settings import TrainingSettings  # noqa: E402

SHORT = {"max_source_length": 64, "max_target_length": 64, "evaluations": 0, "max_steps": 12}
CASES = {
    "lora": TrainingSettings(micro_batch=4, **SHORT),
    "lora-16": TrainingSettings(micro_batch=16, **SHORT),
    "lora-16-checkpointing": TrainingSettings(micro_batch=16, gradient_checkpointing="on", **SHORT),
    "lora-all-linear-16": TrainingSettings(micro_batch=16, lora_targets="all-linear", **SHORT),
    "prefix-16": TrainingSettings(micro_batch=16, method="ptuning", learning_rate=2e-2, **SHORT),
    "lora-int8": TrainingSettings(micro_batch=4, quantization="int8", **SHORT),
    "lora-nf4": TrainingSettings(micro_batch=4, quantization="nf4", **SHORT),
}


def run(model: Path, settings: TrainingSettings, folder: Path) -> tuple[dict, list[dict]]:
    """status.json and the rows of metrics.jsonl of one short run."""
    rows = str(workspace.ASSETS / "datasets" / "advertisement.jsonl")
    line = settings.command(str(model), rows, str(folder)).split()
    subprocess.run([sys.executable, *line[1:], "--question", "你好"], cwd=ROOT, capture_output=True, check=False)
    return workspace.read_json(folder / "status.json", {}), workspace.read_lines(folder / "metrics.jsonl")[0]


def report(name: str, status: dict, rows: list[dict]) -> str:
    """One line of the table: speed over the second half of the updates, measured and estimated peak."""
    if status.get("state") != "finished":
        why = status.get("why") or {}
        return f"| {name} | {why.get('key', 'did not start')} | | | |"
    speeds = [row["tokens_per_second"] for row in rows if "loss" in row][len(rows) // 2 :]
    peak, guess = status["peak_memory"], sum(status["estimate"].values())
    return (
        f"| {name} | {statistics.mean(speeds):,.0f} | {peak / 1e9:.2f} | {guess / 1e9:.2f} | {guess / peak - 1:+.0%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=models.demo_path())
    parser.add_argument(
        "--cases",
        nargs="*",
        choices=CASES,
        default=[name for name in CASES if "int8" not in name and "nf4" not in name],
    )
    given = parser.parse_args()
    print(f"{given.model.name}\n\n| case | tokens/s | peak GB | estimate GB | error |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.cases:
            print(report(name, *run(given.model, CASES[name], Path(folder) / name)), flush=True)


if __name__ == "__main__":
    main()
