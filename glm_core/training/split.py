"""Rows that a run trains on, holds out and drops: `RUN_DIR/split.json`, written once by the trainer.

Report, probes, pages and command line read it and never draw again: only the trainer knows which rows had nothing to
learn, and the draw depends on them. Rows are numbered from 1, as the lines of `dataset.jsonl`.

    {"version": 1, "rows": 20, "training": [1, 2, ...], "held_out": [7, ...], "reporting": [7],
     "dropped": [{"row": 4, "reason": "no_answer"}]}

Rows whose questions are equal or nearly equal stay on one side. The held-out rows have two uses that share no row: some
choose (validation loss, early stopping, checkpoint), the others, `reporting`, are asked by the report alone. Where there
is only one group of held-out rows it does both, and `reporting` is empty: figures on it are chosen on their own rows.

A run of an earlier release has no such file. Where its settings hold nothing out, every row counts as trained on; where
they do, which rows those were is not known, and nobody guesses: `read` gives None.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from glm_core import workspace
from glm_core.data import similar
from glm_core.training import plan
from glm_core.training.settings import TrainingSettings

FILE = "split.json"
VERSION = 1
MOST_COMPARED = 20_000
"Rows up to which nearly equal questions are looked for (some 5 s); of more rows, equal ones only."
REASONS = ("unreadable", "no_answer", "no_tools", "refused")
"""Why a row is dropped: it is no conversation; nothing of its answer is left to learn; it has tools and the model knows none;
the model's chat template refuses it."""


@dataclass(frozen=True)
class Split:
    """Row numbers from 1.

    Attributes:
        training: trained on.
        held_out: not trained on.
        dropped: with the reason (one of REASONS).
        reporting: of the held-out rows, those kept for the report alone.
        cut: of all usable rows, those longer than the limits, which lost text.
    """

    rows: int
    training: tuple[int, ...]
    held_out: tuple[int, ...] = ()
    dropped: Mapping[int, str] = field(default_factory=dict)
    reporting: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()

    @property
    def choosing(self) -> tuple[int, ...]:
        """Held-out rows that choose: validation loss, early stopping, checkpoint."""
        kept = set(self.reporting)
        return tuple(number for number in self.held_out if number not in kept)

    def counts(self) -> dict[str, int]:
        """Dropped rows by reason."""
        found = dict.fromkeys(self.dropped.values(), 0)
        for reason in self.dropped.values():
            found[reason] += 1
        return found


def draw(
    usable: Sequence[int], dropped: Mapping[int, str], settings: TrainingSettings, questions: Sequence[str] = ()
) -> Split:
    """Hold out a share of the `usable` row numbers, as the seed says.

    Args:
        questions: of the usable rows; rows with equal or nearly equal ones are one group, which is not torn apart.
            Where that leaves too few groups to hold out, equal ones alone are. Without them every row is a group.
    """
    count = plan.count_validation(len(usable), settings)
    chosen: list[list[int]] = []
    for keys in _keys(usable, questions) if count else ():
        chosen = _choose(_groups(usable, keys), count, settings.seed)
        if 2 * sum(map(len, chosen)) >= count:
            break
    held_out = {number for numbers in chosen for number in numbers}
    reporting = {number for numbers in chosen[1::2] for number in numbers}
    return Split(
        len(usable) + len(dropped),
        tuple(number for number in usable if number not in held_out),
        tuple(number for number in usable if number in held_out),
        dict(sorted(dropped.items())),
        tuple(number for number in usable if number in reporting),
    )


def _keys(usable: Sequence[int], questions: Sequence[str]) -> Iterator[Sequence[object]]:
    """Ways to tell groups apart, the strictest first."""
    if 0 < len(questions) <= MOST_COMPARED:
        yield similar.group(questions)
    if questions:
        yield [similar.normalize(one) or one for one in questions]
    yield usable


def _groups(usable: Sequence[int], keys: Sequence[object]) -> list[list[int]]:
    found: dict[object, list[int]] = {}
    for number, key in zip(usable, keys, strict=True):
        found.setdefault(key, []).append(number)
    return list(found.values())


def _choose(groups: list[list[int]], count: int, seed: int) -> list[list[int]]:
    """Groups in a random order, taken while they fit into `count` rows; at least one, and one is always left."""
    order = random.Random(seed).sample(range(len(groups)), len(groups))
    chosen, left = [], count
    for place in order[: len(groups) - 1] if count else ():
        if len(groups[place]) <= left:
            chosen.append(groups[place])
            left -= len(groups[place])
        if not left:
            break
    if count and not chosen and len(groups) > 1:
        chosen.append(min(groups, key=len))
    return chosen


def write(folder: Path, split: Split) -> None:
    """Replace the split of run directory `folder` atomically."""
    record = {
        "version": VERSION,
        "rows": split.rows,
        "training": list(split.training),
        "held_out": list(split.held_out),
        "reporting": list(split.reporting),
        "cut": list(split.cut),
        "dropped": [{"row": number, "reason": reason} for number, reason in split.dropped.items()],
    }
    workspace.write_atomic(folder / FILE, json.dumps(record) + "\n")


def read(folder: Path) -> Split | None:
    """The split of run directory `folder`; None where there is none, or none that makes sense."""
    path = folder / FILE
    try:
        status = path.lstat()
    except OSError:
        return None
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> Split | None:
    try:
        if path.is_symlink():
            return None
        record = workspace.read_json(path)
        if record["version"] != VERSION:
            return None
        dropped = {one["row"]: one["reason"] for one in record["dropped"]}
        training, held_out = tuple(record["training"]), tuple(record["held_out"])
        reporting, cut = tuple(record.get("reporting", ())), tuple(record.get("cut", ()))
        split = Split(record["rows"], training, held_out, dropped, reporting, cut)
        return split if _is_whole(split) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _is_whole(split: Split) -> bool:
    """Return whether every row from 1 to the last is in exactly one part."""
    numbers = [*split.training, *split.held_out, *split.dropped]
    if not all(type(one) is int for one in (split.rows, *numbers)):
        return False
    known = all(reason in REASONS for reason in split.dropped.values())
    known = known and set(split.reporting) <= set(split.held_out)
    known = known and set(split.cut) <= {*split.training, *split.held_out}
    return known and len(numbers) == split.rows and set(numbers) == set(range(1, split.rows + 1))
