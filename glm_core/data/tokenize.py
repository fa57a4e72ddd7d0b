"""Examples and a model family become tokens: input ids, labels, batches of like length.

How a conversation is written for a model, and what is cut to fit, is the family's (`glm_core.models.registry`); here
it is done for many rows and put into tensors. Torch is imported only where tensors are made.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from glm_core.data.examples import Example

IGNORED = -100  # the label of a token that is not learned (torch's cross_entropy ignores it)


class Encoded(NamedTuple):
    """One example in tokens; `labels` is as long as `input_ids`, -100 outside answers. `cut`: some text is left out."""

    input_ids: list[int]
    labels: list[int]
    cut: bool


def encode(examples: Sequence[Example], model, max_source: int, max_target: int) -> list[Encoded]:
    """Each example in tokens, in order.

    Args:
        model: a LoadedModel, or a pair (tokenizer, family).
        max_source, max_target: tokens kept of question and answer, control tokens included.
    """
    tokenizer, family = _parts(model)
    return [Encoded(*family.encode_example(tokenizer, one.messages, max_source, max_target)) for one in examples]


def encode_answers(
    example: Example, model, max_source: int, max_target: int, only_last: bool = False
) -> tuple[list[Encoded], str]:
    """The rows that training makes of an example, see `split_answers`; arguments as for `encode`.

    Returns:
        The rows, and why the model cannot be taught the example or a part of it: "no_tools" where it knows none,
        "refused" where its template refuses the conversation; empty where it can.
    """
    from glm_core.models import ModelError

    tokenizer, family = _parts(model)
    rows, refused = [], ""
    for part in split_answers(example.messages, family.separates(tokenizer), only_last):
        if tokenizer is not None and not family.takes(tokenizer, part):
            refused = "no_tools"
            continue
        try:
            rows.append(Encoded(*family.encode_example(tokenizer, part, max_source, max_target)))
        except ModelError:
            refused = "refused"
    return rows, refused


def segments(tokenizer, row: Encoded) -> list[tuple[str, bool]]:
    """A row as the model sees it: pieces of text with the control tokens by their names, and whether each is learned."""
    from glm_core.models.tokenizers.tokenizer import Detokenizer

    names = {token: name for name, token in tokenizer.controls.items()}
    found: list[tuple[str, bool]] = []
    detokenizer, text, learned = Detokenizer(tokenizer), "", False
    for token, label in zip(row.input_ids, row.labels, strict=True):
        if (label != IGNORED) != learned:
            found.append((text + detokenizer.finish(), learned))
            detokenizer, text, learned = Detokenizer(tokenizer), "", not learned
        text += names.get(token, "") or detokenizer.push(token)
    found.append((text + detokenizer.finish(), learned))
    return [piece for piece in found if piece[0]]


def split_answers(messages: list[dict], separate: bool, only_last: bool = False) -> list[list[dict]]:
    """The conversations to encode so that every learned answer of `messages` is a target.

    Args:
        separate: one conversation an answer, each ending with it, for families whose prompt ends with one question;
            else one conversation in which the other answers are marked "learn": False.
        only_last: learn the last learned answer alone.

    Returns:
        Conversations; empty where no answer is learned.
    """
    places = [at for at, one in enumerate(messages) if one["role"] == "assistant" and one.get("learn", True)]
    places = places[-1:] if only_last else places
    if separate or not places:
        return [messages[: place + 1] for place in places]
    learned = set(places)
    return [
        [
            {**one, "learn": False} if one["role"] == "assistant" and at not in learned else one
            for at, one in enumerate(messages[: places[-1] + 1])
        ]
    ]


def collate(batch: Sequence[Encoded], pad_id: int, multiple: int = 1) -> dict:
    """Right-padded tensors of a batch.

    Args:
        multiple: the padded length is rounded up to one (8 suits tensor cores).

    Returns:
        input_ids, labels (-100 on padding) and attention_mask (1 on tokens), each int64 of shape (B, T).
    """
    import torch

    longest = max(len(row.input_ids) for row in batch)
    length = -(-longest // multiple) * multiple
    pads = [length - len(row.input_ids) for row in batch]
    return {
        "input_ids": torch.tensor([row.input_ids + [pad_id] * pad for row, pad in zip(batch, pads, strict=True)]),
        "labels": torch.tensor([row.labels + [IGNORED] * pad for row, pad in zip(batch, pads, strict=True)]),
        "attention_mask": torch.tensor([[1] * (length - pad) + [0] * pad for pad in pads]),
    }


class LengthBuckets:
    """A batch sampler: random batches whose rows have like lengths, so that little is padded.

    Rows are shuffled, dealt into pools of fifty batches, sorted by length within a pool, cut into batches, and the
    batches shuffled again. Every row comes once an epoch; only where several processes (`world` > 1) cannot share the
    batches evenly, the last ones repeat early ones.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
        pool: int = 50,
    ):
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world = world
        self.pool = pool
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; the same seed and epoch give the same order in every process."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches of this process in one epoch."""
        batches = -(-len(self.lengths) // self.batch_size)
        return -(-batches // self.world)

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._batches()
        missing = len(self) * self.world - len(batches)
        batches += [batches[index % len(batches)] for index in range(missing)]
        yield from batches[self.rank :: self.world]

    def _batches(self) -> list[list[int]]:
        order = list(range(len(self.lengths)))
        generator = random.Random(f"{self.seed}-{self.epoch}")
        if self.shuffle:
            generator.shuffle(order)
        size = self.batch_size * self.pool
        batches = []
        for start in range(0, len(order), size):
            rows = sorted(order[start : start + size], key=self.lengths.__getitem__, reverse=True)
            batches += [rows[at : at + self.batch_size] for at in range(0, len(rows), self.batch_size)]
        if self.shuffle:
            generator.shuffle(batches)
        return batches


def _parts(model) -> tuple:
    return model if isinstance(model, tuple) else (model.tokenizer, model.family)
