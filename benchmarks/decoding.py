"""Decoding speed at full size: one answer and many at once, of the base and of adapters, beside plain `generate`.

    python -m benchmarks.decoding [--shape chatglm|chatglm3|glm4|qwen3-8b|llama-3.1-8b|glm-edge-4b|glm-z1-9b] [--layers N] [--hidden N] [--tokens 128] [--streams 16]
                                  [--kernels [ROWS ...]] [--profile]

Random weights, so no checkpoint is needed. First it shows that the model's answers depend on an early token of the prompt,
that recorded steps choose the very tokens of steps that are launched one by one, for every row of a mixture, and how far
the Triton kernels are from the plain computation. The floor is what a step must read (the weights, once for all rows) at
the speed of a large copy on this device. `--kernels` times the products of a step in several ways instead, `--profile`
lists what a recorded step spends its time on.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import torch

from benchmarks.speed import LAYERS, TARGETS, WIDTHS, build, collect
from glm_core.adapters import attach
from glm_core.generation import decode
from glm_core.models import quantization
from glm_core.models.kernels import dispatch
from glm_core.models.kernels.adjacent import lay_adjacent
from glm_core.models.tokenizers.tokenizer import Tokenizer
from glm_core.serving.base import LoadedBase
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session
from glm_core.training.settings import TrainingSettings

PROMPT = 48
"Tokens of a prompt, its control tokens included."
SETTINGS = {
    "lora 1": TrainingSettings(lora_rank=8),
    "lora 2": TrainingSettings(lora_rank=8),
    "prefix 1": TrainingSettings(method="ptuning", prefix_length=128),
    "prefix 2": TrainingSettings(method="ptuning", prefix_length=64),
}
WARM = "hello"
TILES = {
    1: (
        (1, 8192, 4, 1),
        (2, 4096, 4, 1),
        (8, 2048, 8, 1),
        (8, 2048, 4, 1),
        (4, 2048, 4, 1),
        (4, 2048, 2, 1),
        (8, 1024, 4, 1),
        (8, 1024, 2, 1),
        (16, 1024, 4, 1),
        (4, 4096, 4, 1),
        (4, 1024, 2, 1),
    ),
    16: (
        (32, 256, 4, 4),
        (32, 512, 4, 4),
        (16, 256, 4, 4),
        (16, 512, 2, 4),
        (16, 512, 4, 4),
        (16, 1024, 4, 4),
        (64, 256, 4, 4),
        (128, 256, 4, 4),
        (64, 512, 8, 4),
    ),
}


class Numbers(Tokenizer):
    """Every token is its number; a prompt is numbers that follow from its text."""

    vocab_size = 130_528
    pad_token_id = 3

    def encode(self, text: str) -> list[int]:
        question, _, changed = text.partition("/")
        generator = torch.Generator().manual_seed(sum(map(ord, question)))
        ids = torch.randint(5, 50_000, (PROMPT - 2,), generator=generator).tolist()
        if changed:  # the token of that number is another one
            ids[int(changed)] += 1
        return ids

    def piece_bytes(self, token: int) -> bytes:
        return f"{token} ".encode()


class Endless:
    """A family whose prompts are plain and whose answers only end at their longest."""

    def __init__(self, family, config):
        self._family = family
        controls = family.architecture.control_ids(config.to_dict())
        self.controls = [controls["gmask_token_id"], controls["bos_token_id"]] if controls else [3, 4]

    def __getattr__(self, name):
        return getattr(self._family, name)

    def prompt(self, tokenizer, messages, thinking=None) -> list[int]:
        return tokenizer.encode(messages[-1]["content"]) + self.controls

    def stop_ids(self, tokenizer) -> list[int]:
        return []

    def clean(self, text: str) -> str:
        return text


def prepare(hidden: int, layers: int, device: str, shape: str = "chatglm") -> Session:
    """A session on a random model whose weights are large enough that its context decides what it says."""
    loaded = build(shape, hidden, layers, device)
    loaded.tokenizer, loaded.family = Numbers(), Endless(loaded.family, loaded.model.config)
    torch.manual_seed(3)
    for name, parameter in loaded.model.named_parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(std=3 / parameter.shape[1] ** 0.5)
        elif name.endswith("bias"):
            parameter.data.normal_(std=0.2)
    loaded.model.eval().requires_grad_(False)
    return Session(loaded, LoadedBase(loaded.name, Path("nowhere"), loaded.family.name, 2048, {}, 0.0))


def make_adapters(session: Session, folder: Path) -> list[ServedModel]:
    """The base, two LoRA and two prefixes with random weights."""
    loaded, choices = session.loaded, [ServedModel(session.info.name, session.info.name, folder)]
    for name, settings in SETTINGS.items():
        shape = loaded.name.rpartition("-")[0]
        attach.attach(loaded, settings.changed(lora_targets=TARGETS[shape]), name)
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.05 * torch.randn_like(parameter)
        attach.save(loaded, folder / name, {"step": 1}, name)
        attach.unload_adapter(loaded, name)
        choices.append(ServedModel(name, name, folder, folder / name, 1))
    loaded.model.requires_grad_(False)
    return choices


def pack(session: Session) -> None:
    """Make the weights of the blocks int8."""
    for name in list(quantization.block_linears(session.loaded.model)):
        quantization.quantize(session.loaded.model, name, "int8")
    if session.loaded.model.device.type == "cuda":
        lay_adjacent(session.loaded.model)
    collect()


def begin(
    session: Session, choices: list[ServedModel], streams: int, tokens: int, question: str = WARM
) -> list[RequestHandle]:
    """Start that many answers, of the choices in turn, to different questions."""
    handles = []
    for number in range(streams):
        choice = choices[number % len(choices)]
        messages = [{"role": "user", "content": f"{number}{question}"}]
        handles.append(RequestHandle(Request(messages, choice.name, max_new_tokens=tokens, temperature=0.0), choice))
    for handle in handles:
        session.prepare(handle)
    while group := session.next_group():
        session.join(group)
    return handles


def finish(session: Session) -> None:
    """Run all answers to their end."""
    while session.rows:
        session.step()


@contextmanager
def launched():
    """Steps within are launched kernel by kernel."""
    with mock.patch.object(decode.CudaGraphRunner, "run", lambda self, key, step: step()):
        yield


@contextmanager
def plain():
    """Context in which Triton kernels are off."""
    with mock.patch.object(dispatch, "_checked", lambda: None):
        yield


def texts(session: Session, choices: list[ServedModel], streams: int, tokens: int, question: str = WARM) -> list[str]:
    """The answers."""
    handles = begin(session, choices, streams, tokens, question)
    finish(session)
    return [handle.text for handle in handles]


def check(session: Session, choices: list[ServedModel], streams: int, tokens: int) -> None:
    """Print and assert what makes the figures worth anything."""
    base = choices[:1]
    usual, changed = (
        texts(session, base, 1, 16),
        [texts(session, base, 1, 16, f"{WARM}/{number}") for number in range(8)],
    )
    assert any(answer != usual for answer in changed), "the answer does not depend on the first tokens of the prompt"
    recorded = texts(session, choices, streams, tokens)
    assert len(set(recorded)) > 1, "the rows of all models answer alike"
    with launched():
        assert texts(session, choices, streams, tokens) == recorded, "recorded and launched steps differ"
    if session.loaded.model.device.type == "cuda":
        print(
            f"an early token changes the answer; {streams} rows of {len(choices)} models, {tokens} tokens: recorded = launched; "
            f"{len(set(recorded))} different answers"
        )
        print(
            f"Triton kernels: {'in use' if dispatch._checked() else 'not here'}; {difference(session, choices, streams)}"
        )


def difference(session: Session, choices: list[ServedModel], streams: int) -> str:
    """Distance of one step's logits from the plain computation's."""
    found = []
    for way in (launched, plain):
        with way(), launched(), torch.inference_mode():
            begin(session, choices, streams, 4)
            found.append(next(iter(session.batches.values())).runner.step().float())
            session.clear("cancelled")
    ours, expected = found
    same = (ours.argmax(-1) == expected.argmax(-1)).sum().item()
    apart = ((ours - expected).std() / expected.std()).item()
    return (
        f"a step's logits differ from the plain ones by {apart:.1e} of their spread, {same} of {streams} choices equal"
    )


def measure(session: Session, choices: list[ServedModel], streams: int, tokens: int) -> tuple[float, float]:
    """Tokens/s of all streams together once all have begun, and seconds to the first token of the last one."""
    speeds, firsts = [], []
    for _ in range(3):  # the first records
        started = time.perf_counter()
        begin(session, choices, streams, tokens)
        begun = time.perf_counter()
        finish(session)
        speeds.append(streams * (tokens - 1) / (time.perf_counter() - begun))
        firsts.append(begun - started)
    return statistics.median(speeds[1:]), statistics.median(firsts[1:])


def measure_generate(session: Session, tokens: int) -> tuple[float, float]:
    """Tokens/s of transformers' `generate`, one answer after the other, and seconds to the first token."""
    loaded, seconds = session.loaded, []
    ids = torch.tensor([loaded.family.prompt(loaded.tokenizer, [{"content": WARM}])], device=loaded.model.device)
    for count in (2, 1, tokens):
        started = time.perf_counter()
        with torch.inference_mode():
            found = loaded.model.generate(
                ids, max_new_tokens=count, min_new_tokens=count, do_sample=False, eos_token_id=None
            )
        found[0, -1].item()
        seconds.append(time.perf_counter() - started)
    return (tokens - 1) / (seconds[2] - seconds[1]), seconds[1]


