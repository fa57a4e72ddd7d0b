"""Lengths of rows in the tokens of a chosen model, and the tokens that limits would cut.

Large sets are measured by an even sample. Measured once for a set and a tokenizer, then kept under `home()/cache`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from glm_core import workspace
from glm_core.data import library
from glm_core.data.examples import Example
from glm_core.data.tokenize import IGNORED, encode

SAMPLE = 2_000
_WHOLE = 10**9


@dataclass(frozen=True)
class Lengths:
    """Tokens of rows, uncut: `source` up to where the first answer begins, `target` from there on."""

    source: list[int]
    target: list[int]


def measure(
    examples: Sequence[Example], model, sample: int = SAMPLE, progress: Callable[[str, float], None] | None = None
) -> Lengths:
    """Lengths of at most `sample` rows, spread evenly over the set. `model` as for `encoding.encode`."""
    encoded = encode(_spread(examples, sample), model, _WHOLE, _WHOLE, progress)
    starts = [_first_label(row.labels) for row in encoded]
    return Lengths(starts, [len(row.labels) - start for row, start in zip(encoded, starts, strict=True)])


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


def count_cut(id: str, model_path: str | Path, max_source: int, max_target: int) -> int:
    """Number of the measured rows of the data set `id` that would lose text to these limits; counted once for the same rows."""
    path = Path(model_path)
    return _count_cut(id, library.get(id).sha256, path, _changed(path), max_source, max_target)


@lru_cache(maxsize=64)
def _count_cut(id: str, digest: str, model_path: Path, changed: int, max_source: int, max_target: int) -> int:
    rows = encode(_spread(library.examples(id), SAMPLE), _parts(model_path), max_source, max_target)
    return sum(row.cut for row in rows)


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
    model = hashlib.sha256(f"{model_path.resolve()}\n{_changed(model_path)}".encode()).hexdigest()[:16]
    return workspace.home() / "cache" / "lengths" / f"{digest[:16]}-{model}.json"


def _changed(folder: Path) -> int:
    return max((file.stat().st_mtime_ns for file in folder.glob("*") if file.is_file()), default=0)


def _first_label(labels: list[int]) -> int:
    return next((index for index, label in enumerate(labels) if label != IGNORED), len(labels))
