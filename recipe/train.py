"""Train an embedded model from scratch: corpus, tokenizer, model, held-out scores, model card.

    python -m recipe.train chatglm-demo          # ChatGLM-6B (v1) structure
    python -m recipe.train bloom-demo            # BLOOM structure, same corpus

One GPU, minutes. Everything is drawn from `--seed`; the wordings used for scoring are never trained on.
"""

import argparse
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from glm_core import models, workspace
from recipe import card, evaluate, recipes
from recipe.encode import Bucket, batches, encode_corpus


@dataclass
class Curve:
    """Figures of the training run: (step, loss) means over 50 steps, tokens seen, seconds."""

    points: list[tuple[int, float]] = field(default_factory=list)
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0


def learning_rate(step: int, steps: int, peak: float, warmup: int = 200) -> float:
    """Linear warm-up, then a cosine down to 2 % of `peak`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)


def make_optimizer(model: torch.nn.Module, peak: float) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98), fused=torch.cuda.is_available())


def answer_loss(model: torch.nn.Module, input_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the answers' tokens; the head runs on those rows only.

    Args:
        input_ids, labels: (B, S); labels are -100 outside the answers.
    """
    hidden = model.get_decoder()(input_ids, use_cache=False)[0][:, :-1]  # (B, S - 1, H)
    targets = labels[:, 1:]
    wanted = targets != -100
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]).float(), targets[wanted])


def train(model: torch.nn.Module, buckets: list[Bucket], steps: int, tokens: int, peak: float, seed: int) -> Curve:
    """`steps` updates of about `tokens` tokens each; prints a line every 100."""
    optimizer, curve, started = make_optimizer(model, peak), Curve(), time.perf_counter()
    generator, losses, autocast = torch.Generator().manual_seed(seed), [], torch.cuda.is_available()
    model.train()
    while curve.steps < steps:
        for input_ids, labels in batches(buckets, tokens, generator):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(curve.steps, steps, peak)
            with torch.autocast(model.device.type, torch.bfloat16, enabled=autocast):
                loss = answer_loss(model, input_ids, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.detach())
            curve.steps += 1
            curve.tokens += input_ids.numel()
            if curve.steps % 50 == 0 or curve.steps == steps:
                curve.points.append((curve.steps, torch.stack(losses).mean().item()))
                losses.clear()
                curve.seconds = time.perf_counter() - started
            if curve.steps % 500 == 0:
                print(
                    f"step {curve.steps}/{steps} loss {curve.points[-1][1]:.4f} {curve.tokens / curve.seconds:,.0f} tokens/s",
                    flush=True,
                )
            if curve.steps == steps:
                break
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(recipes.RECIPES))
    parser.add_argument("--out", type=Path, help="default: assets/models/MODEL")
    parser.add_argument("--samples", type=int, default=3_000_000, help="distinct draws of the corpus generator")
    parser.add_argument("--steps", type=int, default=7_500)
    parser.add_argument("--tokens", type=int, default=32_768, help="tokens an update, padding included")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=20_261_124)
    parser.add_argument("--tokenizer", type=Path, help="reuse the tokenizer of this folder")
    parser.add_argument("--dialogues", type=Path, help="dialogues.jsonl of natural conversations to mix in")
    parser.add_argument("--per-skill", type=int, default=200, help="held-out questions a skill")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    out = arguments.out or workspace.ASSETS / "models" / arguments.model
    out.mkdir(parents=True, exist_ok=True)
    if arguments.dialogues:
        os.environ["EASYAIGC_DIALOGUES"] = str(arguments.dialogues.resolve())
    torch.manual_seed(arguments.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = recipes.RECIPES[arguments.model]

    clock = time.perf_counter()
    recipe.write_tokenizer(out, arguments.seed, arguments.tokenizer)
    print(f"tokenizer {time.perf_counter() - clock:.0f} s", flush=True)
    buckets = encode_corpus(arguments.samples, arguments.seed, out, recipe.family, arguments.workers)
    rows = sum(len(bucket.input_ids) for bucket in buckets)
    buckets = [Bucket(bucket.input_ids.to(device), bucket.labels.to(device)) for bucket in buckets]
    print(f"corpus {rows:,} rows {time.perf_counter() - clock:.0f} s", flush=True)
    model = recipe.build(out).to(device)
    print(f"model {sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    curve = train(model, buckets, arguments.steps, arguments.tokens, arguments.learning_rate, arguments.seed)
    recipe.save(model, out)
    loaded = models.load(out, device=device, dtype=torch.float32)
    scores = evaluate.score(loaded, arguments.per_skill)
    device_name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    card.write(out, recipe, curve, scores, rows=rows, device=device_name, arguments=arguments)
    print(card.table(scores))
    print(f"done in {time.perf_counter() - clock:.0f} s", flush=True)


if __name__ == "__main__":
    main()
