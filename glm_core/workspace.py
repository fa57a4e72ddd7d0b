"""Paths of the program's files and the ways they are written: atomically as a whole, or appended line by line.

Names beginning with `.new-` are being built and names beginning with `.gone-` are being deleted; readers skip both, and
`sweep_leftovers` removes those that a killed process left behind.
"""

import errno
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from glm_core.errors import EasyError

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
DEMO_MODEL = ASSETS / "models" / "chatglm-demo"

BUILDING, DISCARDED = ".new-", ".gone-"
LEFTOVER_SECONDS = 3600.0  # longer than any write takes
SWEPT_DEPTH = 3  # levels below the workspace in which files are written
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_DISK_WORDS = (
    "No space left",
    "Disk quota exceeded",
    "PytorchStreamWriter failed",
    "unexpected pos",
    "iostream error",
)
SETTLING_SECONDS = 0.2
T = TypeVar("T")


class WorkspaceError(EasyError):
    """A name or path that does not belong in the workspace."""


def home() -> Path:
    """Return the folder that everything is written under: EASYAIGC_HOME, or `workspace/` beside app.py."""
    return Path(os.environ.get("EASYAIGC_HOME") or ROOT / "workspace").expanduser().resolve()


def new_id() -> str:
    """Return a sortable, unique folder name such as `20261124-153012-a1b2`."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def inside(folder: Path, name: str) -> Path:
    """Return `folder / name`, where `name` is one plain component that cannot leave `folder`.

    Raises:
        WorkspaceError: the name is empty, hidden, has a separator or control character, or is too long.
    """
    if not is_plain(name):
        raise WorkspaceError("workspace.bad_name", name=repr(name))
    return folder / name


def is_plain(name: str) -> bool:
    """Return True for a name of one component that is neither hidden nor able to leave its folder."""
    return bool(re.fullmatch(r"[^\x00-\x1f/\\:]{1,120}", name or "")) and not name.startswith(".")


def folder_size(folder: Path) -> int:
    """Return the bytes of the files directly in `folder`."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` so that a reader, or a crash, sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{BUILDING}{path.name[:80]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def replace_folder(folder: Path, *, exist_ok: bool = True, building: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder to write into; it becomes `folder`, or replaces it, when the block ends without an error.

    The folder is built beside its destination and renamed, so that a reader or a crash sees the old one, the new one, or
    (for the moment between two renames) none, never a part. On an error nothing changes.

    Args:
        exist_ok: whether `folder` may be there already, and is replaced.
        building: the folder to build in, where other processes write into it too (`building_of`); else one of its own.

    Raises:
        OSError: the disk refuses, or `folder` is there already and not `exist_ok`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if building is None:
        building = Path(tempfile.mkdtemp(prefix=f"{BUILDING}{folder.name[:80]}-", dir=folder.parent))
    else:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
    try:
        yield building
        share(building)
        former = _set_aside(folder) if exist_ok and os.path.lexists(folder) else None
        os.rename(building, folder)
        if former is not None:
            shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def building_of(folder: Path) -> Path:
    """Return where `folder` is built by several processes at once."""
    return folder.with_name(f"{BUILDING}{folder.name[:80]}")


def discard_folder(folder: Path, *, ignore_errors: bool = False) -> None:
    """Delete `folder`: it is renamed first, so that it disappears at once however long the deletion takes.

    Raises:
        OSError: it cannot be renamed or deleted, unless `ignore_errors`.
    """
    try:
        shutil.rmtree(_set_aside(folder), ignore_errors=ignore_errors)
    except OSError:
        if not ignore_errors:
            raise


def _set_aside(folder: Path) -> Path:
    aside = folder.with_name(f"{DISCARDED}{folder.name[:80]}-{secrets.token_hex(3)}")
    os.rename(folder, aside)
    return aside


def share(folder: Path) -> None:
    """Let other users of the machine read `folder` and its files: temporary folders and safetensors files start out private."""
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o755 if path.is_dir() else 0o644)


