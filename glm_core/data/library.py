"""Data sets on disk: `home()/datasets/<id>/dataset.json` names the file of rows beside it; bundled ones lie in assets.

A new set is written aside and renamed into place; a changed one gets a new file of rows before its record points to
it. So a crash leaves the old state or the new one, and leftovers that the next `add` sweeps away. Who may do what is
not decided here.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from glm_core import text, workspace
from glm_core.data.analysis import Statistics, divide
from glm_core.data.analysis import statistics as compute_statistics
from glm_core.data.examples import DataError, Example, RowError, check_example
from glm_core.data.exporting import json_line
from glm_core.data.formats import read

BUNDLED = ("imprint", "advertisement", "appliance")
IMPRINT = ("小印", "林一")  # assistant and author of the bundled imprint until the reader enters their own
MAX_NAME = 80
_RECORD = "dataset.json"
_HOUR = 3_600

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


def datasets() -> list[Dataset]:
    """All readable data sets, the newest first, the bundled ones last."""
    own = [dataset for dataset in map(_record, _folders()) if dataset]
    own.sort(key=lambda dataset: (dataset.created, dataset.id), reverse=True)
    return own + [_bundled(id) for id in BUNDLED if _asset(id).exists()]


def damaged() -> list[str]:
    """Ids of folders whose record or rows cannot be read (edited by hand, or a broken disk): to be removed."""
    return [folder.name for folder in _folders() if _record(folder) is None]


def get(id: str) -> Dataset:
    """The data set `id`.

    Raises:
        DataError: there is none, or it is damaged.
    """
    if id in BUNDLED and _asset(id).exists():
        return _bundled(id)
    folder = _folder(id)
    if not folder.is_dir():
        raise DataError("data.no_dataset", id=id)
    dataset = _record(folder)
    if dataset is None:
        raise DataError("data.damaged", id=id)
    return dataset


def examples(id: str) -> list[Example]:
    """The rows of the data set `id`; `line` counts from 1. Shared: change copies. Raises DataError as `get`."""
    for _ in range(3):  # the rows may be replaced between reading the record and reading the file it names
        dataset = get(id)
        try:
            return list(_bundled_examples(id, _stamp(id)) if dataset.bundled else _own_examples(id, dataset.sha256))
        except FileNotFoundError:
            continue
    raise DataError("data.damaged", id=id)


def rows_file(id: str) -> Path:
    """The file of the rows of the data set `id`, one JSON object a line, for a command to read. Raises DataError as `get`."""
    dataset = get(id)
    return _asset(id) if dataset.bundled else _rows_file(_folder(id), dataset.sha256)


def statistics(id: str) -> Statistics:
    """The statistics of the data set `id`, kept in memory until its rows change."""
    return _statistics(id, get(id).sha256)


def add(name: str, examples: Sequence[Example], *, source: str = "", id: str | None = None) -> Dataset:
    """Put `examples` into the library, or in place of the rows of the set `id` if there is one.

    Raises:
        DataError: a bad name, no rows, a row that cannot be used, or a full disk; nothing is changed then.
    """
    id = id or workspace.new_id()
    name = _checked_name(name)
    if id in BUNDLED:
        raise DataError("data.bundled", name=id)
    rows, digest = _lines(examples)
    dataset = Dataset(id, name, len(examples), digest, time.time(), source)
    with _writing():
        _sweep()
        if _folder(id).is_dir():
            _swap(dataset, rows)
        else:
            _create(dataset, rows)
    return dataset


def replace_rows(
    id: str, examples: Sequence[Example], *, source: str | None = None, expected: str | None = None
) -> Dataset:
    """Put `examples` in place of all rows of the set `id`.

    Args:
        source: the file they came from, if it is another one.
        expected: the sha256 the change was based on; refuses when somebody else changed the rows meanwhile.

    Raises:
        DataError: as `add`, the set is bundled, or the rows are no longer the expected ones.
    """
    rows, digest = _lines(examples)
    with _writing():
        dataset = _own(id)
        if expected not in (None, dataset.sha256):
            raise DataError("data.changed", name=dataset.name)
        source = dataset.source if source is None else source
        changed = replace(dataset, rows=len(examples), sha256=digest, source=source)
        _swap(changed, rows)
    return changed


def rename(id: str, name: str) -> Dataset:
    """Give the set `id` another name. Raises DataError for a bad name or a bundled set."""
    name = _checked_name(name)
    with _writing():
        dataset = replace(_own(id), name=name)
        workspace.write_json(_folder(id) / _RECORD, asdict(dataset))
    return dataset


def remove(id: str) -> None:
    """Delete the set `id`, damaged or not. Runs keep their own copy of the rows.

    Raises:
        DataError: there is none, or it is bundled.
    """
    if id in BUNDLED:
        raise DataError("data.bundled", name=id)
    folder = _folder(id)
    if not folder.is_dir():
        raise DataError("data.no_dataset", id=id)
    gone = folder.with_name(f".gone-{id}-{secrets.token_hex(2)}")
    with _writing():
        folder.rename(gone)  # at once out of every list; the deletion may take its time
        shutil.rmtree(gone)


def split(id: str, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Two new sets of the rows of `id`: for training, and about `share` of them for validation (see `divide`)."""
    dataset = get(id)
    parts = divide(examples(id), share, seed)
    names = (text.say(key, name=dataset.name) for key in ("data.part.train", "data.part.validation"))
    train, validation = (
        add(name[:MAX_NAME], part, source=dataset.name) for name, part in zip(names, parts, strict=True)
    )
    return train, validation


