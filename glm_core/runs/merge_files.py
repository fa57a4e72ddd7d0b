"""Where merges lie on disk: their folders, their records, who works on one, and what a killed one left behind.

Not here: the merge itself (merge_job.py), which merges there are and what can be done with one (exporting.py).
"""

import glob
import shutil
from pathlib import Path

import filelock

from glm_core import text, workspace
from glm_core.runs.files import RunError


def folder() -> Path:
    """Where merged models are written."""
    return workspace.home() / "exports"


def record_file(path: Path) -> Path:
    """Where the record of the merge into `path` is."""
    return folder() / ".jobs" / f"{path.name}.json"


def hold(path: Path) -> filelock.BaseFileLock | None:
    """The lock of the merge into `path`, None while somebody has it. The system frees it when its holder is killed."""
    lock = filelock.FileLock(record_file(path).with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return None
    return lock


def check_space(need: int) -> None:
    """Refuse a merge that writes `need` bytes where the disk has not that and a tenth more.

    Raises:
        RunError: says how much is needed and how much is free.
    """
    free = shutil.disk_usage(folder()).free
    if need * 1.1 > free:
        raise RunError("exports.no_space", need=text.size(need), free=text.size(free), folder=str(folder()))


def sweep(path: Path) -> None:
    """Delete what the server that ended in the middle of merging into `path` left half written."""
    for half in folder().glob(f".{glob.escape(path.name)}-*"):
        shutil.rmtree(half, ignore_errors=True)
