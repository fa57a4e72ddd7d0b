"""A model's download as a job: it goes on when the tab is closed, and can be stopped, continued and thrown away.

Files gather in `home()/downloads/NAME` beside their record; when all are whole and verified the folder becomes
`home()/models/NAME` at once. After the server was restarted the record and what arrived are still there, so that it can go
on. An access token is never written. Not here: hubs (hub.py), moving bytes (transfer.py).
"""

import errno
import logging
import os
import shutil
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock

from glm_core import text, workspace
from glm_core.errors import EasyError
from glm_core.models import catalogue, hub
from glm_core.models.hub import Source
from glm_core.models.transfer import Cancelled, HubError, RemoteFile, Watch, fetch, new_client, saving

RECORD, ORIGIN = "download.json", "easyaigc-source.json"
SPEED_SECONDS = 5.0  # over which the speed is averaged
SPARE_BYTES = 500_000_000  # left free on the disk
ENDED = ("stopped", "failed", "done")

log = logging.getLogger(__name__)
_lock = threading.Lock()
_known: dict[Path, "Download"] = {}


@dataclass(frozen=True)
class Progress:
    """How far a download is: bytes, bytes a second, seconds left (None while unknown), the file and what is done with it."""

    done: int
    total: int
    speed: float
    seconds_left: float | None
    file: str
    stage: str

    @property
    def fraction(self) -> float:
        """Share done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


class Download:
    """One model on its way. Made by `start` and `resume`; every attribute may be read from any thread.

    Attributes:
        state: "running", "stopped", "failed" or "done".
        error: why it failed, as an error whose text is in the reader's language.
    """

    def __init__(self, folder: Path, source: Source, files: list[RemoteFile] = ()):
        self.name, self.folder, self.source = folder.name, folder, source
        self.files, self.state = list(files), "stopped"
        self.error: EasyError | None = None
        self._watch = Watch(self._note_bytes, self._note_stage)
        self._thread: threading.Thread | None = None
        self._sizes: dict[str, int] = {}
        self._file, self._stage = "", "download.stage.listing"
        self._seen: deque[tuple[float, int]] = deque(maxlen=200)
        self._measure()

    # what anybody may ask

    @property
    def target(self) -> Path:
        """Where the model will be."""
        return models_folder() / self.name

    def progress(self) -> Progress:
        """How far it is now."""
        done, total = sum(list(self._sizes.values())), sum(file.size for file in self.files)
        speed = self._speed() if self.state == "running" else 0.0
        left = (total - done) / speed if speed and total else None
        return Progress(done, total, speed, left, self._file, self._stage)

    def verified(self) -> tuple[int, int, int]:
        """How many files the publisher's own digest covers, how many the hub's, and how many none."""
        published = sum(file.published for file in self.files)
        digests = sum(bool(file.sha256) for file in self.files)
        return published, digests - published, len(self.files) - digests

    def stop(self) -> None:
        """Stop soon; what has arrived stays for `resume`."""
        self._watch.cancelled.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    # the job

    def _begin(self, token: str, held: filelock.BaseFileLock) -> None:
        self.state, self.error = "running", None
        self._watch.cancelled.clear()
        self._write()
        self._thread = threading.Thread(target=self._run, args=(token, held), name=f"download-{self.name}", daemon=True)
        self._thread.start()

    def _run(self, token: str, held: filelock.BaseFileLock) -> None:
        try:
            self._fetch_all(token)
            state = "done"
        except Cancelled:
            state = "stopped"
        except EasyError as error:
            state, self.error = "failed", error
        except Exception:
            log.exception("downloading %s failed", self.name)
            state, self.error = "failed", HubError("hub.defect")
        finally:
            held.release()
        self.state = state
        if state != "done":
            self._write()

    def _fetch_all(self, token: str) -> None:
        with new_client(token) as client:
            published = catalogue.find(self.source.name)
            self.files = hub.list_files(client, self.source, published.digests if published else {}, self._watch)
            self._measure()
            self._check_space()
            self._write()
            for file in self.files:
                self._file = file.name
                fetch(client, file, self.folder, self._watch)
        self._finish()

    def _check_space(self) -> None:
        progress = self.progress()
        need, free = progress.total - progress.done + SPARE_BYTES, shutil.disk_usage(self.folder).free
        if need > free:
            raise HubError("hub.no_space", need=text.size(need), free=text.size(free), folder=str(self.folder.parent))

    def _finish(self) -> None:
        """Give the whole folder its name among the models, with a note of where it came from."""
        files = {file.name: {"size": file.size, "sha256": file.sha256} for file in self.files}
        with saving(self.folder):
            for path in self.folder.iterdir():  # of an earlier listing
                if path.name not in files:
                    path.unlink()
            workspace.write_json(self.folder / ORIGIN, asdict(self.source) | {"files": files})
            self.target.parent.mkdir(parents=True, exist_ok=True)
            check_free(self.name)
            _move(self.folder, self.target)

    def _write(self) -> None:
        """Keep what a restarted server needs."""
        why = {"key": self.error.key, "values": _plain(self.error.values)} if self.error else None
        files = [asdict(file) for file in self.files]
        record = {"source": asdict(self.source), "files": files, "state": self.state, "why": why}
        try:
            workspace.write_json(self.folder / RECORD, record)
        except OSError as error:
            log.warning("the record of download %s cannot be written: %s", self.name, error)

    def _measure(self) -> None:
        """Count what lies in the folder."""
        sizes = {}
        for file in self.files:
            for path in (self.folder / file.name, self.folder / f"{file.name}.part"):
                if path.is_file():
                    sizes[file.name] = path.stat().st_size
        self._sizes = sizes
        self._seen.clear()

    def _note_bytes(self, done: int) -> None:
        self._sizes[self._file] = done
        now = time.monotonic()
        if self._stage == "download.stage.fetching" and (not self._seen or now - self._seen[-1][0] > 0.1):
            self._seen.append((now, sum(self._sizes.values())))

    def _note_stage(self, key: str) -> None:
        if key != self._stage and key != "download.stage.fetching":
            self._seen.clear()
        self._stage = key

    def _speed(self) -> float:
        now = time.monotonic()
        recent = [(when, count) for when, count in list(self._seen) if now - when <= SPEED_SECONDS]
        if len(recent) < 2 or now == recent[0][0]:
            return 0.0
        return max(recent[-1][1] - recent[0][1], 0) / (now - recent[0][0])


def _move(folder: Path, target: Path) -> None:
    """Rename `folder`; where the models lie on another disk, copy it, and only the whole copy gets the name."""
    try:
        os.rename(folder, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        building = target.with_name(f".{target.name}.new")
        shutil.rmtree(building, ignore_errors=True)
        shutil.copytree(folder, building)
        os.rename(building, target)
        shutil.rmtree(folder)


def _plain(values: dict) -> dict:
    return {key: value if isinstance(value, (int, float, str)) else str(value) for key, value in values.items()}


def models_folder() -> Path:
    """Where models of one's own lie."""
    return workspace.home() / "models"


