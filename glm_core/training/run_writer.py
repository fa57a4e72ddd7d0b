"""The trainer's pen: everything that appears in a run directory while it trains, bar checkpoints and adapter.

Writes `status.json` (replaced atomically), `metrics.jsonl`, `samples.jsonl`, `abilities.jsonl`, `resources.jsonl` (a line at a
time) and `train.log`. Reading them is glm_core.runs' business. Of several processes only the first writes.
"""

import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from glm_core import i18n, workspace
from glm_core.errors import EasyError
from glm_core.machine.gpu_stats import ResourceSampler

STAGES = ("starting", "loading", "encoding", "decomposing", "training", "saving", "done")
STATUS_SECONDS = 0.5  # between two writes of status.json that only report progress
STEP_FILES = ("metrics", "samples", "abilities")  # files whose rows belong to an update
RESERVE_BYTES = 65_536  # given back to a full disk, so that the reason can still be written


class RunWriter:
    """The files that one run writes for its readers. Use as a context manager; `end` says how it ended.

    Args:
        folder: the run directory.
        writes: False in every process but the first of a group; then nothing is written.
        clock: seconds since the epoch at which the run was asked for; stage "starting" counts from there.
    """

    def __init__(self, folder: Path, writes: bool = True, clock: float | None = None):
        self.folder, self.writes = folder, writes
        waited = max(0.0, time.time() - clock) if clock else 0.0
        self._stage_began = time.monotonic() - waited  # lengths are measured by a clock that nobody sets
        self._last_write = -STATUS_SECONDS
        process = psutil.Process()
        previous = _read_status(folder) if writes else {}
        self.was_finished = previous.get("state") == "finished"
        kept = {"queued": previous["queued"]} if "queued" in previous else {}
        self.status: dict[str, Any] = kept | {
            "state": "running",
            "stage": "starting",
            "fraction": None,
            "step": 0,
            "total_steps": 0,
            "why": "",
            "eta_seconds": None,
            "peak_memory": 0,
            "stage_seconds": _read_seconds(previous),
            "pid": process.pid,
            "pid_created": process.create_time(),
        }
        self._sampler: ResourceSampler | None = None
        self.measure_peak: Callable[[], int] = lambda: self._sampler.peak_memory if self._sampler else 0
        """Bytes the run has taken at most: of this process, or, set by the trainer, of its GPU."""
        self._own_log = writes and not _is_stdout(folder / "train.log")

    def __enter__(self) -> "RunWriter":
        if self.writes:
            _sweep(self.folder)
            workspace.write_atomic(self._reserve, b"\0" * RESERVE_BYTES)
            self._write_status()
            for name in (*STEP_FILES, "resources"):
                _keep_lines(self.folder / f"{name}.jsonl", lambda _: True)
            parent = (
                os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None
            )  # torchrun's tree holds all processes
            self._sampler = ResourceSampler(
                lambda row: workspace.append_line(self.folder / "resources.jsonl", row), parent
            )
            self._sampler.start()
        return self

    def __exit__(self, *_) -> None:
        if self._sampler is not None:
            self._sampler.stop()
        if self.writes:
            self._reserve.unlink(missing_ok=True)

    @property
    def _reserve(self) -> Path:
        return self.folder / ".reserve"

    @property
    def step(self) -> int:
        """The last update that was told."""
        return self.status["step"]

    def stage(self, name: str) -> None:
        """Enter a stage of STAGES; the seconds of the one before are kept in `stage_seconds`."""
        self._count_seconds()
        self.status |= {"stage": name, "fraction": None}
        self._write_status()
        self.log("training.log.stage", stage=i18n.t(f"training.stage.{name}"))

    def _count_seconds(self) -> None:
        """Add what the stage has taken since the last count to `stage_seconds`."""
        now, stage, seconds = time.monotonic(), self.status["stage"], self.status["stage_seconds"]
        seconds[stage] = round(seconds.get(stage, 0.0) + now - self._stage_began, 3)
        self._stage_began = now

    def progress(self, fraction: float | None) -> None:
        """Progress of the stage, 0 to 1."""
        self.status["fraction"] = fraction
        self._write_status(lazily=True)

    def update(self, **values) -> None:
        """Set entries of status.json; they are written with the next one that is due."""
        self.status |= values
        self._write_status(lazily=True)

    def metrics(self, row: dict[str, Any]) -> None:
        """Append a row to metrics.jsonl, with the time."""
        if self.writes:
            workspace.append_line(self.folder / "metrics.jsonl", row | {"time": round(time.time(), 3)})

    def samples(self, step: int, pairs: list[tuple[str, str]]) -> None:
        """Append what the model answers at `step`: (question, answer) pairs."""
        for question, answer in pairs if self.writes else ():
            row = {"step": step, "question": question, "answer": answer, "time": round(time.time(), 3)}
            workspace.append_line(self.folder / "samples.jsonl", row)

    def probe_row(self, row: dict[str, Any]) -> None:
        """Append a row to abilities.jsonl, with the time."""
        if self.writes:
            workspace.append_line(self.folder / "abilities.jsonl", row | {"time": round(time.time(), 3)})

    def learned(self, record: dict[str, Any]) -> None:
        """Replace learned.json: what trained rows are answered at the end."""
        if self.writes:
            workspace.write_json(self.folder / "learned.json", record)

    def read(self, name: str) -> list[dict]:
        """Return what was told in one of the files of `STEP_FILES` before now, as by a run that goes on."""
        return workspace.read_lines(self.folder / f"{name}.jsonl")[0]

    def forget_after(self, step: int) -> None:
        """Drop what was told of updates later than `step`, which a resumed run will tell again."""
        for name in STEP_FILES if self.writes else ():
            _keep_lines(self.folder / f"{name}.jsonl", lambda row: row.get("step", 0) <= step)

    def log(self, key: str, **values) -> None:
        """One line of the text tables in train.log and on stdout."""
        self.write_log(i18n.t(key, **values))

    def write_log(self, line: str) -> None:
        """One plain line in train.log and on stdout. A log that cannot be written stops nobody."""
        if not self.writes:
            return
        line = f"{time.strftime('%H:%M:%S')} {line}"
        try:
            print(line, flush=True)
            if self._own_log:
                with open(self.folder / "train.log", "a", encoding="utf-8") as file:
                    file.write(line + "\n")
        except OSError:
            return  # stdout is closed or the disk is full; what matters is in status.json

    def end(self, state: str, why: EasyError | None = None, **values) -> None:
        """The last word: state stopped, finished or failed, and why."""
        self._count_seconds()
        self.status |= {"state": state, "eta_seconds": None, "fraction": None} | values
        if state in ("finished", "stopped"):
            self.status["stage"] = "done"
        if why is not None:
            self.status["why"] = why.as_record()
        if self.writes:
            self._reserve.unlink(missing_ok=True)
        self._write_status()
        self.write_log(str(why) if why is not None else i18n.t(f"training.log.{state}"))

    def fail(self, why: EasyError, **values) -> None:
        """End as failed. Of several processes whichever fails says so, and the first word stands."""
        if "WORLD_SIZE" in os.environ and _read_status(self.folder).get("state") == "failed":
            return
        self.writes = True
        self.end("failed", why, **{key: value for key, value in values.items() if value is not None})

    def _write_status(self, lazily: bool = False) -> None:
        now = time.monotonic()
        if not self.writes or (lazily and now - self._last_write < STATUS_SECONDS):
            return
        self._last_write = now
        if self.status["state"] == "running":
            self._count_seconds()  # so that they are known of a run that is killed
        self.status["peak_memory"] = max(self.status["peak_memory"], self.measure_peak())
        workspace.write_json(self.folder / "status.json", self.status | {"updated": time.time()})


