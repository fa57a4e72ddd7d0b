"""Ours beside what people use instead: transformers' Trainer under PEFT, TRL's SFTTrainer, `generate` plain and compiled.

    python -m benchmarks.peers [--shape chatglm3|glm4|...] [--training 16x128 1x128 16x128:checkpointing] [--rows 1 16]
                               [--contenders NAME ...] [--layers N] [--hidden 4096] [--updates 10] [--tokens 128]

Every contender is a process of its own, so that none inherits memory, compiled kernels or settings of another, and gets a
model of the same shape with the same random weights, and the same rows: LoRA r8 on query, key and value. A case is
ROWSxTOKENS[:checkpointing]. For decoding all rows ask the base, since that is all `generate` can; ours can mix adapters
(benchmarks/decoding.py). What is not installed, or cannot run here, is named with the reason.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import torch

from benchmarks import decoding, speed

WARMUP = 4
ROOT = Path(__file__).resolve().parent.parent


class SkippedError(RuntimeError):
    """A contender that cannot take part; the message says why."""


def peak() -> float:
    """GB that torch had at most, 0 without a GPU."""
    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def wait() -> None:
    """Until the device is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# training: case -> (tokens/s, peak GB)


def train_ours(options, case: speed.Case) -> tuple[float, float]:
    loaded = speed.build(options.shape, options.hidden, options.layers, device())
    found = speed.measure(loaded, case, options.shape, "ours")
    return found[0], found[1]


def train_trainer(options, case: speed.Case) -> tuple[float, float]:
    """transformers' Trainer on a PEFT model."""
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments

    loaded = speed.build(options.shape, options.hidden, options.layers, device())
    model = get_peft_model(loaded.model, lora_of(options))
    if case.checkpointing:
        model.enable_input_require_grads()
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(folder, **shared_arguments(options, case))
        trainer = Trainer(model, arguments, train_dataset=rows_of(options, case, loaded), callbacks=[clock.callback()])
        trainer.train()
    return clock.speed(case), peak()


def train_trl(options, case: speed.Case) -> tuple[float, float]:
    """TRL's SFTTrainer."""
    need("trl", "datasets")
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    loaded = speed.build(options.shape, options.hidden, options.layers, device())
    clock, rows = Clock(), rows_of(options, case, loaded)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            folder,
            **shared_arguments(options, case),
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=case.tokens,
            packing=False,
        )
        trainer = SFTTrainer(
            loaded.model,
            args=arguments,
            train_dataset=Dataset.from_list([{name: tensor.tolist() for name, tensor in row.items()} for row in rows]),
            processing_class=numbers_tokenizer(),
            data_collator=stack,
            peft_config=lora_of(options),
            callbacks=[clock.callback()],
        )
        trainer.train()
    return clock.speed(case), peak()


def need(*packages: str) -> None:
    """Check that packages are installed.

    Raises:
        SkippedError: one is not.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise SkippedError(f"not installed: {', '.join(missing)}")


def lora_of(options):
    from peft import LoraConfig

    known = speed.TARGETS[options.shape].replace("qkv", "q_proj, k_proj, v_proj")
    targets = [name.strip() for name in known.split(",")]
    return LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM")


def shared_arguments(options, case: speed.Case) -> dict:
    """What Trainer and SFTTrainer are given alike; the rest is their default."""
    return {
        "per_device_train_batch_size": case.rows,
        "max_steps": WARMUP + options.updates,
        "learning_rate": 1e-3,
        "bf16": torch.cuda.is_available(),
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": case.checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if case.checkpointing else None,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def rows_of(options, case: speed.Case, loaded) -> list[dict[str, torch.Tensor]]:
    """The rows of all updates, one dict a row, as ours sees them."""
    batches = [speed.batch(case, loaded, rows) for rows in speed.deal(case, "plain")]
    every = [{name: tensor[row] for name, tensor in one.items()} for one in batches for row in range(case.rows)]
    return list(islice(cycle(every), (WARMUP + options.updates) * case.rows))


def stack(rows: list[dict]) -> dict[str, torch.Tensor]:
    """A batch of rows of one length."""
    return {name: torch.tensor([row[name] for row in rows]) for name in ("input_ids", "attention_mask", "labels")}


def numbers_tokenizer():
    """A tokenizer that nobody uses: SFTTrainer asks for one, while the rows are in tokens already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    known = {"<pad>": 0, "<eos>": 1, "<unk>": 2}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(known, unk_token="<unk>")),
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
    )


class Clock:
    """Seconds of every update of a Trainer, without the first ones."""

    def __init__(self):
        self._ends: list[float] = []

    def callback(self):
        from transformers import TrainerCallback

        ends = self._ends

        class Ends(TrainerCallback):
            def on_step_end(self, args, state, control, **more):
                wait()
                ends.append(time.perf_counter())

        return Ends()

    def speed(self, case: speed.Case) -> float:
        """Tokens/s of the median update."""
        spent = [later - earlier for earlier, later in zip(self._ends, self._ends[1:], strict=False)][WARMUP - 1 :]
        return case.rows * case.tokens / statistics.median(spent)


