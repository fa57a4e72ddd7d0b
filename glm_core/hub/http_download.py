"""One file over HTTP, however bad the line: continued after a cut, verified by its digest, whole or not there at all.

What has arrived lies under `NAME.part`; only a verified file gets its name. Not here: which files a model needs and where
they lie (sources.py), the download as a job (download_job.py).
"""

import email.utils
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from glm_core import i18n, workspace
from glm_core.errors import EasyError
from glm_core.hub import private_hosts
from glm_core.jobs import Cancelled

WAITS = (1.0, 2.0, 5.0, 10.0, 20.0)  # seconds between attempts that bring nothing new
LONGEST_WAIT = 120.0  # that a server may ask for
TIMEOUT = httpx.Timeout(20.0, connect=10.0)
AGAIN = (408, 429, 500, 502, 503, 504)
BLOCK = 1 << 20

T = TypeVar("T")


class HubError(EasyError):
    """A download cannot be done or finished; the sentence says why and what to do."""


@dataclass(frozen=True)
class RemoteFile:
    """A file at a hub: `name` is one plain component, `size` in bytes, `sha256` hexadecimal or empty where the hub has none."""

    name: str
    size: int
    url: str
    sha256: str = ""
    published: bool = False
    """True where `sha256` is the publisher's, known here, and not only this server's claim."""


@dataclass
class ProgressCallbacks:
    """Callbacks of a transfer: bytes of the current file, the stage, and a way to stop it."""

    at: Callable[[int], None] = lambda done: None
    stage: Callable[[str], None] = lambda key: None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise `Cancelled` once somebody has stopped it."""
        if self.cancelled.is_set():
            raise Cancelled


class _Retryable(Exception):
    """Worth another attempt; `wait` is what the server asked for, in seconds."""

    def __init__(self, why: str, wait: float | None = None):
        super().__init__(why)
        self.wait = wait


def new_client(token: str = "") -> httpx.Client:
    """A client that follows redirects; `token` goes to the hub itself and to no other host it redirects to."""
    headers = {"User-Agent": "easyAIGC", "Accept-Encoding": "identity"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return httpx.Client(follow_redirects=True, timeout=TIMEOUT, headers=headers, transport=private_hosts.transport())


@contextmanager
def opened(client: httpx.Client, url: str, headers: dict | None = None) -> Iterator[httpx.Response]:
    """A streamed answer of status 200 or 206.

    Raises:
        HubError: the server refuses, has no such file, or cannot be talked to.
        _Retryable: the line or the server failed in a way that may pass.
    """
    try:
        with client.stream("GET", url, headers=headers) as response:
            _check_status(response)
            yield response
    except private_hosts.PrivateHostError as error:
        raise HubError(error.key, **error.values) from error
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise HubError("hub.bad_redirect", host=_host(url)) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _Retryable(f"{type(error).__name__}: {error}") from error


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode("ascii", "replace")


def _check_status(response: httpx.Response) -> None:
    status, url = response.status_code, response.url
    where = {"host": url.netloc.decode("ascii", "replace"), "file": Path(url.path).name}
    if status in (200, 206):
        return
    if status in AGAIN:
        raise _Retryable(f"HTTP {status}", _asked_wait(response.headers.get("Retry-After", ""), where["host"]))
    if status in (401, 403):
        raise HubError("hub.denied", status=status, **where)
    if status in (404, 410):
        raise HubError("hub.missing", **where)
    raise HubError("hub.status", status=status, **where)


def _asked_wait(value: str, host: str) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date.

    Raises:
        HubError: longer than anybody would wait for.
    """
    if value.isdecimal():
        wait = float(value)
    else:
        try:
            wait = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    if wait > LONGEST_WAIT:
        raise HubError("hub.busy", host=host, wait=i18n.duration(wait))
    return max(wait, 0.0)


