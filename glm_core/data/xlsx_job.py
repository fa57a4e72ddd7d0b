"""Excel files of large sets, made in the background: with progress, to be cancelled, kept for a day.

A file appears whole under `home()/datasets/.sheets` and is named after the rows in it, so that a changed set never gets
the file of its former rows, and a restarted server finds what is finished. Not here: what is in a file (export.py).
"""

import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from glm_core.data import store
from glm_core.data.examples import DataError, Example
from glm_core.data.export import write_xlsx
from glm_core.data.store import Dataset
from glm_core.jobs import Job, Jobs
from glm_core.permissions import needs

LARGE = 5_000  # rows; fewer take less than a second
_DAY = 86_400

_turn = threading.Lock()  # one file at a time: each takes a whole core
registry: Jobs[Path, "WorkbookExport"] = Jobs()


class WorkbookExport(Job):
    """One file. Made by `start` and `find`.

    Attributes:
        path: the file, once it is done.
        fraction: the share of the rows that are written.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.fraction = path, 0.0
        self.state = "done" if path.is_file() else "running"

    def begin(self, rows: Sequence[Example]) -> None:
        """Write the file of `rows` in a thread of its own."""
        self.run_in_thread(f"sheet-{self.path.stem}", self._work, rows)

    def _work(self, rows: Sequence[Example]) -> None:
        self.state = self.attempt(lambda: self._write(rows), DataError, "data.sheet_defect")

    def _write(self, rows: Sequence[Example]) -> None:
        part = self.path.with_name(f".{self.path.name}-{secrets.token_hex(2)}")
        try:
            with _turn, store.explained():
                self._note(0.0)
                self.path.parent.mkdir(parents=True, exist_ok=True)
                sweep(self.path.parent)
                write_xlsx(rows, part, self._note)
                part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)

    def _note(self, fraction: float) -> None:
        self.check()
        self.fraction = fraction


@needs("trainer")
def start(dataset: Dataset, rows: Sequence[Example]) -> WorkbookExport:
    """The Excel file of `dataset`, which has these `rows`: begun now, unless it is under way or there already."""
    with registry.lock:
        sheet = find(dataset)
        if sheet is None or sheet.state in ("cancelled", "failed"):
            path = _path(dataset)
            sheet = registry.add(path, WorkbookExport(path))
            sheet.begin(rows)
        return sheet


def find(dataset: Dataset) -> WorkbookExport | None:
    """The file of `dataset` under way, ended, or left by an earlier server; None where nobody asked for one."""
    path = _path(dataset)
    with registry.lock:
        sheet = registry.get(path)
        if sheet is not None and sheet.state == "done" and not path.is_file():
            registry.forget(path)
        return registry.get_or_add(path, lambda: WorkbookExport(path) if path.is_file() else None)


def sweep(folder: Path) -> None:
    """Delete files, whole or half, that are a day old."""
    for file in folder.iterdir():
        if time.time() - file.stat().st_mtime > _DAY:
            file.unlink(missing_ok=True)


def _path(dataset: Dataset) -> Path:
    return store.home() / ".sheets" / f"{dataset.id}-{dataset.sha256[:16]}.xlsx"
