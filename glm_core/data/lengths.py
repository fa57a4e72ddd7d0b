"""Lengths of rows in the tokens of a chosen model, and the tokens that limits would cut.

Large sets are measured by an even sample. Measured once for a set and a tokenizer, then kept under `home()/cache`.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from glm_core import workspace
from glm_core.data import library
from glm_core.data.examples import Example
from glm_core.data.tokenize import IGNORED, encode_answers

SAMPLE = 2_000
_STEP = 500
_WHOLE = 10**9


@dataclass(frozen=True)
class Lengths:
    """Tokens of every learned answer of `rows` rows, uncut: `source` before it, `target` of it and what ends it."""

    source: list[int]
    target: list[int]
    rows: int = 0


def measure(
    examples: Sequence[Example], model, sample: int = SAMPLE, progress: Callable[[str, float], None] | None = None
) -> Lengths:
    """Lengths of the learned answers of at most `sample` rows, spread evenly over the set. `model` as for `tokenize.encode`."""
    chosen = _spread(examples, sample)
    runs: list[tuple[int, int]] = []
    for index, example in enumerate(chosen):
        if progress and index % _STEP == 0:
            progress("data.stage.encoding", index / len(chosen))
        rows, _ = encode_answers(example, model, _WHOLE, _WHOLE)
        runs += [run for row in rows for run in _learned_runs(row.labels)]
    if progress:
        progress("data.stage.encoding", 1.0)
    return Lengths([start for start, _ in runs], [length for _, length in runs], len(chosen))


def _learned_runs(labels: list[int]) -> Iterator[tuple[int, int]]:
    """Where each run of learned tokens begins, and how long it is."""
    start = None
    for place, label in enumerate([*labels, IGNORED]):
        if label != IGNORED and start is None:
            start = place
        elif label == IGNORED and start is not None:
            yield start, place - start
            start = None


def token_lengths(id: str, model_path: str | Path, progress: Callable[[str, float], None] | None = None) -> Lengths:
    """As `measure`, of the data set `id` with the tokenizer of the model folder; kept on disk.

    Raises:
        DataError: no such data set. ModelError: no model with a tokenizer.
    """
    file = _cache(library.get(id).sha256, Path(model_path))
    known = workspace.read_json(file)
    if known is None:
        known = asdict(measure(library.examples(id), _parts(model_path), progress=progress))
        workspace.write_json(file, known)
    return Lengths(**known)


def count_cut(id: str, model_path: str | Path, max_source: int, max_target: int, answers: str = "all") -> int:
    """Count the measured rows of the data set `id` that lose text to these limits; counted once for the same rows.

    Args:
        answers: "all" or "last", as the setting of training.
    """
    return _encode(id, Path(model_path), max_source, max_target, answers)[0]


def longest_row(id: str, model_path: str | Path, max_source: int, max_target: int, answers: str = "all") -> int | None:
    """Tokens of the longest row of the data set `id` within these limits; None where only a sample would be measured."""
    if library.get(id).rows > SAMPLE:
        return None
    return _encode(id, Path(model_path), max_source, max_target, answers)[1]


def _encode(id: str, model_path: Path, max_source: int, max_target: int, answers: str) -> tuple[int, int]:
    """How many of the measured rows are cut, and the tokens of the longest."""
    changed = _changed(model_path)
    return _encode_once(id, library.get(id).sha256, model_path, changed, max_source, max_target, answers == "last")


@lru_cache(maxsize=64)
def _encode_once(
    id: str, digest: str, model_path: Path, changed: int, max_source: int, max_target: int, only_last: bool
) -> tuple[int, int]:
    model, cut, longest = _parts(model_path), 0, 0
    for example in _spread(library.examples(id), SAMPLE):
        rows, _ = encode_answers(example, model, max_source, max_target, only_last)
        cut += any(row.cut for row in rows)
        longest = max([longest, *(len(row.input_ids) for row in rows)])
    return cut, longest


def _spread(examples: Sequence[Example], sample: int) -> list[Example]:
    count = min(sample, len(examples))
    return [examples[index * len(examples) // count] for index in range(count)]


def _parts(model_path: str | Path) -> tuple:
    return _load_parts(str(model_path), _changed(Path(model_path)))


@lru_cache(maxsize=2)
def _load_parts(model_path: str, changed: int) -> tuple:
    """Tokenizer and family; no weights are read. `changed` tells versions of the folder apart."""
    from glm_core import models

    return models.load_tokenizer(model_path), models.describe(model_path).family


def _cache(digest: str, model_path: Path) -> Path:
    model = hashlib.sha256(f"{model_path.resolve()}\n{_changed(model_path)}\nlearned answers".encode()).hexdigest()[:16]
    return workspace.home() / "cache" / "lengths" / f"{digest[:16]}-{model}.json"


def _changed(folder: Path) -> int:
    return max((file.stat().st_mtime_ns for file in folder.glob("*") if file.is_file()), default=0)
