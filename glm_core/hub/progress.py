"""Progress of a download: bytes by file, and the speed over the last seconds."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glm_core.hub.http_download import RemoteFile

SPEED_SECONDS = 5.0  # over which the speed is averaged
FETCHING = "download.stage.fetching"


@dataclass(frozen=True)
class Progress:
    """Progress of a download: bytes, bytes a second, seconds left (None while unknown), the file and what is done with it."""

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


class ProgressMeter:
    """Counts what arrives of the files of one download. Written by its thread, read by any."""

    def __init__(self):
        self.file, self.stage = "", "download.stage.listing"
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._seen: deque[tuple[float, int]] = deque(maxlen=200)

    def measure(self, files: Iterable[RemoteFile], folder: Path) -> None:
        """Begin with what lies in `folder` of `files`."""
        sizes = {}
        for file in files:
            for path in (folder / file.name, folder / f"{file.name}.part"):
                if path.is_file():
                    sizes[file.name] = path.stat().st_size
        self._sizes, self._total = sizes, sum(file.size for file in files)
        self._seen.clear()

    def note_bytes(self, done: int) -> None:
        """`done` bytes of the current file are there."""
        self._sizes[self.file] = done
        now = time.monotonic()
        if self.stage == FETCHING and (not self._seen or now - self._seen[-1][0] > 0.1):
            self._seen.append((now, sum(self._sizes.values())))

    def note_stage(self, key: str) -> None:
        """Return what is being done with the current file, as a text key; only fetching has a speed."""
        if key != self.stage and key != FETCHING:
            self._seen.clear()
        self.stage = key

    def progress(self, running: bool) -> Progress:
        """Return the progress now."""
        done, speed = sum(list(self._sizes.values())), self._speed() if running else 0.0
        left = (self._total - done) / speed if speed and self._total else None
        return Progress(done, self._total, speed, left, self.file, self.stage)

    def _speed(self) -> float:
        now = time.monotonic()
        recent = [(when, count) for when, count in list(self._seen) if now - when <= SPEED_SECONDS]
        if len(recent) < 2 or now == recent[0][0]:
            return 0.0
        return max(recent[-1][1] - recent[0][1], 0) / (now - recent[0][0])
