"""Training speed and peak memory at full size: ours, the published computation, plain PEFT; same weights and rows.

    python -m benchmarks.speed [--shape chatglm|chatglm3|glm4|bloom|qwen3-8b|llama-3.1-8b|glm-edge-4b|glm-z1-9b] [--cases lora:16x128 ptuning:1x128:nf4 ...]
                               [--contenders ours padded shuffled packed official plain] [--lengths FILE] [--layers N] [--hidden N]
                               [--check N] [--profile]

Random weights, so no checkpoint is needed. All run in this process, one after the other, on the same batches. "official"
is the published computation (benchmarks/official.py, ChatGLM-6B only); "plain" is our model under PEFT with the library's
loss, as Trainer calls it. A case is METHOD:ROWSxTOKENS[:checkpointing][:int8|nf4][:all-linear], the last
for LoRA on every linear module in place of query, key and value, or METHOD:ROWSxmixed: rows as long as
those of a data set (FILE, by default the bundled advertisements), whose padding counts for nothing. All contenders of a mixed
case have the same rows: "ours" in the trainer's batches, of like lengths; "shuffled" in batches as they come, "packed" in
these one behind the other; "padded" in these, all as long as the longest row of the set, as the published code has it. The
floor is the multiplications of a step at the speed of a large product on this GPU. `--check N` instead trains for N updates
from equal weights: ours and the official one, whose largest difference in loss is printed; of a mixed case all contenders,
whose mean loss of every pass through the rows is. `--profile` lists what our steps of each case spend the GPU's time on.
"""

import argparse
import contextlib
import functools
import gc
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.official import full_loss, published
from benchmarks.shapes import SHAPES
from glm_core import data, models, workspace
from glm_core.adapters import attach, fused_lora
from glm_core.data.tokenize import LengthBuckets
from glm_core.models import quantization, registry
from glm_core.models.architectures import fused_layers
from glm_core.models.architectures.bloom.modeling import RecordableBloom
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig
from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration
from glm_core.models.architectures.packing import round_tokens
from glm_core.models.kernels.adjacent import lay_adjacent
from glm_core.training.memory import memory_estimate, model_dims
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps.cuda_graphs import CudaGraphStep, round_length
from glm_core.training.steps.loss import AnswerLoss
from glm_core.training.steps.recompute import recompute

WARMUP, UPDATES = 4, 10
BUNDLED = workspace.ASSETS / "datasets" / "advertisement.jsonl"
COUNTED = 6000  # rows of a data set whose tokens are counted
CONTENDERS = ("ours", "official", "plain", "packed", "shuffled", "padded")
USUAL = CONTENDERS[:3]
OWN = ("ours", "packed", "shuffled", "padded")
CASES = ("lora:1x128", "lora:16x128", "lora:4x512", "ptuning:1x128", "ptuning:16x128")
TARGETS = {
    "chatglm": "query_key_value",
    "chatglm3": "q_proj, k_proj, v_proj",
    "glm4": "q_proj, k_proj, v_proj",
    "bloom": "query_key_value",
    **dict.fromkeys(SHAPES, "qkv"),
}
LAYERS = {"chatglm": 28, "chatglm3": 28, "glm4": 40, "bloom": 30, **{name: one.layers for name, one in SHAPES.items()}}
WIDTHS = {name: one.hidden for name, one in SHAPES.items()}
FAMILIES = {name: one.family for name, one in SHAPES.items()}