def sweep_leftovers(folder: Path | None = None, depth: int = SWEPT_DEPTH, age: float = LEFTOVER_SECONDS) -> None:
    """Delete what killed processes left half written or half deleted in `folder` (the workspace) and `depth` levels below.

    Args:
        age: seconds after which nobody can be writing any more; 0 where the caller holds the lock of all writers.
    """
    try:
        entries = list(os.scandir(folder or home()))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith((BUILDING, DISCARDED)):
            _sweep(entry, age)
        elif depth and entry.is_dir(follow_symlinks=False):
            sweep_leftovers(Path(entry.path), depth - 1, age)


def _sweep(entry: os.DirEntry, age: float) -> None:
    try:
        old = time.time() - entry.stat(follow_symlinks=False).st_mtime
        if entry.name.startswith(BUILDING) and old < age:  # another process may still write it
            return
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
    except OSError:  # another process was faster
        return


def is_disk_full(error: BaseException) -> bool:
    """Return True where the disk, a quota or the largest file size of the file system is exhausted.

    Torch reports a failed write as a RuntimeError of its file writer, safetensors as an I/O error in words.
    """
    return (isinstance(error, OSError) and error.errno in FULL_DISK) or says_disk_full(str(error))


def says_disk_full(words: str) -> bool:
    """Return True where an error's text, or a log with one, says that the disk is full."""
    return any(mark in words for mark in FULL_DISK_WORDS)


@contextmanager
def explain_os_error(
    kind: type[EasyError],
    folder: Path,
    *,
    full: str = "workspace.disk_full",
    unwritable: str = "workspace.unwritable",
) -> Iterator[None]:
    """Turn an OSError of the block into an error that says what to do.

    Args:
        kind: class of the error raised instead.
        folder: named in the sentence.
        full, unwritable: text keys for a full disk and for anything else; they get `folder` and `reason`.
    """
    try:
        yield
    except OSError as error:
        key = full if is_disk_full(error) else unwritable
        raise kind(key, folder=str(folder), reason=error.strerror or str(error)) from error


def write_json(path: Path, record: object) -> None:
    """`write_atomic` of `record` as readable UTF-8 JSON."""
    write_atomic(path, json.dumps(record, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path, default=None):
    """Return the JSON in `path`; `default` where there is no such file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or nested so deeply that no reader follows.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default


def parse_json(text: str | bytes):
    """Return the JSON in `text`. Raises ValueError for what is none, and for what is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def append_line(path: Path, record: dict) -> None:
    """Add one JSON line to `path` in a single write, so that readers see whole lines."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_lines(path: Path, offset: int = 0) -> tuple[list[dict], int]:
    """Return the complete JSON lines of `path` from byte `offset`, and the offset to go on from.

    A last line without its newline is still being written and is left for the next call.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    whole = content[: content.rfind(b"\n") + 1]
    return [parse_json(line) for line in whole.splitlines() if line.strip()], offset + len(whole)


class FileCache(Generic[T]):
    """Results computed from files, by path, until the file is another one. Shared by threads; the values must not be changed.

    A file that was written within the last `SETTLING_SECONDS` is read anew each time: it may be written again without
    its time or size showing it.
    """

    def __init__(self, most: int):
        self._most = most
        self._found: dict[str, tuple[tuple, T]] = {}

    def get(self, path: str | Path, make: Callable[[Path], T]) -> T:
        """Return `make(path)`, kept since the file was last changed.

        Raises:
            OSError: there is no such file; and whatever `make` raises.
        """
        name = os.fspath(path)
        try:
            status = os.lstat(name)
        except OSError:
            self._found.pop(name, None)
            raise
        state = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        known = self._found.get(name)
        if known is not None and known[0] == state:
            return known[1]
        value = make(Path(path))
        if time.time() - max(status.st_mtime, status.st_ctime) > SETTLING_SECONDS:
            if len(self._found) >= self._most:
                self._found.clear()
            self._found[name] = (state, value)
        return value