def imprint(name: str, author: str) -> list[Example]:
    """The bundled imprint rows with the reader's own assistant `name` and `author`.

    Raises:
        DataError: a blank or over-long name or author, or the bundled file is missing.
    """
    values = {"{name}": _checked_name(name, 40), "{author}": _checked_name(author, 40)}
    return [
        Example([{**message, "content": _filled(message["content"], values)} for message in example.messages],
                example.line)
        for example in _bundled_rows("imprint")
    ]  # fmt: skip


def _own(id: str) -> Dataset:
    """The set `id`, which must not be a bundled one."""
    dataset = get(id)
    if dataset.bundled:
        raise DataError("data.bundled", name=dataset.name)
    return dataset


def keep_imprint(name: str, author: str) -> Dataset:
    """The reader's own imprint as a data set. The same names are the same set, which may have been edited meanwhile."""
    rows = imprint(name, author)
    name, author = _checked_name(name, 40), _checked_name(author, 40)
    mark = hashlib.sha256(f"{name}\n{author}".encode()).hexdigest()[:8]
    id = f"imprint-{mark}"
    if _folder(id).is_dir() and _record(_folder(id)):
        return get(id)
    title = text.say("data.imprint_name", name=name, author=author)
    return add(title[:MAX_NAME], rows, source=text.say("data.bundled.imprint"), id=id)


def copy(id: str) -> Dataset:
    """A set of one's own with the rows of `id`, to be changed at will."""
    dataset = get(id)
    return add(text.say("data.copy_name", name=dataset.name)[:MAX_NAME], examples(id), source=dataset.name)


def _filled(content: str, values: dict[str, str]) -> str:
    return re.sub(r"\{name\}|\{author\}", lambda hole: values[hole[0]], content)


def _checked_name(name: str, limit: int = MAX_NAME) -> str:
    name = " ".join(name.split())
    if not name or len(name) > limit or not name.isprintable():
        raise DataError("data.bad_name", limit=limit)
    return name


def _lines(rows: Sequence[Example]) -> tuple[bytes, str]:
    """The content of the file of rows, and its sha256, after every row is checked."""
    if not rows:
        raise DataError("data.no_rows")
    lines = []
    for number, example in enumerate(rows, 1):
        try:
            lines.append(json_line(check_example(example, number)))
        except RowError as error:
            raise DataError("data.row_invalid", row=number, message=str(error)) from error
    content = "".join(lines).encode("utf-8")
    return content, hashlib.sha256(content).hexdigest()


