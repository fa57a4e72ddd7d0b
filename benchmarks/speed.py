"""Training speed and peak memory of the ChatGLM-6B shape: ours, the published computation, plain PEFT; same weights and rows.

    python -m benchmarks.speed [--layers 28] [--hidden 4096] [--cases lora:16x128 ptuning:1x128 lora:4x512:checkpointing ...]

Random weights, so no checkpoint is needed. All three run in this process, one after the other, on the same batches. "official"
is the published computation (benchmarks/official.py); "plain" is our model under PEFT with the library's loss, as Trainer calls
it. `--check N` instead trains ours and the official one for N updates on equal data and prints the largest difference in loss.
"""

import argparse
import contextlib
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.official import full_loss, published
from glm_core import models
from glm_core.models import families
from glm_core.models.chatglm import ChatGLMConfig, ChatGLMForConditionalGeneration
from glm_core.training import adapters
from glm_core.training.loss import AnswerLoss
from glm_core.training.settings import TrainingSettings

WARMUP, UPDATES = 3, 10
CONTENDERS = ("ours", "official", "plain")
CASES = ("lora:1x128", "lora:16x128", "lora:4x512", "ptuning:1x128", "ptuning:16x128")


@dataclass(frozen=True)
class Case:
    """What one row of the table measures: method, rows x tokens of a micro-batch, checkpointing."""

    name: str
    method: str
    rows: int
    tokens: int
    checkpointing: bool

    @classmethod
    def parse(cls, name: str) -> "Case":
        """`METHOD:ROWSxTOKENS[:checkpointing]`."""
        method, size, *rest = name.split(":")
        rows, tokens = size.split("x")
        return cls(name, method, int(rows), int(tokens), "checkpointing" in rest)


def build(hidden: int, layers: int, device: str, seed: int = 1) -> models.LoadedModel:
    """A model of that size with random weights: bfloat16 on a GPU, float32 on a CPU."""
    torch.manual_seed(seed)
    config = ChatGLMConfig(hidden_size=hidden, inner_hidden_size=4 * hidden, num_layers=layers, num_attention_heads=hidden // 128)
    with torch.device(device):
        model = ChatGLMForConditionalGeneration(config)
    model = model.to(torch.bfloat16 if device == "cuda" else torch.float32)
    return models.LoadedModel(model, None, families.by_name("chatglm"), Path(), f"chatglm-{hidden}x{layers}")


def batch(case: Case, device: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels (B, S): half of each row is the prompt with its control tokens, half the answer."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 100_000, (case.rows, case.tokens), generator=generator)
    context = case.tokens // 2
    ids[:, context - 1], ids[:, context] = 130001, 130004
    labels = ids.clone()
    labels[:, :context] = -100
    return ids.to(device), labels.to(device)


def loss_function(contender: str, model: torch.nn.Module):
    """(ids, labels) -> loss, as the contender computes it."""
    if contender == "ours":
        ours = AnswerLoss(model)
        return lambda ids, labels: ours(ids, None, labels)["loss"]
    if contender == "official":
        return lambda ids, labels: full_loss(model, ids, labels)
    return lambda ids, labels: model(ids, labels=labels, use_cache=False).loss


def prepare(loaded: models.LoadedModel, case: Case) -> torch.optim.Optimizer:
    """A fresh adapter, the same at every call, and its optimiser."""
    torch.manual_seed(2)
    settings = TrainingSettings(method=case.method, lora_dropout=0.0, lora_targets="query_key_value")
    for name in adapters.names(loaded):
        adapters.unload_adapter(loaded, name)
    adapters.attach(loaded, settings)
    if case.checkpointing:
        loaded.model.gradient_checkpointing_enable({"use_reentrant": False})
    else:
        loaded.model.gradient_checkpointing_disable()
    trainable = [parameter for parameter in loaded.model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trainable, lr=1e-3, fused=loaded.model.device.type == "cuda")


def losses(loaded: models.LoadedModel, case: Case, contender: str, updates: int, clock: list[float] | None = None) -> list[float]:
    """The loss of `updates` updates from a fresh adapter; `clock` collects the seconds of each."""
    optimizer, device, results = prepare(loaded, case), loaded.model.device.type, []
    loaded.model.train()
    compute = loss_function(contender, loaded.model)
    with published() if contender == "official" else contextlib.nullcontext():
        for update in range(updates):
            ids, labels = batch(case, device, update)
            started = time.perf_counter()
            loss = compute(ids, labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            results.append(loss.item())  # waits for the device
            if clock is not None:
                clock.append(time.perf_counter() - started)
    return results


def measure(loaded: models.LoadedModel, case: Case, contender: str) -> tuple[float, float]:
    """(tokens/s, peak GB by torch; 0 without a GPU)."""
    on_card, clock = loaded.model.device.type == "cuda", []
    if on_card:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    losses(loaded, case, contender, WARMUP + UPDATES, clock)
    peak = torch.cuda.max_memory_allocated() / 1e9 if on_card else 0.0
    return case.rows * case.tokens / statistics.median(clock[WARMUP:]), peak


def compare(loaded: models.LoadedModel, cases: list[Case]) -> None:
    """Print one row a case: tokens/s and peak memory of each contender, and ours over the official."""
    print("| case | " + " | ".join(f"{name} tokens/s | {name} GB" for name in CONTENDERS) + " | ours / official |")
    print("|" + "---|" * (2 * len(CONTENDERS) + 2))
    for case in cases:
        figures = [measure(loaded, case, contender) for contender in CONTENDERS]
        cells = " | ".join(f"{speed:,.0f} | {peak:.2f}" for speed, peak in figures)
        print(f"| {case.name} | {cells} | {figures[0][0] / figures[1][0]:.2f} |", flush=True)


def check(loaded: models.LoadedModel, cases: list[Case], updates: int) -> None:
    """Print the largest relative difference between our loss and the official one over `updates` updates."""
    for case in cases:
        ours, official = (losses(loaded, case, contender, updates) for contender in CONTENDERS[:2])
        worst = max(abs(a - b) / abs(b) for a, b in zip(ours, official, strict=True))
        print(f"{case.name}: largest difference over {updates} updates {worst:.2e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--check", type=int, metavar="N", default=0)
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    loaded, cases = build(given.hidden, given.layers, device), [Case.parse(name) for name in given.cases]
    print(f"{loaded.name}, {torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}, torch {torch.__version__}")
    if given.check:
        check(loaded, cases, given.check)
    else:
        compare(loaded, cases)


if __name__ == "__main__":
    main()
