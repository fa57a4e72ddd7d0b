"""Reading run files that may be half written or hostile, and writing where the disk may be full. Knows no run states."""

import json
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from glm_core import workspace
from glm_core.errors import EasyError

LARGEST_RECORD = 4 << 20  # bytes; run.json and status.json are a few kilobytes
SMALL = 16_384  # bytes of a record that is kept in memory
LOCK_SECONDS = 30


class RunError(EasyError):
    """Something about a run cannot be done; the sentence says what, and what to do."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses below `folder` into a sentence.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    with workspace.explain_os_error(RunError, folder):
        yield


@contextmanager
def locked(path: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock file `path` against other threads and other servers; the system frees it when its holder is killed.

    Raises:
        RunError: somebody else held it all through `timeout` seconds, or its folder cannot be written.
    """
    lock = filelock.FileLock(path, timeout=timeout)
    with writing(path.parent):
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise RunError("runs.busy") from error
    try:
        yield
    finally:
        lock.release()


_records: workspace.FileCache[dict] = workspace.FileCache(40_000)


def read_record(path: Path, largest: int = LARGEST_RECORD) -> dict:
    """The JSON object in `path`; empty where there is none, or none that makes sense, or one of more than `largest` bytes.

    Small files are kept in memory until they change: pages look at the records of all runs at every click.
    """
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) or status.st_size > largest:
            return {}
        return dict(_records.get(path, _parse) if status.st_size <= SMALL else _parse(path))
    except (OSError, ValueError, RecursionError):
        return {}


def _parse(path: Path) -> dict:
    record = json.loads(path.read_text(encoding="utf-8"))
    return record if isinstance(record, dict) else {}


def read_rows(path: Path, offset: int = 0) -> tuple[list[dict], int]:
    """The JSON objects appended to `path` since byte `offset`, and where to go on.

    Lines that are no JSON object are skipped; a last line without its newline is left for the next call. A file that has
    become shorter was begun again: it is read from its start, and the offset that comes back is smaller than the one given.
    """
    try:
        if path.is_symlink():
            return [], offset
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            offset = offset if offset <= size else 0
            file.seek(offset)
            content = file.read(size - offset)
    except OSError:
        return [], 0
    end = content.rfind(b"\n") + 1
    return [row for line in content[:end].splitlines() if (row := _row(line)) is not None], offset + end


def _row(line: bytes) -> dict | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def read_tail(path: Path, size: int = 65_536, lines: int = 400) -> str:
    """The last `lines` lines of a log of any size, progress bars reduced to their last state."""
    try:
        if path.is_symlink():
            return ""
        with open(path, "rb") as file:
            end = file.seek(0, 2)
            file.seek(max(0, end - size))
            content = file.read(size).decode("utf-8", errors="replace")
    except OSError:
        return ""
    shown = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in content.split("\n")]
    printable = ("".join(c for c in line if c.isprintable() or c == "\t") for line in shown[-lines:])
    return "\n".join(printable).strip("\n")


def number(value: object, default: float | None = None) -> float | None:
    """`value` where it is a finite number, else `default`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    try:
        return value if math.isfinite(value) else default
    except OverflowError:
        return default


def string(value: object, longest: int = 300) -> str:
    """`value` where it is text, cut to `longest` characters and stripped of control characters; else empty."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in value[:longest]).strip()
