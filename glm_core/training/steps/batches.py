"""Batches of one training process: rows of like length, of the data and of the base's own answers."""

import math
import random
from collections.abc import Iterator, Sequence

from glm_core.data.tokenize import LengthBuckets
from glm_core.training.plan import count_rehearsal
from glm_core.training.settings import TrainingSettings

BLUR = 0.3  # by which lengths are blurred where rows are dealt to batches, or the same ones would always meet


class ShardedBatches:
    """The batches of one process: every process takes its rows of the same like-length batch.

    So the rows of an update do not depend on how many processes share them. A process without a row in a last, smaller
    batch gets `blank`, a row without labels. Of the rehearsed rows, numbered behind the others, each epoch has other ones,
    and every batch its share of them: a batch of theirs alone would undo what one of the data has just taught.

    Args:
        lengths: tokens of the rows that are trained on.
        rehearsed: tokens of the rows of the base's own answers.
    """

    def __init__(
        self, lengths: Sequence[int], settings: TrainingSettings, rank: int, world: int, rehearsed: Sequence[int] = ()
    ):
        self.lengths = [*lengths, *rehearsed]
        self.rank, self.world, self.blank = rank, world, len(self.lengths)
        self._own, self._settings = len(lengths), settings
        self._each = count_rehearsal(self._own, settings) if rehearsed else 0
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the rehearsed rows and the order of an epoch."""
        size = self._settings.micro_batch * self.world
        if not self._each:
            buckets = LengthBuckets(self.lengths, size, seed=self._settings.seed)
            buckets.set_epoch(epoch)
            self._batches = list(buckets)
            return
        pool, rng = len(self.lengths) - self._own, random.Random(f"{self._settings.seed}-{epoch}")
        turn = range(epoch * self._each, (epoch + 1) * self._each)
        parts = math.ceil((self._own + self._each) / size)
        own = self._deal(range(self._own), parts, rng)
        other = self._deal([self._own + place % pool for place in turn], parts, rng)
        self._batches = [[*one, *two] for one, two in zip(own, other, strict=True)]
        rng.shuffle(self._batches)

    def _deal(self, rows: Sequence[int], parts: int, rng: random.Random) -> list[list[int]]:
        """Rows in `parts` batches that differ by one row at most, of like lengths but other neighbors each time."""
        order = sorted(rows, key=lambda row: self.lengths[row] * rng.uniform(1 - BLUR, 1 + BLUR))
        return [order[len(order) * i // parts : len(order) * (i + 1) // parts] for i in range(parts)]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            yield batch[self.rank :: self.world] or [self.blank]
