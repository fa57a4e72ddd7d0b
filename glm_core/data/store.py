"""One data set on disk: `home()/datasets/<id>/dataset.json` names the file of rows beside it.

A new set is written aside and renamed into place; a changed one gets a new file of rows before its record points to
it. So a crash leaves the old state or the new one, and leftovers that the next start clears away. Not here: what may be done
with sets (library.py), the bundled ones (bundled.py).
"""

import hashlib
import io
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from glm_core import workspace
from glm_core.data.compact import CompactExamples
from glm_core.data.examples import DataError, Example, RowError, check_example
from glm_core.data.export import json_line

MAX_NAME = 80
RECORD = "dataset.json"
SHA256 = re.compile("[0-9a-f]{64}")

_lock = threading.Lock()


@dataclass(frozen=True)
class Dataset:
    """A data set in the library. `sha256` is of its rows in the messages layout, one JSON line each."""

    id: str
    name: str
    rows: int
    sha256: str
    created: float  # seconds since 1970
    source: str = ""  # the file or form it came from
    bundled: bool = False
    reworded_of: str = ""  # id of the set whose questions these rows ask in other words, for reports alone
    notices: tuple[dict, ...] = ()  # what the file held beside its rows, see `examples.notices_from`
    previous: str = ""  # sha256 of the rows before the last change, which are kept for going back

    def __post_init__(self):
        object.__setattr__(self, "notices", tuple(self.notices))  # JSON gives a list


def checked_name(name: str, limit: int = MAX_NAME) -> str:
    """`name` without needless spaces.

    Raises:
        DataError: blank, longer than `limit` characters, or unprintable.
    """
    name = " ".join(name.split())
    if not name or len(name) > limit or not name.isprintable():
        raise DataError("data.bad_name", limit=limit)
    return name


def lines_of(rows: Sequence[Example]) -> tuple[bytes, str]:
    """The content of the file of rows, and its sha256, after every row is checked."""
    if not rows:
        raise DataError("data.no_rows")
    lines: list[bytes] = []
    for number, example in enumerate(rows, 1):
        try:
            lines.append(json_line(check_example(example, number)).encode("utf-8"))
        except RowError as error:
            raise DataError("data.row_invalid", row=number, message=str(error)) from error
    content = b"".join(lines)
    return content, hashlib.sha256(content).hexdigest()


def home() -> Path:
    """The folder of the data sets."""
    return workspace.home() / "datasets"


def folder(id: str) -> Path:
    """The folder of the set `id`, there or not. Raises WorkspaceError for what cannot be one."""
    return workspace.inside(home(), id)


def folders() -> list[Path]:
    """The folders of all sets, damaged ones included."""
    try:
        return [Path(entry) for entry in os.scandir(home()) if entry.is_dir() and not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


def rows_file(folder: Path, digest: str) -> Path:
    """The file of the rows whose sha256 is `digest`."""
    return folder / f"rows-{digest[:16]}.jsonl"


def read_record(folder: Path) -> Dataset | None:
    """Return what the folder's record says; None when it is damaged or being removed.

    A record whose file of rows is missing has been replaced after it was read, or is damaged: it is read again until
    the same record has been seen twice, so that a reader is never told of damage because somebody writes.
    """
    seen = None
    while True:
        try:
            dataset = Dataset(**workspace.read_json(folder / RECORD))
        except (OSError, ValueError, TypeError):
            return None
        if dataset.id != folder.name or dataset == seen or not _is_sound(dataset):
            return None
        if rows_file(folder, dataset.sha256).is_file():
            return dataset
        seen = dataset


def _is_sound(dataset: Dataset) -> bool:
    """Return True where a record holds what it should: a restored or copied folder may hold anything."""
    texts = (dataset.name, dataset.source, dataset.sha256)
    return (
        all(isinstance(text, str) for text in texts)
        and SHA256.fullmatch(dataset.sha256) is not None
        and (
            not dataset.previous
            or (isinstance(dataset.previous, str) and SHA256.fullmatch(dataset.previous) is not None)
        )
        and type(dataset.rows) is int
        and isinstance(dataset.created, (int, float))
        and all(isinstance(notice, dict) for notice in dataset.notices)
    )


def create(dataset: Dataset, rows: bytes) -> None:
    """Write a new set; it is there whole or not at all."""
    with workspace.replace_folder(folder(dataset.id), exist_ok=False) as building:
        workspace.write_atomic(rows_file(building, dataset.sha256), rows)
        workspace.write_json(building / RECORD, asdict(dataset))


def swap(dataset: Dataset, rows: bytes) -> None:
    """Give a set other rows; a crash leaves the old ones or the new. Keeps the file of its `previous` rows, and no older one."""
    place = folder(dataset.id)
    target = rows_file(place, dataset.sha256)
    workspace.write_atomic(target, rows)
    workspace.write_json(place / RECORD, asdict(dataset))
    for old in place.glob("rows-*.jsonl"):
        if old not in (target, rows_file(place, dataset.previous)):
            old.unlink(missing_ok=True)


@contextmanager
def writing() -> Iterator[None]:
    """One writer at a time in this process; what the disk refuses is said in a sentence."""
    with explained(), _lock:
        yield


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the disk refuses into a DataError."""
    with workspace.explain_os_error(DataError, home(), full="data.disk_full", unwritable="data.unwritable"):
        yield


@lru_cache(maxsize=2)
def read_rows(id: str, digest: str) -> CompactExamples:
    """The rows of the set `id`, which have this `digest`. Read in small pieces, since everybody else waits for each.

    Raises:
        FileNotFoundError: they were replaced meanwhile.
        DataError: they are not what the record says.
    """
    content = rows_file(folder(id), digest).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError("data.damaged", id=id)
    rows = CompactExamples()
    for number, line in enumerate(io.BytesIO(content), 1):
        rows.append(Example(json.loads(line.decode())["messages"], number))
    return rows
