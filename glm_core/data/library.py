"""The library of data sets: listed, read, added, changed, divided, removed; bundled ones are read only.

Who may do what is not decided here. Not here: how a set lies on disk (store.py), the bundled ones (bundled.py).
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.data import bundled, store
from glm_core.data.analysis import Statistics, divide
from glm_core.data.analysis import statistics as compute_statistics
from glm_core.data.bundled import BUNDLED, IMPRINT, imprint
from glm_core.data.examples import DataError, Example, Notice, notices_from
from glm_core.data.export import count_formulas
from glm_core.data.hygiene import check
from glm_core.data.hygiene.check import Finding
from glm_core.data.store import MAX_NAME, Dataset
from glm_core.permissions import needs

FINDINGS_KEPT = 8  # sets whose findings stay in memory
MAX_SOURCE = 300  # characters of the sources of a set that was appended to

_findings: dict[tuple[str, str], list[Finding]] = {}

__all__ = [
    "BUNDLED",
    "IMPRINT",
    "MAX_NAME",
    "Dataset",
    "add",
    "append",
    "content",
    "copy",
    "damaged",
    "datasets",
    "examples",
    "findings",
    "forget_previous",
    "get",
    "imprint",
    "keep_imprint",
    "remove",
    "rename",
    "replace_rows",
    "restore",
    "rewordings",
    "rows_file",
    "split",
    "statistics",
    "unused_name",
]


def datasets() -> list[Dataset]:
    """All readable data sets, the newest first, the bundled ones last."""
    own = [dataset for dataset in map(store.read_record, store.folders()) if dataset]
    own.sort(key=lambda dataset: (dataset.created, dataset.id), reverse=True)
    return own + [bundled.dataset(id) for id in BUNDLED if bundled.is_bundled(id)]


def unused_name(name: str) -> str:
    """`name`, with a number behind it where a set is called so already."""
    known, name = {one.name for one in datasets()}, name[: MAX_NAME - 6]
    numbered = (i18n.t("datasets.again_name", name=name, number=number) for number in range(2, len(known) + 3))
    return next(one for one in (name, *numbered) if one not in known)


def damaged() -> list[str]:
    """Ids of folders whose record or rows cannot be read (edited by hand, or a broken disk): to be removed."""
    return [folder.name for folder in store.folders() if store.read_record(folder) is None]


def get(id: str) -> Dataset:
    """The data set `id`.

    Raises:
        DataError: there is none, or it is damaged.
    """
    if bundled.is_bundled(id):
        return bundled.dataset(id)
    folder = store.folder(id)
    if not folder.is_dir():
        raise DataError("data.no_dataset", id=id)
    dataset = store.read_record(folder)
    if dataset is None:
        raise DataError("data.damaged", id=id)
    return dataset


def examples(id: str) -> Sequence[Example]:
    """The rows of the data set `id`; `line` counts from 1. Shared: change copies. Raises DataError as `get`."""
    missing = None
    while True:
        dataset = get(id)
        if dataset.sha256 == missing:
            raise DataError("data.damaged", id=id)
        try:
            return bundled.examples(id) if dataset.bundled else store.read_rows(id, dataset.sha256)
        except FileNotFoundError:  # replaced after the record was read, or gone for good: the next record tells which
            missing = dataset.sha256


def content(id: str) -> tuple[Dataset, bytes]:
    """The data set `id` and its row file, whose sha256 is the set's. Raises DataError as `get`."""
    for _ in range(3):  # as in `examples`
        dataset = get(id)
        try:
            rows = (
                store.lines_of(bundled.examples(id))[0]
                if dataset.bundled
                else store.rows_file(store.folder(id), dataset.sha256).read_bytes()
            )
        except FileNotFoundError:
            continue
        if hashlib.sha256(rows).hexdigest() == dataset.sha256:
            return dataset, rows
    raise DataError("data.damaged", id=id)