def downloads_folder() -> Path:
    """Where unfinished downloads lie."""
    return workspace.home() / "downloads"


def check_free(name: str) -> None:
    """Refuse a name that a model has already.

    Raises:
        HubError: there is such a model.
    """
    if os.path.lexists(models_folder() / name) or (workspace.ASSETS / "models" / name).exists():
        raise HubError("hub.exists", name=name)


def start(source: Source, token: str = "") -> Download:
    """Begin to download the model of `source`, or go on with it where it was begun.

    Args:
        token: for repositories that want one; sent to the hub and to nobody else, and kept nowhere.

    Raises:
        HubError: there is such a model already, it is being downloaded, or the workspace cannot be written.
    """
    folder = workspace.inside(downloads_folder(), source.name)
    check_free(folder.name)
    with saving(folder), _lock:
        folder.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(downloads_folder() / f".{folder.name}.lock", thread_local=False)
        try:
            held.acquire(timeout=0)
        except filelock.Timeout as error:
            raise HubError("hub.running", name=folder.name) from error
        earlier = _read(folder)
        if earlier is not None and earlier.source != source:
            shutil.rmtree(folder)  # parts of another repository or revision
            folder.mkdir()
            earlier = None
        download = earlier or Download(folder, source)
        _known[folder] = download
        download._begin(token, held)
    return download


def resume(name: str, token: str = "") -> Download:
    """Go on with the download called `name`.

    Raises:
        HubError: there is none, or as for `start`.
    """
    return start(get(name).source, token)


def get(name: str) -> Download:
    """The unfinished or just finished download called `name`.

    Raises:
        HubError: there is none.
    """
    for download in downloads():
        if download.name == name:
            return download
    raise HubError("hub.unknown_download", name=str(name)[:80])


def downloads() -> list[Download]:
    """Every download of this workspace: running, finished since the start, and what earlier ones left, by name."""
    with _lock:
        for folder in sorted(downloads_folder().glob("[!.]*")):
            known = _known.get(folder)
            if known is None and (found := _read(folder)) is not None:
                _known[folder] = found
        mine = [one for folder, one in _known.items() if folder.parent == downloads_folder()]
    return sorted(mine, key=lambda one: one.name.lower())


def discard(name: str) -> None:
    """Throw away the download called `name` and what has arrived of it. A finished one's model stays.

    Raises:
        HubError: there is none, or its thread does not end.
    """
    download = get(name)
    download.stop()
    download.wait(30)
    if download.state == "running":
        raise HubError("hub.still_running", name=name)
    with _lock, saving(download.folder):
        _known.pop(download.folder, None)
        if download.folder.is_dir():
            shutil.rmtree(download.folder)


def _read(folder: Path) -> Download | None:
    """The download whose record lies in `folder`, None where there is none that makes sense."""
    try:
        record = workspace.read_json(folder / RECORD)
        source = Source(**record["source"])
        download = Download(folder, source, [RemoteFile(**file) for file in record["files"]])
        if record["state"] == "failed" and record["why"]:
            download.state, download.error = "failed", HubError(record["why"]["key"], **record["why"]["values"])
            str(download.error)  # a sentence of this version's tables, or not worth keeping
    except (OSError, ValueError, KeyError, TypeError, AttributeError, HubError, workspace.WorkspaceError):
        return None
    return download
