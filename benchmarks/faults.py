"""Runs on a GPU that should fail or has no bfloat16: memory runs out, float16, the driver's own curves.

    python -m benchmarks.faults [--model FOLDER | --random]

Needs an NVIDIA GPU. Trains in processes of their own, as the page does: LoRA in float16; and LoRA on a micro-batch of 64 while
another process holds all but a little of the GPU, which must end in a sentence and a proposal that fits. Prints how each
ended, what was proposed, whether the proposal then runs, and the GPU's last reading. `--random` is as in training.py.
"""

import argparse
import multiprocessing
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.training import SHORT, gpu_name, random_model, train
from glm_core import i18n, models, workspace
from glm_core.training.settings import TrainingSettings

BESIDE = 3_000_000_000
"Bytes left free beside the weights: enough to load the model, not for the rows."


def run(name: str, settings: TrainingSettings, model: Path, folder: Path) -> dict:
    """Train, print how it ended; returns status.json."""
    rows = workspace.ASSETS / "datasets" / "advertisement.jsonl"
    began = time.monotonic()
    found = train(settings, model, rows, folder)
    status = workspace.read_json(folder / "status.json", {})
    why = status.get("why") or {}
    said = (
        i18n.t(why["key"], **why.get("values", {})) if isinstance(why, dict) and "key" in why else found.stderr[-300:]
    )
    print(
        f"{name}: {status.get('state', 'did not start')} after {time.monotonic() - began:.0f} s at step {status.get('step')}: {said}"
    )
    for file in ("metrics.jsonl", "resources.jsonl"):
        if (folder / file).is_file():
            print(f"  {file}: {(folder / file).read_text().splitlines()[-1][:300]}", flush=True)
    return status


@contextmanager
def crowded(left: int):
    """All but `left` bytes of the GPU are another process's."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(left, ready), daemon=True)
    holder.start()
    ready.wait()
    try:
        yield
    finally:
        holder.kill()
        holder.join()


def _hold(left: int, ready) -> None:
    held = torch.empty(max(0, torch.cuda.mem_get_info()[0] - left), dtype=torch.uint8, device="cuda")
    ready.set()
    time.sleep(3600)
    del held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=models.demo_path())
    parser.add_argument("--random", action="store_true")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this needs an NVIDIA card")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        model = random_model(home) if given.random else given.model
        print(f"{model.name}, {gpu_name()}\n")
        run(
            "float16",
            TrainingSettings(precision="float16", micro_batch=4, max_steps=20, **SHORT),
            model,
            home / "float16",
        )
        weights = sum(path.stat().st_size for path in model.iterdir() if path.suffix in (".bin", ".safetensors"))
        greedy = TrainingSettings(micro_batch=64, max_steps=5, gradient_checkpointing="off", **SHORT)
        with crowded(weights + BESIDE):
            status = run("too little memory", greedy, model, home / "crowded")
            if proposed := status.get("retry"):
                print(f"  proposed: {proposed}")
                run("as proposed", greedy.changed(**proposed), model, home / "proposed")


if __name__ == "__main__":
    main()
