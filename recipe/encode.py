"""Samples become token batches: encode in parallel, bucket by length, pad. No model here."""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import torch

from glm_core.models import load_tokenizer, registry
from recipe import corpus

ROUGH = {"greeting", "identity", "feelings", "unknown", "dialogues"}  # skills whose questions bear a slip of the finger
WIDTHS = (24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320)


@dataclass(frozen=True)
class Bucket:
    """Rows padded to one width: `input_ids` and `labels`, int16 (N, width), labels -100 outside answers."""

    input_ids: torch.Tensor
    labels: torch.Tensor


def roughen(messages: list[dict], rng: random.Random) -> list[dict]:
    """The dialogue with one character of its question dropped, doubled or swapped: people type so, and sense survives."""
    question = messages[-2]["content"]
    at = rng.randrange(len(question))
    slips = (
        question[at + 1 :],
        question[at] + question[at:],
        question[at + 1 : at + 2] + question[at] + question[at + 2 :],
    )
    rough = question[:at] + rng.choice(slips)
    return [*messages[:-2], messages[-2] | {"content": rough if rough.strip() else question}, messages[-1]]


def choose_turn(messages: list[dict], rng: random.Random) -> list[dict]:
    """The dialogue up to one of its answers, mostly the last: only the last answer of a row is a target, and what is said
    on the way to it must be learnt too."""
    turns = len(messages) // 2
    kept = rng.randint(1, turns) if rng.random() < 0.4 else turns
    return messages[: 2 * kept]


def encode_shard(seed: int, count: int, tokenizer_folder: Path, family_name: str) -> dict[int, tuple]:
    """`count` samples of one seed as {width: (input_ids, labels)}, int16; rows longer than the last width are dropped."""
    tokenizer, family = (
        load_tokenizer(tokenizer_folder),
        next(one for one in registry.FAMILIES if one.name == family_name),
    )
    rows: dict[int, tuple[list, list]] = {width: ([], []) for width in WIDTHS}
    rng = random.Random(seed)
    for sample in corpus.samples(seed, count):
        slip = sample.skill in ROUGH and rng.random() < 0.1
        messages = choose_turn(roughen(sample.messages, rng) if slip else sample.messages, rng)
        ids, labels, _ = family.encode_example(tokenizer, messages, WIDTHS[-1], WIDTHS[-1])
        width = next((width for width in WIDTHS if len(ids) <= width), None)
        if width is None:
            continue
        padding = width - len(ids)
        rows[width][0].append(ids + [tokenizer.pad_token_id] * padding)
        rows[width][1].append(labels + [-100] * padding)
    return {width: tuple(np.array(side, dtype=np.int16) for side in pair) for width, pair in rows.items() if pair[0]}


def encode_corpus(
    count: int, seed: int, tokenizer_folder: Path, family_name: str, workers: int | None = None
) -> list[Bucket]:
    """`count` training samples in parallel shards of 20,000; the result does not depend on the number of workers."""
    shards = max(1, count // 20_000)
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        parts = list(
            pool.map(
                encode_shard,
                range(seed, seed + shards),
                repeat(count // shards),
                repeat(tokenizer_folder),
                repeat(family_name),
            )
        )
    widths = sorted({width for part in parts for width in part})
    return [
        Bucket(
            *(
                torch.from_numpy(np.concatenate([part[width][side] for part in parts if width in part]))
                for side in (0, 1)
            )
        )
        for width in widths
    ]


def batches(
    buckets: list[Bucket], tokens: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One epoch of (input_ids, labels), int64, about `tokens` tokens each, rows and batches in random order."""
    plan = []
    for index, bucket in enumerate(buckets):
        order = torch.randperm(len(bucket.input_ids), generator=generator)
        plan += [(index, rows) for rows in order.split(max(1, tokens // bucket.input_ids.shape[1]))]
    for place in torch.randperm(len(plan), generator=generator).tolist():
        index, rows = plan[place]
        rows = rows.to(buckets[index].input_ids.device)
        yield buckets[index].input_ids[rows].long(), buckets[index].labels[rows].long()
