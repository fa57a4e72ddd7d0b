"""Which rows a run trains on, holds out and drops: `RUN_DIR/split.json`, written once by the trainer.

Report, probes, pages and command line read it and never draw again: only the trainer knows which rows had nothing to
learn, and the draw depends on them. Rows are numbered from 1, as the lines of `dataset.jsonl`.

    {"version": 1, "rows": 20, "training": [1, 2, ...], "held_out": [7, ...], "dropped": [{"row": 4, "reason": "no_answer"}]}

A run of an earlier release has no such file. Where its settings hold nothing out, every row counts as trained on; where
they do, which rows those were is not known, and nobody guesses: `read` gives None.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from glm_core import workspace
from glm_core.training import plan
from glm_core.training.settings import TrainingSettings

FILE = "split.json"
VERSION = 1
REASONS = ("unreadable", "no_answer")
"Why a row is dropped: it is no conversation; or nothing of its answer is left to learn."


@dataclass(frozen=True)
class Split:
    """Row numbers from 1: trained on, held out for validation, dropped with the reason (one of REASONS)."""

    rows: int
    training: tuple[int, ...]
    held_out: tuple[int, ...] = ()
    dropped: Mapping[int, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Dropped rows by reason."""
        found = dict.fromkeys(self.dropped.values(), 0)
        for reason in self.dropped.values():
            found[reason] += 1
        return found


def draw(usable: Sequence[int], dropped: Mapping[int, str], settings: TrainingSettings) -> Split:
    """Hold out a share of the `usable` row numbers, as the seed says."""
    count = plan.count_validation(len(usable), settings)
    places = set(random.Random(settings.seed).sample(range(len(usable)), count))
    training = tuple(number for place, number in enumerate(usable) if place not in places)
    held_out = tuple(number for place, number in enumerate(usable) if place in places)
    return Split(len(usable) + len(dropped), training, held_out, dict(sorted(dropped.items())))


def write(folder: Path, split: Split) -> None:
    """Replace the split of run directory `folder` atomically."""
    record = {
        "version": VERSION,
        "rows": split.rows,
        "training": list(split.training),
        "held_out": list(split.held_out),
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
        split = Split(record["rows"], tuple(record["training"]), tuple(record["held_out"]), dropped)
        return split if _is_whole(split) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _is_whole(split: Split) -> bool:
    """Whether every row from 1 to the last is in exactly one part."""
    numbers = [*split.training, *split.held_out, *split.dropped]
    if not all(type(one) is int for one in (split.rows, *numbers)):
        return False
    known = all(reason in REASONS for reason in split.dropped.values())
    return known and len(numbers) == split.rows and set(numbers) == set(range(1, split.rows + 1))