@dataclass(frozen=True)
class Case:
    """Case of one row of the table: method, rows x tokens of a micro-batch, checkpointing, base weights.

    Attributes:
        lengths: tokens of the rows of `WARMUP + UPDATES` batches.
    """

    name: str
    method: str
    rows: int
    tokens: int
    mixed: bool
    checkpointing: bool
    quantization: str
    everywhere: bool
    lengths: list[int]

    @classmethod
    def parse(cls, name: str, file: Path) -> "Case":
        """`METHOD:ROWSxTOKENS[:checkpointing][:int8|nf4][:all-linear]`; `file` has the lengths of mixed rows."""
        method, size, *rest = name.split(":")
        rows, tokens = size.split("x", 1)
        small = next((one for one in rest if one in quantization.METHODS), "none")
        mixed, count = tokens == "mixed", (WARMUP + UPDATES) * int(rows)
        lengths = random.Random(0).choices(mixed_lengths(file), k=count) if mixed else [int(tokens)] * count
        options = {"checkpointing": "checkpointing" in rest, "quantization": small, "everywhere": "all-linear" in rest}
        return cls(name, method, int(rows), max(lengths), mixed, lengths=lengths, **options)

    def settings(self, shape: str) -> TrainingSettings:
        """The same as the page would have it."""
        half = self.tokens // 2
        return TrainingSettings(
            method=self.method,
            lora_dropout=0.0,
            lora_targets="all-linear" if self.everywhere else TARGETS[shape],
            micro_batch=self.rows,
            max_source_length=half,
            max_target_length=half,
            quantization=self.quantization,
            gradient_checkpointing="on" if self.checkpointing else "off",
        )


