"""Rows of a data set at a hub: a look at the first ones, and a slice brought in as one file that the upload page reads.

A download is a job: it shows how far it is, can be stopped, and goes on where it was. Its files lie under
`home()/datasets/.hub` until the slice is made. Not here: what a hub holds and safe transfer (glm_core.hub).
"""

import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glm_core import workspace
from glm_core.data import store
from glm_core.data.examples import DataError
from glm_core.data.readers.isolated import read_records
from glm_core.data.readers.read import MAX_BYTES
from glm_core.hub.http_download import HubError, ProgressCallbacks, RemoteFile, fetch, new_client, saving
from glm_core.hub.progress import Progress, ProgressMeter
from glm_core.hub.remote_datasets import RemoteDataset, head, look_up
from glm_core.hub.sources import Source
from glm_core.jobs import Job, Jobs
from glm_core.permissions import needs

SHOWN = 5  # rows of a look
MOST_ROWS = 1_000_000
SMALL = 5_000_000  # bytes of a file of columns that is fetched for a look
_DAY = 86_400  # seconds

_jobs: Jobs[str, "SliceDownload"] = Jobs()


@dataclass(frozen=True)
class Slice:
    """Rows of one split: from `start` (counted from 0) on, at most `count`."""

    config: str
    split: str
    start: int = 0
    count: int = MOST_ROWS

    def __post_init__(self):
        if self.start < 0 or not 0 < self.count <= MOST_ROWS:
            raise DataError("data.slice", most=f"{MOST_ROWS:,}")


@needs("trainer")
def find(source: Source, token: str = "") -> RemoteDataset:
    """List the data set in `source`. Raises HubError as `look_up`."""
    with new_client(token) as client:
        return look_up(client, source)


@needs("trainer")
def first_rows(dataset: RemoteDataset, config: str, split: str, token: str = "") -> list[dict]:
    """The first raw rows of a split; empty where a look would need a large file.

    Raises:
        HubError, DataError: the hub refuses, or the file cannot be read.
    """
    file = dataset.files(config, split)[0]
    with new_client(token) as client:
        content = head(client, file)
        if content is None and file.size <= SMALL:
            folder = _folder(dataset, Slice(config, split))
            content = fetch(client, file, _made(folder), ProgressCallbacks()).read_bytes()
    if content is None:
        return []
    lines, _ = read_records(content, file.name, 0, SHOWN)
    try:
        return [workspace.parse_json(line) for line in lines]
    except ValueError as error:
        raise DataError("data.too_heavy", file=file.name) from error


class SliceDownload(Job):
    """A slice on its way; every attribute may be read from any thread.

    Attributes:
        name: file name of the slice.
        rows: rows in it so far.
        path: the file, one JSON object a line, once `state` is "done".
    """

    def __init__(self, dataset: RemoteDataset, wanted: Slice):
        super().__init__()
        self.dataset, self.wanted, self.rows = dataset, wanted, 0
        self.folder = _folder(dataset, wanted)
        parts = [dataset.source.name, *([wanted.config] if wanted.config != "default" else []), wanted.split]
        self.name = "-".join(parts).replace("/", "-")[:120] + ".jsonl"
        self.path = self.folder / "slice.jsonl"
        self._meter = ProgressMeter()

    def progress(self) -> Progress:
        """Return the progress of the transfer now."""
        return self._meter.progress(self.state == "running")

    def begin(self, token: str) -> None:
        """Fetch and slice in a thread of its own."""
        self.run_in_thread(f"slice-{self.name}", self._work, token)

    def _work(self, token: str) -> None:
        self.state = self.attempt(lambda: self._fetch(token), HubError, "hub.defect")

    def _fetch(self, token: str) -> None:
        files = self.dataset.files(self.wanted.config, self.wanted.split)
        watch = ProgressCallbacks(self._meter.note_bytes, self._meter.note_stage, self._cancelled)
        _made(self.folder)
        self._meter.measure(files, self.folder)
        with saving(self.folder), new_client(token) as client, open(self.path, "wb") as out:
            for lines in self._records(client, files, watch):
                out.writelines(lines)
                self.rows += len(lines)
        if not self.rows:
            raise DataError("data.empty_slice", start=f"{self.wanted.start + 1:,}")

    def _records(self, client, files: list[RemoteFile], watch: ProgressCallbacks) -> Iterator[list[bytes]]:
        """Rows of each file that is needed, as lines; it is fetched when the one before is used up and thrown away afterwards."""
        start, left = self.wanted.start, self.wanted.count
        for file in files:
            if not left:
                return
            if file.size > MAX_BYTES:
                raise DataError("data.too_large", file=file.name, limit=MAX_BYTES // 10**6)
            self._meter.file = file.name
            path = fetch(client, file, self.folder, watch)
            lines, seen = read_records(path.read_bytes(), file.name, start, left, self.check)
            path.unlink(missing_ok=True)
            start, left = max(0, start - seen), left - len(lines)
            yield lines


@needs("trainer")
def start(dataset: RemoteDataset, wanted: Slice, token: str = "") -> SliceDownload:
    """Begin to bring in a slice, or return the download of the same slice that is under way."""
    key = str(_folder(dataset, wanted))
    with _jobs.lock:
        known = _jobs.get(key)
        if known is not None and known.state == "running":
            return known
        download = _jobs.add(key, SliceDownload(dataset, wanted))
        download.begin(token)
        return download


@needs("trainer")
def take(download: SliceDownload) -> bytes:
    """Return the content of a finished slice, and delete its files.

    Raises:
        EasyError: the download failed.
    """
    if download.error is not None:
        raise download.error
    content = download.path.read_bytes()
    discard(download)
    return content


@needs("trainer")
def discard(download: SliceDownload) -> None:
    """Stop a download and delete what has arrived of it."""
    download.cancel()
    download.wait(30)
    _jobs.forget(str(download.folder))
    shutil.rmtree(download.folder, ignore_errors=True)


def _folder(dataset: RemoteDataset, wanted: Slice) -> Path:
    source = dataset.source
    key = "\n".join(map(str, (*vars(source).values(), *vars(wanted).values())))
    return store.home() / ".hub" / hashlib.sha256(key.encode()).hexdigest()[:24]


def _made(folder: Path) -> Path:
    """Make `folder`, and delete what other slices left there a day ago."""
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.touch()
        for other in folder.parent.iterdir():
            if time.time() - other.stat().st_mtime > _DAY and str(other) not in _jobs_running():
                shutil.rmtree(other, ignore_errors=True)
    return folder


def _jobs_running() -> set[str]:
    return {str(one.folder) for one in _jobs.all() if one.state == "running"}
