"""Training runs as the page starts them, each in a process of its own: speed, seconds by stage, peak beside the estimate.

    python -m benchmarks.training [--model FOLDER | --random [FAMILY]] [--cases lora prefix ...]

`--random` first writes a checkpoint of random weights in the published shards (of ChatGLM-6B or of the family named; 12 to
17 GB, removed afterwards), with an embedded model's tokenizer. With a GPU the figures are the GPU's as its driver shows them, without one the process's.
Rows are those of the bundled advertisement set, cut to 64 + 64 tokens; "imprint" is that preset on its rows, and
"advertisement" is the whole of that job, three thousand updates of 16 rows by P-Tuning v2. "imprint-click" and
"imprint-ready" go the page's way, from the click on through the queue: the first with a trainer that begins with the click,
the second with one that was begun when somebody came to the form, half a minute before. Seconds count from the click, or the
command, to the saved adapter; `first` those to the first update.
"""

import argparse
import multiprocessing
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

from benchmarks import loading
from glm_core import models, workspace
from glm_core.data import library
from glm_core.runs import store
from glm_core.runs.launcher import Launcher, single_command
from glm_core.training.settings import TrainingSettings, preset

ROOT = Path(__file__).resolve().parent.parent
SHORT = {"max_source_length": 64, "max_target_length": 64, "evaluations": 0}
LIGHT = {"gradient_checkpointing": "on"}
ONE, MANY = SHORT | {"micro_batch": 1, "max_steps": 60}, SHORT | {"micro_batch": 16, "max_steps": 40}
LONG = MANY | {"max_steps": 240}  # until few shapes of batches are new, which each card records for itself
PREFIX = {"method": "ptuning", "learning_rate": 2e-2}
CASES = {
    "imprint": None,
    "imprint-click": None,
    "imprint-ready": None,
    "lora": TrainingSettings(micro_batch=4, max_steps=12, **SHORT),
    "lora-1": TrainingSettings(**ONE),
    "lora-16": TrainingSettings(**MANY),
    "lora-16-long": TrainingSettings(**LONG),
    "lora-16-two-cards": TrainingSettings(processes=2, **LONG),
    "lora-16-checkpointing": TrainingSettings(**MANY, **LIGHT),
    "lora-all-linear-16": TrainingSettings(lora_targets="all-linear", **MANY),
    "advertisement": TrainingSettings(micro_batch=16, max_steps=3000, **PREFIX, **SHORT),
    "prefix-16": TrainingSettings(**PREFIX, **MANY),
    "lora-int8-1": TrainingSettings(quantization="int8", **ONE),
    "lora-nf4-1": TrainingSettings(quantization="nf4", **ONE),
    "lora-nf4-16": TrainingSettings(quantization="nf4", **MANY),
    "prefix-nf4-1": TrainingSettings(quantization="nf4", **PREFIX, **ONE),
    "lora-int8-1-checkpointing": TrainingSettings(quantization="int8", **ONE, **LIGHT),
    "lora-nf4-1-checkpointing": TrainingSettings(quantization="nf4", **ONE, **LIGHT),
    "prefix-nf4-1-checkpointing": TrainingSettings(quantization="nf4", **PREFIX, **ONE, **LIGHT),
    "prefix-nf4-16": TrainingSettings(quantization="nf4", **PREFIX, **MANY),
}
GPU = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]  # as the driver numbers them
CHATGLM_TOKENIZER = ("ice_text.model", "tokenizer_config.json")
RANDOM = ("chatglm", "bloom", "qwen3-8b", "llama-3.1-8b")  # families that an embedded model's tokenizer serves
READING = 30.0  # seconds for which somebody reads the form
STAGES = ("starting", "loading", "encoding", "training", "saving")