@functools.cache
def mixed_lengths(file: Path) -> list[int]:
    """Tokens of the first rows of a data set, an even number each, counted by the embedded model's tokenizer."""
    tokenizer = models.load_tokenizer(models.demo_path())
    examples = data.read(file).examples[:COUNTED]
    counts = [sum(len(tokenizer.encode(one["content"])) for one in example.messages) for example in examples]
    return [2 * max(8, (count + 1) // 2) for count in counts]


def configuration(shape: str, hidden: int, layers: int):
    """The transformers configuration of a family's published model, at any width and depth."""
    from transformers import AutoConfig, BloomConfig, Glm4Config, GlmConfig

    if shape in SHAPES:
        return AutoConfig.for_model(**SHAPES[shape].sized(hidden, layers))
    heads = hidden // 128
    if shape == "chatglm":
        return ChatGLMConfig(
            hidden_size=hidden, inner_hidden_size=4 * hidden, num_layers=layers, num_attention_heads=heads
        )
    if shape == "bloom":
        return BloomConfig(vocab_size=250880, hidden_size=hidden, n_layer=layers, n_head=heads)
    glm = {
        "hidden_size": hidden,
        "intermediate_size": 13696 * hidden // 4096,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "pad_token_id": 0,
    }
    return GlmConfig(vocab_size=65024, **glm) if shape == "chatglm3" else Glm4Config(vocab_size=151552, **glm)


def build(shape: str, hidden: int, layers: int, device: str, small: str = "none", seed: int = 1) -> models.LoadedModel:
    """A model of that size with random weights: bfloat16 on a GPU, float32 on a CPU; quantized where asked."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config, dtype = configuration(shape, hidden, layers), torch.bfloat16 if device == "cuda" else torch.float32
    torch.set_default_dtype(dtype)
    with torch.device(device):
        own = {"chatglm": ChatGLMForConditionalGeneration, "bloom": RecordableBloom}.get(
            shape, AutoModelForCausalLM.from_config
        )
        model = own(config)
    torch.set_default_dtype(torch.float32)
    if small != "none":
        for name in list(quantization.block_linears(model)):
            quantization.quantize(model, name, small)
    if device == "cuda":  # as the loader leaves it
        lay_adjacent(model)
    collect()
    family = next(one for one in registry.FAMILIES if one.name == FAMILIES.get(shape, shape))
    return models.LoadedModel(model, None, family, Path(), f"{shape}-{hidden}x{layers}")


def collect() -> None:
    """Free what nothing refers to any more, also what was there when steps were recorded (training/steps/cuda_graphs.py)."""
    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def deal(case: Case, contender: str) -> list[list[int]]:
    """The numbers of the rows of every batch of a pass: as the trainer deals mixed ones, for others as they come."""
    numbers = range(len(case.lengths))
    if case.mixed and contender == "ours":
        return list(LengthBuckets(case.lengths, case.rows))
    return [list(numbers[start : start + case.rows]) for start in numbers[:: case.rows]]


def batch(case: Case, loaded: models.LoadedModel, rows: list[int], contender: str = "ours") -> dict[str, torch.Tensor]:
    """Rows by number: half of each is the prompt, for ChatGLM-6B with its control tokens, half the answer."""
    config, lengths = loaded.model.config, torch.tensor([case.lengths[row] for row in rows])
    longest = case.tokens if contender == "padded" else int(lengths.max())
    width = round_length(longest, case.rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for place, row in enumerate(rows):
        generator, own = torch.Generator().manual_seed(row), case.lengths[row]
        ids[place, :own] = torch.randint(5, min(60_000, config.vocab_size), (own,), generator=generator)
    place = torch.arange(width)
    context, mask = lengths[:, None] // 2, (place < lengths[:, None]).long()  # (B, 1), (B, S)
    if controls := loaded.family.architecture.control_ids(config.to_dict()):
        ids[place == context - 1], ids[place == context] = controls["gmask_token_id"], controls["bos_token_id"]
    labels = ids.masked_fill((place < context) | (mask == 0), -100)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def count_places(case: Case, contender: str) -> float:
    """Places that a contender computes for every token there is: 1 without padding."""
    total = 0
    for rows in deal(case, contender):
        lengths = [case.lengths[row] for row in rows]
        places = len(rows) * round_length(case.tokens if contender == "padded" else max(lengths), case.rows)
        total += round_tokens(sum(lengths), places) if contender == "packed" else places
    return total / sum(case.lengths)


def largest(case: Case, loaded: models.LoadedModel, contender: str) -> dict[str, torch.Tensor]:
    """The batch that takes most memory."""
    longest = sorted(range(len(case.lengths)), key=case.lengths.__getitem__)[-case.rows :]
    return batch(case, loaded, longest, contender)


def runner(contender: str, loaded: models.LoadedModel, case: Case):
    """rows -> loss, its gradients taken, as the contender computes them."""
    model, device = loaded.model, loaded.model.device
    if contender in OWN:
        fused_lora.fuse_lora_layers(model)
        fused_layers.fuse_layers(model, fused_lora.keep_masks)
        loss = AnswerLoss(model, loaded.family.architecture, packed=contender == "packed")
        recorded = memory_estimate.is_recorded(device.type, "bfloat16")
        replay = CudaGraphStep(loss, largest(case, loaded, contender), print) if recorded else None
        ordinary = lambda rows: loss(**rows)["loss"]  # noqa: E731
    else:
        fused_layers.restore_layers(model)
        replay = None
        ordinary = (
            (lambda rows: full_loss(model, rows["input_ids"], rows["labels"]))
            if contender == "official"
            else (lambda rows: model(**rows, use_cache=False).loss)  # padding is masked, as Trainer's collator has it
        )

    def step(rows):
        items = (rows["labels"] != -100).sum()
        found = replay(rows, items) if replay else None
        if found is None:
            found = ordinary({name: tensor.to(device) for name, tensor in rows.items()})
            found.backward()
        return found.detach()

    return step


def prepare(loaded: models.LoadedModel, case: Case, shape: str, contender: str) -> torch.optim.Optimizer:
    """A fresh adapter, the same at every call, and its optimizer; activations recomputed as the contender does it."""
    torch.manual_seed(2)
    for name in attach.names(loaded):
        attach.unload_adapter(loaded, name)
    attach.attach(loaded, case.settings(shape))
    if not case.checkpointing:
        loaded.model.gradient_checkpointing_disable()
    elif contender in OWN:
        recompute(loaded.model, loaded.model.config.num_hidden_layers)
    else:
        loaded.model.gradient_checkpointing_enable({"use_reentrant": False})
    trainable = [parameter for parameter in loaded.model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trainable, lr=1e-3, fused=loaded.model.device.type == "cuda")


def losses(
    loaded, case: Case, shape: str, contender: str, updates: int, clock: list[float] | None = None
) -> list[float]:
    """The loss a token of `updates` updates from a fresh adapter, pass after pass; `clock` collects the seconds of each."""
    optimizer, results = prepare(loaded, case, shape, contender), []
    loaded.model.train()
    step, batches = runner(contender, loaded, case), deal(case, contender)
    with published() if contender == "official" else contextlib.nullcontext():
        for update in range(updates):
            rows = batch(case, loaded, batches[update % len(batches)], contender)
            started = time.perf_counter()
            loss = step(rows)
            optimizer.step()
            optimizer.zero_grad()
            results.append(loss.item())  # waits for the device
            if clock is not None:
                clock.append(time.perf_counter() - started)
    return results


def measure(loaded, case: Case, shape: str, contender: str) -> tuple[float, float, float]:
    """(tokens/s, peak GB by torch, peak GB that torch holds of the GPU with CUDA's own); 0 without a GPU.

    Of mixed lengths every shape is recorded in a first pass, and the second one counts, whole.
    """
    on_gpu, clock = loaded.model.device.type == "cuda", []
    collect()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    whole = WARMUP + UPDATES
    losses(loaded, case, shape, contender, whole * (1 + case.mixed), clock)
    spent = sum(clock[-whole:]) if case.mixed else whole * statistics.median(clock[WARMUP:])
    speed = sum(case.lengths) / spent
    if not on_gpu:
        return speed, 0.0, 0.0
    free, total = torch.cuda.mem_get_info()
    beside = total - free - torch.cuda.memory_reserved()  # the driver's share that is not torch's: context, libraries
    return speed, torch.cuda.max_memory_allocated() / 1e9, (torch.cuda.max_memory_reserved() + beside) / 1e9


def matmul_speed(device: str) -> float:
    """FLOP/s of a large product of random matrices, in the precision that is trained in."""
    size = 8192 if device == "cuda" else 1024
    a, b = (
        torch.randn(size, size, device=device, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
        for _ in range(2)
    )
    best = float("inf")
    for _ in range(6):
        started = time.perf_counter()
        (a @ b)[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def work(loaded, case: Case, shape: str) -> float:
    """FLOP of a token's multiplications with frozen weights: forward and input gradients; half the tokens meet the head."""
    found = model_dims.read_shape(loaded.model.config).dims
    passes = 6 if case.checkpointing else 4
    head = loaded.model.get_output_embeddings().weight.numel()
    attention = 4 * passes / 2 * case.tokens * found.query * found.layers
    return passes * found.layers * found.layer_parameters() + 4 * head / 2 + attention


def compare(args, cases: list[Case], device: str) -> None:
    """Print one row a case: tokens/s and peak memory of each contender, the estimate, the floor, and ratios."""
    flops, loaded, held = matmul_speed(device), None, None
    print(f"large product: {flops / 1e12:.1f} TFLOP/s\n")
    heads = " | ".join(f"{name} tokens/s | {name} GB" for name in args.contenders)
    print(f"| case | {heads} | driver GB | estimate GB | floor tokens/s | of floor | of official |")
    print("|" + "---|" * (2 * len(args.contenders) + 6))
    for case in cases:
        if held != case.quantization:
            del loaded
            loaded = None
            collect()
            loaded, held = build(args.shape, args.hidden, args.layers, device, case.quantization), case.quantization
        figures = {name: measure(loaded, case, args.shape, name) for name in args.contenders}
        ours, other = figures["ours"], figures.get("official")
        floor = flops / work(loaded, case, args.shape)
        guess = memory_estimate.estimate(loaded.model.config, case.settings(args.shape), device=device).peak_bytes / 1e9
        cells = " | ".join(f"{speed:,.0f} | {peak:.2f}" for speed, peak, _ in figures.values())
        ratio = f"{ours[0] / other[0]:.2f}" if other else ""
        print(
            f"| {case.name} | {cells} | {ours[2]:.2f} | {guess:.2f} | {floor:,.0f} | {ours[0] / floor:.0%} | {ratio} |",
            flush=True,
        )
    for case in (one for one in cases if one.mixed):
        print(f"places a token, {case.name}: ", ", ".join(f"{name} {count_places(case, name):.3f}" for name in figures))


def profile(args, cases: list[Case], device: str) -> None:
    """Print the kernels of our steps, and how long the GPU had none."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    for case in cases:
        loaded = build(args.shape, args.hidden, args.layers, device, case.quantization)
        optimizer = prepare(loaded, case, args.shape, "ours")
        loaded.model.train()
        step = runner("ours", loaded, case)
        batches = [batch(case, loaded, rows) for rows in deal(case, "ours")]
        for rows in batches[:WARMUP]:
            step(rows).item()
        started = time.perf_counter()
        with record(activities=[getattr(ProfilerActivity, "CUDA" if device == "cuda" else "CPU")]) as found:
            for rows in batches[WARMUP:]:
                step(rows)
                optimizer.step()
                optimizer.zero_grad()
            if device == "cuda":
                torch.cuda.synchronize()
        spent = 1000 * (time.perf_counter() - started) / UPDATES
        spends = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
        rows = sorted(found.key_averages(), key=lambda one: -getattr(one, spends))
        busy = sum(getattr(one, spends) for one in rows) / 1000 / UPDATES
        print(f"\n{args.shape}, {case.name}: {spent:.2f} ms an update, {busy:.2f} ms of them in kernels")
        for one in rows[:24]:
            print(
                f"{one.self_device_time_total / 1000 / UPDATES:8.3f} ms {one.count / UPDATES:7.1f} x  {one.key[:110]}"
            )
        del loaded, optimizer, step
        collect()


def check(args, cases: list[Case], device: str) -> None:
    """Print how far our losses are from the official ones; of mixed rows each contender's mean loss of every pass."""
    loaded = build(args.shape, args.hidden, args.layers, device)
    for case in cases:
        if not case.mixed:
            ours, official = (losses(loaded, case, args.shape, contender, args.check) for contender in CONTENDERS[:2])
            worst = max(abs(a - b) / abs(b) for a, b in zip(ours, official, strict=True))
            print(f"{case.name}: largest difference over {args.check} updates {worst:.2e}", flush=True)
            continue
        for contender in args.contenders:
            found, whole = losses(loaded, case, args.shape, contender, args.check), WARMUP + UPDATES
            weights = [sum(case.lengths[row] for row in rows) for rows in deal(case, contender)]
            passes = [found[start : start + whole] for start in range(0, len(found), whole)]
            means = [
                sum(loss * weight for loss, weight in zip(one, weights, strict=True)) / sum(weights)
                for one in passes
                if len(one) == whole
            ]
            print(f"{case.name} {contender}: " + " ".join(f"{mean:.4f}" for mean in means), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=LAYERS, default="chatglm")
    parser.add_argument("--hidden", type=int, help="default: as published")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--contenders", nargs="*", choices=CONTENDERS, default=USUAL)
    parser.add_argument("--lengths", type=Path, metavar="FILE", default=BUNDLED)
    parser.add_argument("--check", type=int, metavar="N", default=0)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    given.layers = given.layers or LAYERS[given.shape]
    given.hidden = given.hidden or WIDTHS.get(given.shape, 4096)
    if given.shape != "chatglm":
        given.contenders = [name for name in given.contenders if name != "official"]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cases = [Case.parse(name, given.lengths) for name in given.cases]
    gpu = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{given.shape} {given.hidden}x{given.layers}, {gpu}, torch {torch.__version__}")
    (profile if given.profile else check if given.check else compare)(given, cases, device)


if __name__ == "__main__":
    main()