def rows_file(id: str) -> Path:
    """The file of the rows of the data set `id`, one JSON object a line, for a command to read. Raises DataError as `get`."""
    dataset = get(id)
    return bundled.asset(id) if dataset.bundled else store.rows_file(store.folder(id), dataset.sha256)


def rewordings(id: str) -> bytes:
    """The row files of the sets that ask the questions of the set `id` in other words, one after another."""
    return b"".join(content(one.id)[1] for one in datasets() if one.reworded_of == id)


def findings(id: str, progress: Callable[[float], None] = lambda fraction: None) -> list[Finding]:
    """Return the findings about the data set `id` (see `hygiene.check`), kept in memory until its rows change."""
    key = id, get(id).sha256
    found = _findings.get(key)
    if found is None:
        found = check.check(examples(id), progress)
        while len(_findings) >= FINDINGS_KEPT:
            _findings.pop(next(iter(_findings)), None)
        _findings[key] = found
    return found


def statistics(id: str) -> Statistics:
    """The statistics of the data set `id`, kept in memory until its rows change."""
    return _statistics(id, get(id).sha256)


def formulas(id: str) -> int:
    """How many cells of the set's table a spreadsheet would run, kept in memory until its rows change."""
    return _formulas(id, get(id).sha256)


@needs("trainer")
def add(
    name: str,
    examples: Sequence[Example],
    *,
    source: str = "",
    id: str | None = None,
    notices: Sequence[Notice] = (),
    reworded_of: str = "",
) -> Dataset:
    """Put `examples` into the library, or in place of the rows of the set `id` if there is one.

    Args:
        reworded_of: the set whose questions these rows ask in other words: its runs' reports ask them.

    Raises:
        DataError: a bad name, no rows, a row that cannot be used, or a full disk; nothing is changed then.
    """
    id = id or workspace.new_id()
    name = store.checked_name(name)
    if id in BUNDLED:
        raise DataError("data.bundled", name=id)
    rows, digest = store.lines_of(examples)
    records = tuple(notice.as_record() for notice in notices)
    dataset = Dataset(id, name, len(examples), digest, time.time(), source, reworded_of=reworded_of, notices=records)
    with store.writing():
        workspace.sweep_leftovers(store.home(), depth=0)
        if store.folder(id).is_dir():
            store.swap(dataset, rows)
        else:
            store.create(dataset, rows)
    return dataset


@needs("trainer")
def replace_rows(
    id: str,
    examples: Sequence[Example],
    *,
    source: str | None = None,
    expected: str | None = None,
    notices: Sequence[Notice] | None = None,
) -> Dataset:
    """Put `examples` in place of all rows of the set `id`.

    Args:
        source: the file they came from, if it is another one.
        expected: the sha256 the change was based on; refuses when somebody else changed the rows meanwhile.
        notices: of that file; those of the set stay where none are given.

    Raises:
        DataError: as `add`, the set is bundled, or the rows are no longer the expected ones.
    """
    rows, digest = store.lines_of(examples)
    with store.writing():
        dataset = _own(id)
        if expected not in (None, dataset.sha256):
            raise DataError("data.changed", name=dataset.name)
        source = dataset.source if source is None else source
        told = dataset.notices if notices is None else tuple(notice.as_record() for notice in notices)
        previous = dataset.previous if digest == dataset.sha256 else dataset.sha256
        changed = replace(dataset, rows=len(examples), sha256=digest, source=source, notices=told, previous=previous)
        store.swap(changed, rows)
    return changed


@needs("trainer")
def restore(id: str, *, expected: str | None = None) -> Dataset:
    """Give the set `id` the rows it had before its last change. Doing so twice changes nothing.

    Raises:
        DataError: there are no earlier rows, or as `replace_rows`.
    """
    dataset = _own(id)
    try:
        rows: Sequence[Example] = store.read_rows(id, dataset.previous) if dataset.previous else ()
    except FileNotFoundError:
        rows = ()
    if not rows:
        raise DataError("data.nothing_to_restore", name=dataset.name)
    return replace_rows(id, rows, expected=expected or dataset.sha256)


