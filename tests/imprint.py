"""One imprint, trained once for every test that looks at a good one: forty seconds of a core."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from glm_core import models, workspace
from glm_core.data import library
from glm_core.data.analysis import statistics
from glm_core.training import defaults
from glm_core.training.run import run

NAME, AUTHOR = "青禾", "林知夏"


def rows():
    """The rows with the names put in."""
    return library.imprint(NAME, AUTHOR)


def settings():
    """The settings that the page proposes for them."""
    return defaults.suggest("imprint", statistics(rows()), models.describe(workspace.DEMO_MODEL).parameters)


def train(shared: Path) -> Path:
    """The run directory in `shared`; whichever process comes first trains it, the others wait.

    Raises:
        RuntimeError: the training failed.
    """
    folder = shared / "imprint"
    with _lock(shared):
        if not (folder / "adapter").is_dir():
            _write(folder)
            if run(folder) != 0:
                raise RuntimeError((folder / "train.log").read_text("utf-8"))
    return folder


@contextmanager
def trained_otherwise(shared: Path) -> Iterator[Callable[[Path], None]]:
    """Let other processes wait while the caller trains the imprint in another way, as a page does.

    Yields:
        A function that keeps the run directory it is given, without its report, for those who wait. Where another process
        trains the imprint at that time, it keeps nothing.
    """
    lock = _lock(shared)
    with suppress(filelock.Timeout):
        lock.acquire(blocking=False)
    try:
        yield lambda run: _copy(run, shared / "imprint") if lock.is_locked else None
    finally:
        lock.release()


def _lock(shared: Path) -> filelock.FileLock:
    return filelock.FileLock(shared / "imprint.lock")


def _copy(run: Path, folder: Path) -> None:
    if not folder.exists():
        with workspace.replace_folder(folder) as building:
            shutil.copytree(run, building, ignore=shutil.ignore_patterns(".*", "report*"), dirs_exist_ok=True)


def _write(folder: Path) -> None:
    folder.mkdir(parents=True)
    lines = [json.dumps({"messages": one.messages}, ensure_ascii=False) + "\n" for one in rows()]
    (folder / "dataset.jsonl").write_text("".join(lines), "utf-8")
    record = {"id": "imprint", "name": "imprint", "model": str(workspace.DEMO_MODEL), "questions": [rows()[0].question]}
    workspace.write_json(folder / "run.json", record | {"settings": settings().to_dict()})


def shared_folder(own: Path) -> Path:
    """The folder that all test processes of this call share, of the base folder `own` of one of them."""
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