def _read_status(folder: Path) -> dict:
    try:
        found = workspace.read_json(folder / "status.json", {})
    except ValueError:
        return {}  # cut off by a crash of another program; it is written anew
    return found if isinstance(found, dict) else {}


def _read_seconds(status: dict) -> dict[str, float]:
    """Return what the stages of a run that goes on had taken when it was broken off: that counts too."""
    found = status.get("stage_seconds")
    found = found if isinstance(found, dict) else {}
    return {
        stage: found[stage] for stage in STAGES if isinstance(found.get(stage), float) and math.isfinite(found[stage])
    }


def _is_stdout(path: Path) -> bool:
    """Return whether this process' stdout already goes to `path`, as the launcher arranges."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), os.stat(path))
    except (OSError, ValueError):
        return False


def _sweep(folder: Path) -> None:
    """Delete what a killed trainer left half-written. Others write run.json, so its parts are not touched."""
    marks = (workspace.BUILDING, workspace.DISCARDED)
    leftovers = [path for mark in marks for path in folder.glob(f"{mark}*") if "run.json" not in path.name]
    for path in (*leftovers, *(folder / "checkpoints").glob(".*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _keep_lines(path: Path, keep: Callable[[dict], bool]) -> None:
    """Rewrite a JSON-lines file without rows that `keep` refuses, and without lines that a kill cut off."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if (row := _parse(line)) is not None and keep(row)]
    if len(kept) < len(lines):
        workspace.write_atomic(path, b"".join(kept))


def _parse(line: bytes) -> dict | None:
    try:
        row = workspace.parse_json(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
