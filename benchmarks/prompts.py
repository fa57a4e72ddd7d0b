"""Prompts at full size: first token of a question asked again, and how long running answers wait for a long prompt.

    python -m benchmarks.prompts [--shape chatglm|chatglm3|glm4] [--layers N] [--hidden 4096] [--tokens 1900] [--streams 15]

Random weights. The first table is one request alone: its prompt new, the same again, and the same with 60 other tokens
behind it. The second is `--streams` running answers of the base, two LoRA and two prefixes, when a new prompt comes: the
longest time without a token, in steps of these answers, with the prompt in pieces as the engine computes it, and whole.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.decoding import LAYERS, Numbers, begin, finish, make_adapters, prepare
from glm_core.serving.batching.sequence import NO_LIMIT
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.scheduler import PieceSize
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session


class Counted(Numbers):
    """`text` is "seed:tokens" or "seed:tokens+seed:tokens": so many tokens that follow from each seed."""

    def encode(self, text: str) -> list[int]:
        if ":" not in text:
            return super().encode(text)
        ids: list[int] = []
        for part in text.split("+"):
            seed, count = map(int, part.split(":"))
            generator = torch.Generator().manual_seed(seed)
            ids += torch.randint(5, 60_000, (count,), generator=generator).tolist()
        return ids


def new_handle(choice: ServedModel, text: str, tokens: int) -> RequestHandle:
    request = Request([{"role": "user", "content": text}], choice.name, max_new_tokens=tokens, temperature=0.0)
    return RequestHandle(request, choice)


def first_token(session: Session, choice: ServedModel, text: str) -> float:
    """Seconds from the request to its first token, nothing else running."""
    started = time.perf_counter()
    session.prepare(handle := new_handle(choice, text, 4))
    while group := session.next_group():
        session.join(group)
    while not handle.completion_tokens:
        session.step()
    spent = time.perf_counter() - started
    finish(session)
    return spent


def reuse(session: Session, choice: ServedModel, tokens: int) -> None:
    """Print how long first tokens take of new, repeated and continued prompts."""
    first_token(session, choice, f"1:{tokens}")
    first_token(session, choice, f"1:{tokens}")  # records
    new, again, longer = [], [], []
    for seed in range(2, 6):
        new.append(first_token(session, choice, f"{seed}:{tokens}"))
        again.append(first_token(session, choice, f"{seed}:{tokens}"))
        longer.append(first_token(session, choice, f"{seed}:{tokens}+9:60"))
    base = statistics.median(new)
    print(f"\n| prompt of {tokens} tokens | first token ms | of a new one |\n|---|---|---|")
    for name, found in (("new", new), ("asked again", again), ("the same and 60 more", longer)):
        print(f"| {name} | {1000 * statistics.median(found):.1f} | {statistics.median(found) / base:.2f} |", flush=True)


def silence(session: Session, choices: list[ServedModel], streams: int, tokens: int) -> None:
    """Print the longest wait of running answers for a prompt that comes, in pieces and whole."""
    print("\n| a new prompt comes | longest silence ms | steps | first token ms |\n|---|---|---|---|")
    for name, whole in (("in pieces", False), ("whole", True)):
        step, gap, first = longest_gap(session, choices, streams, tokens, whole)
        print(f"| {name} | {1000 * gap:.1f} | {gap / step:.1f} | {1000 * first:.0f} |", flush=True)


def longest_gap(
    session: Session, choices: list[ServedModel], streams: int, tokens: int, whole: bool
) -> tuple[float, float, float]:
    """Seconds of a step alone, the longest time between two tokens while prompts are computed, the prompt's first token."""
    size, gaps, firsts, step = PieceSize(session.smallest_piece), [], [], 0.0
    begin(session, choices, streams, 1500)
    for number in range(3):  # in the first, sizes are found
        steps = [turn(session, size, whole) for _ in range(12)]
        step = statistics.median(steps)
        session.known.clear()
        session.prepare(handle := new_handle(choices[0], f"{number + 20}:{tokens}", 2))
        started, turns = time.perf_counter(), []
        while not handle.completion_tokens:
            turns.append(turn(session, size, whole))
        gaps.append(max(turns))
        firsts.append(time.perf_counter() - started)
    session.clear("cancelled")
    return step, gaps[-1], firsts[-1]


def turn(session: Session, size: PieceSize, whole: bool) -> float:
    """One turn of the engine; returns its seconds."""
    started, room = time.perf_counter(), NO_LIMIT if whole else size.room(True)
    group = session.next_group(room)
    tokens = session.join(group, room) if group else 0
    session.step()
    spent = time.perf_counter() - started
    size.note(tokens, True, spent)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--shape", choices=LAYERS, default="chatglm3")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--tokens", type=int, default=1900)
    parser.add_argument("--streams", type=int, default=15)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    layers = options.layers or LAYERS[options.shape]
    print(
        f"{options.shape}, hidden {options.hidden}, {layers} layers, random weights; {name}, torch {torch.__version__}"
    )
    session = prepare(options.hidden, layers, device, options.shape)
    session.loaded.tokenizer = Counted()
    with tempfile.TemporaryDirectory() as folder:
        choices = make_adapters(session, Path(folder))
        reuse(session, choices[0], options.tokens)
        silence(session, choices, options.streams, options.tokens)


if __name__ == "__main__":
    main()