def retry(work: Callable[[], T], watch: ProgressCallbacks, reached: Callable[[], int], host: str) -> T:
    """Do `work` until it succeeds; give up after as many attempts as there are `WAITS` that got no further than any before.

    Args:
        reached: how far the work is, in bytes.

    Raises:
        HubError: given up, or nothing that another attempt would change.
        Cancelled: stopped while waiting.
    """
    furthest, failures = reached(), 0
    while True:
        watch.check()
        try:
            return work()
        except _Retryable as problem:
            if reached() > furthest:
                furthest, failures = reached(), 0
            if failures == len(WAITS):
                raise HubError("hub.unreachable", host=host, why=str(problem)[:200]) from problem
            watch.stage("download.stage.retrying")
            watch.cancelled.wait(WAITS[failures] if problem.wait is None else problem.wait)
            failures += 1


class _Part:
    """The arrived beginning of a file and its running digest."""

    def __init__(self, path: Path, file: RemoteFile, watch: ProgressCallbacks):
        self.path, self.file, self.watch = path, file, watch
        self.done, self.digest = 0, hashlib.sha256()
        self.resumed = path.is_file()
        if self.resumed:
            watch.stage("download.stage.checking")
            self._read_again()

    def _read_again(self) -> None:
        if self.path.stat().st_size > self.file.size:
            self.restart()
            return
        with open(self.path, "rb") as stored:
            while block := stored.read(BLOCK):
                self.watch.check()
                self._count(block)

    def _count(self, block: bytes) -> None:
        self.digest.update(block)
        self.done += len(block)
        self.watch.at(self.done)

    def restart(self) -> None:
        """Begin again from nothing."""
        self.path.unlink(missing_ok=True)
        self.done, self.digest = 0, hashlib.sha256()
        self.watch.at(0)

    def fill(self, response: httpx.Response) -> None:
        """Append the answer's body.

        Raises:
            HubError: it is longer than the file.
        """
        with open(self.path, "ab") as stored:
            for block in response.iter_bytes():
                self.watch.check()
                if self.done + len(block) > self.file.size:
                    raise HubError("hub.wrong_size", file=self.file.name, size=i18n.size(self.file.size))
                stored.write(block)
                self._count(block)


def fetch(client: httpx.Client, file: RemoteFile, folder: Path, watch: ProgressCallbacks) -> Path:
    """Bring `file` into `folder`, going on from what arrived before. Returns its path; one that is there already is kept.

    Raises:
        HubError: the hub refuses, the line stays dead, the disk is full, or what arrived is not the file.
        Cancelled: stopped; the part stays for the next time.
    """
    target = workspace.inside(folder, file.name)
    if target.is_file() and target.stat().st_size == file.size:
        watch.at(file.size)
        return target
    with saving(folder):
        part = _Part(workspace.inside(folder, f"{file.name}.part"), file, watch)
        resumed = part.resumed
        while not _receive(client, part):
            part.restart()
            if not resumed:
                raise HubError("hub.wrong_digest", file=file.name, host=_host(file.url))
            resumed = False  # the damage may have come from the earlier part: once more from the start
        part.path.touch()  # an empty file has no part
        os.replace(part.path, target)
    return target


def _receive(client: httpx.Client, part: _Part) -> bool:
    """Fill `part` up to its file's size. Returns whether its digest is right, where one is known."""

    def attempt() -> None:
        if part.done >= part.file.size:
            return
        headers = {"Range": f"bytes={part.done}-"} if part.done else {}
        part.watch.stage("download.stage.fetching")
        try:
            with opened(client, part.file.url, headers) as response:
                if part.done and not _continues(response, part.done):
                    part.restart()
                part.fill(response)
        except HubError as error:
            if error.key == "hub.wrong_size":
                part.restart()
            if error.values.get("status") == 416 and part.done:
                part.restart()
                raise _Retryable("HTTP 416") from error
            raise
        if part.done < part.file.size:
            raise _Retryable("body ended early")

    retry(attempt, part.watch, lambda: part.done, _host(part.file.url))
    return not part.file.sha256 or part.digest.hexdigest() == part.file.sha256.lower()


def _continues(response: httpx.Response, done: int) -> bool:
    """Return whether the answer goes on from byte `done`; servers may ignore a Range or answer another one."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {done}-")


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses below `folder` into a sentence."""
    with workspace.explain_os_error(HubError, folder, full="hub.disk_full", unwritable="hub.unwritable"):
        yield
