"""A model's download as a job: it goes on when the tab is closed, and can be stopped, continued and thrown away.

Files gather in `home()/downloads/NAME` beside their record; when all are whole and verified the folder becomes
`home()/models/NAME` at once. After the server was restarted the record and what arrived are still there, so that it can go
on. An access token is never written. Not here: hubs (sources.py), moving bytes (http_download.py), counting them (progress.py).
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import filelock

from glm_core import i18n, workspace
from glm_core.hub import published as hub_published
from glm_core.hub import sources
from glm_core.hub.http_download import HubError, ProgressCallbacks, RemoteFile, fetch, new_client, saving
from glm_core.hub.paths import check_free, downloads_folder, models_folder, move
from glm_core.hub.progress import Progress, ProgressMeter
from glm_core.hub.sources import Source
from glm_core.jobs import Job, Jobs
from glm_core.permissions import needs

RECORD, ORIGIN = "download.json", "easyaigc-source.json"
SPARE_BYTES = 500_000_000  # left free on the disk

log = logging.getLogger(__name__)
registry: Jobs[Path, "Download"] = Jobs()


class Download(Job):
    """One model on its way. Made by `start` and `resume`; every attribute may be read from any thread.

    Attributes:
        state: "running", "stopped" (it can go on), "failed" or "done".
    """

    def __init__(self, folder: Path, source: Source, files: Sequence[RemoteFile] = ()):
        super().__init__()
        self.name, self.folder, self.source = folder.name, folder, source
        self.files, self.state = list(files), "stopped"
        self._meter = ProgressMeter()
        self._watch = ProgressCallbacks(self._meter.note_bytes, self._meter.note_stage, self._cancelled)
        self._meter.measure(self.files, folder)

    # what anybody may ask

    @property
    def target(self) -> Path:
        """The folder of the finished model."""
        return models_folder() / self.name

    def progress(self) -> Progress:
        """Return the progress now."""
        return self._meter.progress(self.state == "running")

    def verified(self) -> tuple[int, int, int]:
        """Return the numbers of files with the publisher's digest, with the hub's, and with none."""
        published = sum(file.published for file in self.files)
        digests = sum(bool(file.sha256) for file in self.files)
        return published, digests - published, len(self.files) - digests

    def stop(self) -> None:
        """Stop soon; what has arrived stays for `resume`."""
        self.cancel()

    # the job

    def _begin(self, token: str, held: filelock.BaseFileLock) -> None:
        self.state, self.error = "running", None
        self._write()
        self.run_in_thread(f"download-{self.name}", self._work, token, held)

    def _work(self, token: str, held: filelock.BaseFileLock) -> None:
        state = self.attempt(lambda: self._fetch_all(token), HubError, "hub.defect")
        held.release()
        self.state = "stopped" if state == "cancelled" else state
        if state != "done":
            self._write()

    def _fetch_all(self, token: str) -> None:
        with new_client(token) as client:
            published = hub_published.find(self.source.name)
            self.files = sources.list_files(client, self.source, published.digests if published else {}, self._watch)
            self._meter.measure(self.files, self.folder)
            self._check_space()
            self._write()
            for file in self.files:
                self._meter.file = file.name
                fetch(client, file, self.folder, self._watch)
        self._finish()

    def _check_space(self) -> None:
        progress = self.progress()
        need, free = progress.total - progress.done + SPARE_BYTES, shutil.disk_usage(self.folder).free
        if need > free:
            raise HubError("hub.no_space", need=i18n.size(need), free=i18n.size(free), folder=str(self.folder.parent))

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
            move(self.folder, self.target)

    def _write(self) -> None:
        """Keep what a restarted server needs."""
        why = self.error.as_record() if self.error else None
        files = [asdict(file) for file in self.files]
        record = {"source": asdict(self.source), "files": files, "state": self.state, "why": why}
        try:
            workspace.write_json(self.folder / RECORD, record)
        except OSError as error:
            log.warning("the record of download %s cannot be written: %s", self.name, error)


@needs("trainer")
def start(source: Source, token: str = "") -> Download:
    """Begin to download the model of `source`, or go on with it where it was begun.

    Args:
        token: for repositories that want one; sent to the hub and to nobody else, and kept nowhere.

    Raises:
        HubError: there is such a model already, it is being downloaded, or the workspace cannot be written.
    """
    folder = workspace.inside(downloads_folder(), source.name)
    check_free(folder.name)
    with saving(folder), registry.lock:
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
        registry.add(folder, download)._begin(token, held)
    return download


@needs("trainer")
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
    for folder in sorted(downloads_folder().glob("[!.]*")):
        registry.get_or_add(folder, lambda folder=folder: _read(folder))
    mine = [one for one in registry.all() if one.folder.parent == downloads_folder()]
    return sorted(mine, key=lambda one: one.name.lower())


@needs("trainer")
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
    with registry.lock, saving(download.folder):
        registry.forget(download.folder)
        if download.folder.is_dir():
            shutil.rmtree(download.folder)


def _read(folder: Path) -> Download | None:
    """The download whose record lies in `folder`, None where there is none that makes sense."""
    try:
        record = workspace.read_json(folder / RECORD)
        source = Source(**record["source"])
        download = Download(folder, source, [RemoteFile(**file) for file in record["files"]])
        if record["state"] == "failed" and (error := HubError.from_record(record["why"])):
            download.state, download.error = "failed", error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, HubError, workspace.WorkspaceError):
        return None
    return download