def copy_speed(device: str) -> float:
    """Bytes/s of a large copy, read and written."""
    source = torch.empty(2**30 if device == "cuda" else 2**26, dtype=torch.uint8, device=device)
    target, best = torch.empty_like(source), float("inf")
    for _ in range(5):
        started = time.perf_counter()
        target.copy_(source)
        target[-1].item()
        best = min(best, time.perf_counter() - started)
    return 2 * source.numel() / best


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes that a step reads of the base: all but an embedding that is not the head too, of which it reads a row a token."""
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    return sum(
        tensor.numel() * tensor.element_size()
        for name, tensor in model.named_parameters()
        if "lora_" not in name and "prefixes" not in name and (tensor is head or tensor is not embedding)
    )


def table(session: Session, options, choices: list[ServedModel]) -> None:
    """Print one row a case."""
    model, speed = session.loaded.model, copy_speed(session.loaded.model.device.type)
    print(f"large copy: {speed / 1e9:,.0f} GB/s\n")
    print("| case | tokens/s | ms a step | first token, ms | floor tokens/s | of floor | of one stream |")
    print("|---|---|---|---|---|---|---|")
    single = [1.0]

    def row(title: str, found: tuple[float, float], rows: int) -> None:
        floor = rows * speed / weight_bytes(model)
        single[0] = found[0] if rows == 1 else single[0]
        print(
            f"| {title} | {found[0]:,.1f} | {1000 * rows / found[0]:.2f} | {1000 * found[1]:.0f} | {floor:,.0f} | {found[0] / floor:.0%} "
            f"| {found[0] / single[0]:.1f} |",
            flush=True,
        )

    row(f"{kind(model)}, plain generate", measure_generate(session, options.tokens // 2), 1)
    mixed = f"{options.streams} streams: base, 2 LoRA, 2 prefixes"
    row(f"{kind(model)}, one stream", measure(session, choices[:1], 1, options.tokens), 1)
    row(f"{kind(model)}, {mixed}", measure(session, choices, options.streams, options.tokens), options.streams)
    session.clear("cancelled")
    for name in attach.names(session.loaded):
        session.adapters.forget(name)
    pack(session)
    row("int8, one stream", measure(session, choices[:1], 1, options.tokens), 1)
    row(f"int8, {mixed}", measure(session, choices, options.streams, options.tokens), options.streams)


def kind(model: torch.nn.Module) -> str:
    """ "bfloat16" or the like."""
    return str(model.dtype).removeprefix("torch.")


def profile(session: Session, choices: list[ServedModel], streams: int) -> None:
    """Print the kernels of recorded steps of one stream and of all."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    for chosen, count in ((choices[:1], 1), (choices, streams)):
        begin(session, chosen, count, 40)
        for _ in range(4):
            session.step()
        with record(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as found:
            for _ in range(10):
                session.step()
        finish(session)
        rows = [entry for entry in found.key_averages() if entry.self_device_time_total > 0]
        rows.sort(key=lambda entry: -entry.self_device_time_total)
        print(
            f"\n10 steps of {count}: {sum(entry.self_device_time_total for entry in rows) / 1e4:.2f} ms of kernels a step"
        )
        for entry in rows[:14]:
            print(f"{entry.self_device_time_total / 1e4:8.3f} ms {entry.count / 10:7.1f} x  {entry.key[:100]}")


def time_products(hidden: int, kernel_rows: Sequence[int]) -> None:
    """Print microseconds and GB/s of the products of a step: cuBLAS, and the Triton kernel by tile."""
    shapes = ((256, hidden), (hidden, hidden), (3 * hidden, hidden), (7 * hidden, hidden), (hidden, 4 * hidden))
    for out, wide in shapes:
        for rows in kernel_rows:
            for name, size, seconds in products(out, wide, rows):
                speed = size * out * wide / seconds / 1e9
                print(
                    f"{out:6} x {wide:6}, {rows:2} rows, {name:24} {1e6 * seconds:7.1f} us {speed:7.0f} GB/s",
                    flush=True,
                )


def products(out: int, wide: int, rows: int) -> list[tuple[str, int, float]]:
    """Name, bytes a weight, seconds of each way to compute (rows, wide) x (wide, out)."""
    from glm_core.models.kernels import triton

    half, copies = (
        {"device": "cuda", "dtype": torch.bfloat16},
        max(2, 2 * 10**8 // (out * wide)),
    )  # beyond what a cache holds
    weights, states, bias = (
        torch.randn(copies, out, wide, **half),
        torch.randn(rows, wide, **half),
        torch.randn(out, **half),
    )
    packed = torch.randint(-127, 127, (copies, out, wide), device="cuda", dtype=torch.int8)
    scale = torch.ones(out, device="cuda", dtype=torch.float16)
    found = [("cuBLAS", 2, replayed(lambda n: torch.nn.functional.linear(states, weights[n], bias), copies))]
    for tile in TILES[rows]:
        found.append(
            (f"bf16 {tile}", 2, replayed(partial(_product, triton, states, weights, None, bias, tile), copies))
        )
        found.append(
            (f"int8 {tile}", 1, replayed(partial(_product, triton, states, packed, scale, bias, tile), copies))
        )
    return found


def _product(kernels, states, weights, scale, bias, tile, number: int) -> torch.Tensor:
    return kernels.linear(states, weights[number], scale, bias, tile)


def replayed(call, copies: int) -> float:
    """Seconds of one call, recorded with every copy of the weights in turn."""
    for number in range(copies):
        call(number)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for number in range(20):
            call(number % copies)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best / 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, help="default: as published")
    parser.add_argument("--shape", choices=[shape for shape in LAYERS if shape != "bloom"], default="chatglm")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--kernels", type=int, nargs="*", metavar="ROWS")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    options.layers = options.layers or LAYERS[options.shape]
    options.hidden = options.hidden or WIDTHS.get(options.shape, 4096)
    print(
        f"{options.shape}, hidden {options.hidden}, {options.layers} layers, random weights; {name}, torch {torch.__version__}"
    )
    if options.kernels is not None:
        time_products(options.hidden, options.kernels or (1, 16))
        return
    session = prepare(options.hidden, options.layers, device, options.shape)
    with tempfile.TemporaryDirectory() as folder:
        choices = make_adapters(session, Path(folder))
        check(session, choices, options.streams, 48)
        if options.profile:
            profile(session, choices, options.streams)
        else:
            table(session, options, choices)


if __name__ == "__main__":
    main()