def _home() -> Path:
    return workspace.home() / "datasets"


def _folder(id: str) -> Path:
    return workspace.inside(_home(), id)


def _folders() -> list[Path]:
    try:
        return [Path(entry) for entry in os.scandir(_home()) if entry.is_dir() and not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


def _rows_file(folder: Path, digest: str) -> Path:
    return folder / f"rows-{digest[:16]}.jsonl"


def _record(folder: Path) -> Dataset | None:
    """What the folder's record says; None when it is damaged or being removed."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        dataset = Dataset(**record)
        return dataset if dataset.id == folder.name and _rows_file(folder, dataset.sha256).is_file() else None
    except (OSError, ValueError, TypeError):
        return None


def _create(dataset: Dataset, rows: bytes) -> None:
    aside = _home() / f".new-{dataset.id}-{secrets.token_hex(2)}"
    try:
        workspace.write_atomic(_rows_file(aside, dataset.sha256), rows)
        workspace.write_json(aside / _RECORD, asdict(dataset))
        aside.rename(_folder(dataset.id))
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _swap(dataset: Dataset, rows: bytes) -> None:
    folder = _folder(dataset.id)
    target = _rows_file(folder, dataset.sha256)
    workspace.write_atomic(target, rows)
    workspace.write_json(folder / _RECORD, asdict(dataset))
    for old in folder.glob("rows-*.jsonl"):
        if old != target:
            old.unlink(missing_ok=True)


def _sweep() -> None:
    """Remove what a crash left aside; an hour is longer than any writing takes."""
    for leftover in [*_home().glob(".new-*"), *_home().glob(".gone-*")]:
        if time.time() - leftover.stat().st_mtime > _HOUR:
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _writing() -> Iterator[None]:
    """One writer at a time in this process; what the disk refuses is said in a sentence."""
    try:
        with _lock:
            yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DataError("data.disk_full" if full else "data.disk", reason=error.strerror or str(error)) from error


@lru_cache(maxsize=2)
def _own_examples(id: str, digest: str) -> list[Example]:
    content = _rows_file(_folder(id), digest).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError("data.damaged", id=id)
    lines = content.decode("utf-8").split("\n")[:-1]
    return [Example(json.loads(line)["messages"], number) for number, line in enumerate(lines, 1)]


@lru_cache(maxsize=16)
def _statistics(id: str, digest: str) -> Statistics:
    return compute_statistics(examples(id))


def _asset(id: str) -> Path:
    return workspace.ASSETS / "datasets" / f"{id}.jsonl"


def _stamp(id: str) -> tuple[int, int]:
    status = _asset(id).stat()
    return status.st_mtime_ns, status.st_size


def _bundled_rows(id: str) -> list[Example]:
    result = read(_asset(id))
    if result.problems:
        raise DataError("data.nothing", file=_asset(id).name, line=result.problems[0].line,
                        message=result.problems[0].message)  # fmt: skip
    return result.examples


@lru_cache(maxsize=8)
def _bundled_examples(id: str, stamp: tuple[int, int]) -> list[Example]:
    return imprint(*IMPRINT) if id == "imprint" else _bundled_rows(id)


@lru_cache(maxsize=8)
def _bundled_digest(id: str, stamp: tuple[int, int]) -> tuple[int, str]:
    rows = _bundled_examples(id, stamp)
    return len(rows), _lines(rows)[1]


def _bundled(id: str) -> Dataset:
    rows, digest = _bundled_digest(id, _stamp(id))
    name = text.say(f"data.bundled.{id}")
    return Dataset(id, name, rows, digest, _asset(id).stat().st_mtime, text.say("data.bundled.source"), bundled=True)