class CardWatch:
    """Most memory of the GPU in use while it watches, in bytes, as the driver counts it; 0 without a GPU."""

    def __init__(self):
        self.peak, self._process = 0, None
        if shutil.which("nvidia-smi"):
            query = [
                "nvidia-smi",
                f"--id={GPU}",
                "--query-gpu=memory.used",
                "--format=csv,noheader,nounits",
                "-lms",
                "50",
            ]
            self._process = subprocess.Popen(query, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.peak = max(self.peak, int(line) * 2**20)

    def stop(self) -> int:
        """The peak in bytes."""
        if self._process:
            self._process.kill()
        return self.peak


def gpu_name() -> str:
    """The first GPU's name, without touching it."""
    if not shutil.which("nvidia-smi"):
        return "CPU"
    return subprocess.check_output(
        ["nvidia-smi", f"--id={GPU}", "--query-gpu=name", "--format=csv,noheader"], text=True
    ).strip()


def write_random(family: str, folder: Path) -> Path:
    """A checkpoint of random weights that can be trained: with a tokenizer, whose control ids it uses."""
    demo = workspace.ASSETS / "models" / ("chatglm-demo" if family == "chatglm" else "bloom-demo")
    own = workspace.read_json(demo / "config.json")
    config = loading.CONFIGS[family] | {key: own[key] for key in own if key.endswith("_token_id")}
    loading.write(config, folder, "cuda" if torch.cuda.is_available() else "cpu")
    for path in demo.glob("*token*") if family != "chatglm" else map(demo.joinpath, CHATGLM_TOKENIZER):
        shutil.copyfile(path, folder / path.name)
    return folder


def random_model(family: str, home: Path) -> Path:
    """`write_random` under `home`, in a process of its own, so that this one holds nothing of the GPU."""
    writer = multiprocessing.get_context("spawn").Process(target=write_random, args=(family, home / "random"))
    writer.start()
    writer.join()
    return home / "random"


def train(settings: TrainingSettings, model: Path, rows: Path, folder: Path) -> subprocess.CompletedProcess:
    """Run the command that the training page shows."""
    line = shlex.split(settings.command(str(model), str(rows), str(folder)))
    return subprocess.run(
        [sys.executable, *line[1:], "--question", "你好"], cwd=ROOT, capture_output=True, text=True, check=False
    )


def click(settings: TrainingSettings, model: Path, ready: bool) -> tuple[float, Path]:
    """Make a run and queue it as the page does, and watch it to its end.

    Args:
        ready: whether somebody came to the form before; else the trainer begins with the click.

    Returns:
        When it was clicked (seconds since the epoch), and the run's directory.
    """
    dataset = library.keep_imprint("小明", "张三").id
    launcher = Launcher(waiting=single_command)
    came = time.monotonic()
    while ready and time.monotonic() - came < READING:
        launcher.prepare()
        launcher.tick()
        time.sleep(1)
    clicked, identifier = time.time(), launcher.claim()
    if ready and not identifier:
        raise SystemExit("no trainer waits: there may be too little memory for it")
    run = store.create(model, dataset, settings, ["你好"], identifier=identifier)
    launcher.submit(run)
    while run.status().active or store.get(run.id).alive():
        time.sleep(0.1)
        launcher.tick()
    return clicked, run.path


def command(settings: TrainingSettings, model: Path, rows: Path, folder: Path) -> tuple[float, Path]:
    """`train`, as `click` tells it."""
    began = time.time()
    found = train(settings, model, rows, folder)
    if found.returncode:
        print(found.stderr[-2000:], file=sys.stderr)
    return began, folder


def settings_of(name: str, model: Path) -> tuple[TrainingSettings, Path]:
    """The settings of a case and its rows."""
    if name.startswith("imprint"):
        parameters = 6_000_000_000 if model != models.demo_path() else 19_000_000
        return preset("imprint", parameters), workspace.ASSETS / "datasets" / "imprint.jsonl"
    return CASES[name], workspace.ASSETS / "datasets" / "advertisement.jsonl"


def run(name: str, model: Path, folder: Path) -> str:
    """One short run as a line of the table."""
    settings, rows = settings_of(name, model)
    watch = CardWatch()
    if name in ("imprint-click", "imprint-ready"):
        began, folder = click(settings, model, ready=name == "imprint-ready")
    else:
        began, folder = command(settings, model, rows, folder)
    driver = watch.stop()
    status = workspace.read_json(folder / "status.json", {})
    if status.get("state") != "finished":
        why = status.get("why") or {}
        print((folder / "train.log").read_text()[-2000:] if folder.exists() else "", file=sys.stderr)
        return f"| {name} | {why.get('key', 'did not start') if isinstance(why, dict) else why} |"
    metrics = workspace.read_lines(folder / "metrics.jsonl")[0]
    speeds = [row["tokens_per_second"] for row in metrics if "loss" in row]
    first, total = next(row["time"] for row in metrics if "loss" in row) - began, status["updated"] - began
    peak, guess = driver or status["peak_memory"], sum(status["estimate"].values())
    stages = " | ".join(f"{status['stage_seconds'].get(stage, 0):.1f}" for stage in STAGES)
    return (
        f"| {name} | {statistics.median(speeds[len(speeds) // 2 :]):,.0f} | {first:.1f} | {total:.1f} | {stages} "
        f"| {peak / 1e9:.2f} | {guess / 1e9:.2f} | {guess / peak - 1:+.0%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=models.demo_path())
    parser.add_argument("--random", choices=RANDOM, nargs="?", const=RANDOM[0])
    plain = [
        name for name in CASES if not any(part in name for part in ("int8", "nf4", "two", "long", "advertisement"))
    ]
    parser.add_argument("--cases", nargs="*", choices=CASES, default=plain)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = str(Path(folder) / "home")
        model = random_model(given.random, Path(folder)) if given.random else given.model
        print(
            f"{given.random or model.name}, {gpu_name()}\n\n| case | tokens/s | first | seconds | {' | '.join(STAGES)} | peak GB | estimate GB | error |"
        )
        print("|" + "---|" * (len(STAGES) + 7))
        for name in given.cases:
            print(run(name, model, Path(folder) / name), flush=True)


if __name__ == "__main__":
    main()