@needs("trainer")
def forget_previous(id: str) -> Dataset:
    """Delete the rows that the set `id` had before its last change, for good."""
    with store.writing():
        dataset = replace(_own(id), previous="")
        store.swap(dataset, store.rows_file(store.folder(id), dataset.sha256).read_bytes())
    return dataset


@needs("trainer")
def append(id: str, examples: Sequence[Example], *, source: str = "", notices: Sequence[Notice] = ()) -> Dataset:
    """Put `examples` behind the rows of the set `id`; its notices gain those of the new rows' file.

    Raises:
        DataError: as `replace_rows`.
    """
    dataset = _own(id)
    told = [*notices_from(dataset.notices), *notices]
    source = source if not dataset.source else f"{dataset.source} + {source}"[:MAX_SOURCE]
    return replace_rows(id, [*_rows(dataset), *examples], source=source, expected=dataset.sha256, notices=told)


@needs("trainer")
def rename(id: str, name: str) -> Dataset:
    """Give the set `id` another name. Raises DataError for a bad name or a bundled set."""
    name = store.checked_name(name)
    with store.writing():
        dataset = replace(_own(id), name=name)
        workspace.write_json(store.folder(id) / store.RECORD, asdict(dataset))
    return dataset


@needs("trainer")
def remove(id: str) -> None:
    """Delete the set `id`, damaged or not. Runs keep their own copy of the rows.

    Raises:
        DataError: there is none, or it is bundled.
    """
    if id in BUNDLED:
        raise DataError("data.bundled", name=id)
    folder = store.folder(id)
    if not folder.is_dir():
        raise DataError("data.no_dataset", id=id)
    with store.writing():
        workspace.discard_folder(folder)


@needs("trainer")
def split(id: str, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Two new sets of the rows of `id`: for training, and about `share` of them for validation (see `divide`)."""
    dataset = get(id)
    parts = divide(examples(id), share, seed)
    names = (i18n.t(key, name=dataset.name) for key in ("data.part.train", "data.part.validation"))
    train, validation = (
        add(name[:MAX_NAME], part, source=dataset.name) for name, part in zip(names, parts, strict=True)
    )
    return train, validation


def _rows(dataset: Dataset) -> Sequence[Example]:
    return examples(dataset.id)


def _own(id: str) -> Dataset:
    """The set `id`, which must not be a bundled one."""
    dataset = get(id)
    if dataset.bundled:
        raise DataError("data.bundled", name=dataset.name)
    return dataset


@needs("trainer")
def keep_imprint(name: str, author: str) -> Dataset:
    """The reader's own imprint as a data set. The same names are the same set, which may have been edited meanwhile."""
    rows = imprint(name, author)
    name, author = store.checked_name(name, 40), store.checked_name(author, 40)
    mark = hashlib.sha256(f"{name}\n{author}".encode()).hexdigest()[:8]
    id = f"imprint-{mark}"
    if store.folder(id).is_dir() and store.read_record(store.folder(id)):
        return get(id)
    title = i18n.t("data.imprint_name", name=name, author=author)
    return add(title[:MAX_NAME], rows, source=i18n.t("data.bundled.imprint"), id=id)


@needs("trainer")
def copy(id: str) -> Dataset:
    """A set of one's own with the rows of `id`, to be changed at will."""
    dataset = get(id)
    return add(i18n.t("data.copy_name", name=dataset.name)[:MAX_NAME], examples(id), source=dataset.name)


@lru_cache(maxsize=16)
def _formulas(id: str, digest: str) -> int:
    return count_formulas(examples(id))


@lru_cache(maxsize=16)
def _statistics(id: str, digest: str) -> Statistics:
    return compute_statistics(examples(id))