# decoding: rows -> (tokens/s of all, peak GB)


def decode_ours(options, rows: int) -> tuple[float, float]:
    session = decoding.prepare(options.hidden, options.layers, device(), options.shape)
    base = [decoding.ServedModel(session.info.name, session.info.name, Path("nowhere"))]
    return decoding.measure(session, base, rows, options.tokens)[0], peak()


def decode_generate(options, rows: int) -> tuple[float, float]:
    """transformers' `generate` as it is."""
    return generate(options, rows, {})


def decode_compiled(options, rows: int) -> tuple[float, float]:
    """transformers' `generate` with a static cache, which it compiles."""
    if not torch.cuda.is_available():
        raise SkippedError("compiles on a GPU only")
    return generate(options, rows, {"cache_implementation": "static"})


def generate(options, rows: int, more: dict) -> tuple[float, float]:
    session = decoding.prepare(options.hidden, options.layers, device(), options.shape)
    loaded, seconds = session.loaded, []
    prompts = [loaded.tokenizer.encode(f"{number}{decoding.WARM}") + loaded.family.controls for number in range(rows)]
    ids = torch.tensor(prompts, device=loaded.model.device)
    for count in (options.tokens, options.tokens, 1, options.tokens, 1, options.tokens):  # the first two compile
        started = time.perf_counter()
        with torch.inference_mode():
            found = loaded.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=count,
                min_new_tokens=count,
                do_sample=False,
                eos_token_id=None,
                **more,
            )
        found[0, -1].item()
        seconds.append(time.perf_counter() - started)
    spent = min(seconds[3], seconds[5]) - min(seconds[2], seconds[4])
    return rows * (options.tokens - 1) / spent, peak()


TRAINING: dict[str, Callable] = {"ours": train_ours, "Trainer + PEFT": train_trainer, "TRL SFTTrainer": train_trl}
DECODING: dict[str, Callable] = {"ours": decode_ours, "generate": decode_generate, "compiled": decode_compiled}


def contend(options) -> None:
    """Measure one contender in this process; print one line of JSON, the last of the output."""
    kind, name, what = options.only
    try:
        if kind == "training":
            found = TRAINING[name](options, speed.Case.parse(f"lora:{what}", speed.BUNDLED))
        else:
            found = DECODING[name](options, int(what))
        line = {"speed": found[0], "peak": found[1]}
    except (SkippedError, torch.cuda.OutOfMemoryError) as error:
        line = {"why": str(error).splitlines()[0]}
    print(json.dumps(line), flush=True)


def ask(options, kind: str, name: str, what: str) -> dict:
    """Run one contender in a process of its own; returns its figures, or why there are none."""
    words = [sys.executable, "-m", "benchmarks.peers", "--only", kind, name, what]
    for field in ("shape", "hidden", "layers", "updates", "tokens"):
        words += [f"--{field}", str(getattr(options, field))]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        return json.loads(found.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {"why": (found.stderr.strip().splitlines() or ["no output"])[-1][:160]}


def table(options, kind: str, contenders: dict[str, Callable], cases: list[str]) -> None:
    """Print one row a case and contender."""
    print(f"\n| {kind} | contender | tokens/s | ours is | peak GB |\n|---|---|---|---|---|")
    for case in cases:
        own = None
        for name in contenders:
            if options.contenders and name not in options.contenders:
                continue
            found = ask(options, kind, name, case)
            if "why" in found:
                print(f"| {case} | {name} | skipped: {found['why']} | | |", flush=True)
                continue
            own = found["speed"] if name == "ours" else own
            ratio = f"{own / found['speed']:.2f} x" if own and name != "ours" else ""
            print(f"| {case} | {name} | {found['speed']:,.1f} | {ratio} | {found['peak']:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=speed.LAYERS, default="chatglm3")
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--training", nargs="*", default=["16x128", "1x128", "16x128:checkpointing"])
    parser.add_argument("--rows", nargs="*", default=["1", "16"], help="rows of each decoding case")
    parser.add_argument("--contenders", nargs="*", choices=sorted({*TRAINING, *DECODING}))
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.layers = options.layers or speed.LAYERS[options.shape]
    if options.only:
        contend(options)
        return
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in ("torch", "transformers", "peft", "trl")
        if importlib.util.find_spec(package)
    )
    print(f"{options.shape} {options.hidden}x{options.layers}, random weights; {name}; {versions}")
    table(options, "training", TRAINING, options.training)
    table(options, "decoding", DECODING, options.rows)


if __name__ == "__main__":
    main()
