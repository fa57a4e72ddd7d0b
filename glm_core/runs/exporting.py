"""What a run has learnt, to take away: the adapter as a zip, or merged into its base as a model of its own.

A merge is a job in a thread: it goes on when the tab is closed, can be cancelled, and its folder under `home()/exports`
appears whole. Its record lies in `home()/exports/.jobs`, so that a restarted server still knows what was merged, and which
merge ended with the server: that one is called broken, and what it had written is swept away. Not here: the arithmetic
(training/merging.py).
"""

import glob
import io
import logging
import os
import shutil
import threading
import zipfile
from pathlib import Path

import filelock

from glm_core import text, workspace
from glm_core.errors import EasyError
from glm_core.models import describe
from glm_core.runs.files import RunError, number, read_record, string, writing
from glm_core.runs.records import Run

DTYPES = ("float16", "bfloat16", "float32")
ENDED = ("done", "cancelled", "failed", "broken")

log = logging.getLogger(__name__)
_lock = threading.RLock()
_jobs: dict[Path, "Export"] = {}


class Export:
    """A merge under way or ended. Made by `start_merge` and `jobs`; every attribute may be read from any thread.

    Attributes:
        path: the merged model's folder, once it is done.
        run_id, base, dtype, strength: what is merged, into what, and how.
        state: "running", "done", "cancelled", "failed", or "broken": the server ended before it did.
        stage, fraction: a text key of what is being done, and the share of it.
        error: why it failed.
    """

    def __init__(self, path: Path, run_id: str, title: str, base: Path, dtype: str, strength: float):
        self.path, self.run_id, self.title = path, run_id, title
        self.base, self.dtype, self.strength = base, dtype, strength
        self.state, self.stage, self.fraction = "running", "exports.stage.starting", None
        self.error: EasyError | None = None
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None

    def cancel(self) -> None:
        """Stop soon; nothing is left of it."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _begin(self, adapter: Path, held: filelock.BaseFileLock) -> None:
        self._write()
        self._thread = threading.Thread(
            target=self._work, args=(adapter, held), name=f"export-{self.run_id}", daemon=True
        )
        self._thread.start()

    def _work(self, adapter: Path, held: filelock.BaseFileLock) -> None:
        from glm_core.training.merging import merge

        try:
            with writing(folder()):
                merge(self.base, adapter, self.path, dtype=self.dtype, strength=self.strength, progress=self._note)
            state = "done"
        except _Cancelled:
            state = "cancelled"
        except EasyError as error:
            state, self.error = "failed", error
        except Exception:
            log.exception("exporting %s failed", self.run_id)
            state, self.error = "failed", RunError("exports.defect")
        self._end(state)
        held.release()

    def _end(self, state: str) -> None:
        self.state = state
        self._write()

    def _note(self, stage: str, fraction: float | None) -> None:
        if self._cancelled.is_set():
            raise _Cancelled
        self.stage, self.fraction = stage, fraction

    def _write(self) -> None:
        """Keep what a restarted server needs."""
        why = {"key": self.error.key, "values": _plain(self.error.values)} if self.error else None
        record = {"run": self.run_id, "title": self.title, "base": str(self.base), "dtype": self.dtype,
                  "strength": self.strength, "state": self.state, "why": why}  # fmt: skip
        try:
            workspace.write_json(_record_file(self.path), record)
        except OSError as error:
            log.warning("the record of %s cannot be written: %s", self.path.name, error)


class _Cancelled(Exception):
    pass


def folder() -> Path:
    """Where merged models are written."""
    return workspace.home() / "exports"


def _record_file(path: Path) -> Path:
    return folder() / ".jobs" / f"{path.name}.json"


def _held(path: Path) -> filelock.BaseFileLock | None:
    """The lock of the merge into `path`, None while somebody has it. The system frees it when its holder is killed."""
    lock = filelock.FileLock(_record_file(path).with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return None
    return lock


def start_merge(run: Run, base: Path, dtype: str | None = None, strength: float = 1.0) -> Export:
    """Begin to merge the adapter of `run` into `base`.

    Args:
        base: an unquantised model folder.
        dtype: one of `DTYPES`; None for the one `base` is published in.
        strength: how strongly the adapter is worked in, for LoRA from 0 to 1.5.

    Raises:
        RunError: the run has no adapter, the disk has no room, or this merge is under way or there already.
        AdapterError: `base` is quantised.
        ModelError: `base` cannot be read.
    """
    from glm_core.training.errors import AdapterError

    description, base = describe(base), Path(base)
    if run.adapter() is None:
        raise RunError("exports.no_adapter", name=run.name)
    if description.bits:
        raise AdapterError("adapters.error.quantised_base", folder=base.name)
    dtype = dtype or stored_dtype(description.config)
    path = folder() / (f"{base.name}-{run.id}" + (f"-{round(100 * strength)}" if strength != 1 else ""))
    title = f"{base.name} + {run.name}" + (f" × {strength:g}" if strength != 1 else "")
    with _lock, writing(folder()):
        _record_file(path).parent.mkdir(parents=True, exist_ok=True)
        held = None if path.exists() else _held(path)
        if held is None:
            raise RunError("exports.exists", folder=str(path))
        try:
            _check_space(description.parameters * (4 if dtype == "float32" else 2))
        except RunError:
            held.release()
            raise
        _jobs[path] = job = Export(path, run.id, title, base, dtype, strength)
        job._begin(run.path / "adapter", held)
    return job


def stored_dtype(config: dict) -> str:
    """The precision a published `config.json` names, float16 where it names none of `DTYPES`."""
    named = str(config.get("torch_dtype") or config.get("dtype") or "")
    return named if named in DTYPES else "float16"


def _check_space(need: int) -> None:
    free = shutil.disk_usage(folder()).free
    if need * 1.1 > free:
        raise RunError("exports.no_space", need=text.size(need), free=text.size(free), folder=str(folder()))


def jobs() -> list[Export]:
    """The merges of this workspace: under way, and ended ones until they are forgotten, those of earlier servers too."""
    with _lock:
        for file in sorted(folder().glob(".jobs/*.json")):
            path = folder() / file.stem
            if path not in _jobs and (found := _read(file, path)) is not None:
                _jobs[path] = found
        return [job for job in _jobs.values() if job.path.parent == folder()]


def _read(file: Path, path: Path) -> Export | None:
    """The merge whose record is `file`, as an earlier server left it; None where it makes no sense or another server works on it."""
    record = read_record(file)
    run_id, title, base = (string(record.get(key), 4096) for key in ("run", "title", "base"))
    state, dtype, strength = record.get("state"), record.get("dtype"), number(record.get("strength"))
    if not run_id or not base or dtype not in DTYPES or strength is None:
        return None
    job = Export(path, run_id, title, Path(base), dtype, strength)
    if state in ENDED:
        job.state, job.error = state, _error(record.get("why"))
        return job
    held = _held(path)
    if held is None:
        return None
    try:
        _sweep(path)
        job._end("done" if path.is_dir() else "broken")
    finally:
        held.release()
    return job


def _error(why: object) -> EasyError | None:
    """The error of a record, in the reader's language; None where there is none, or none of this version's tables."""
    try:
        error = RunError(why["key"], **why["values"])
        str(error)
    except (KeyError, TypeError, IndexError, ValueError):
        return None
    return error


def _plain(values: dict) -> dict:
    return {key: value if isinstance(value, int | float | str) else str(value) for key, value in values.items()}


def _sweep(path: Path) -> None:
    """Delete what the server that ended in the middle of merging into `path` left half written."""
    for half in folder().glob(f".{glob.escape(path.name)}-*"):
        shutil.rmtree(half, ignore_errors=True)


def forget(job: Export) -> None:
    """Take an ended merge from the list; its folder stays."""
    with _lock:
        _jobs.pop(job.path, None)
        _record_file(job.path).unlink(missing_ok=True)
        _record_file(job.path).with_suffix(".lock").unlink(missing_ok=True)


def remove(job: Export) -> None:
    """Delete what an ended merge has made, and forget it.

    Raises:
        RunError: its files cannot be deleted.
    """
    with writing(folder()):
        if job.path.is_dir():
            gone = folder() / f".gone-{workspace.new_id()}"
            os.rename(job.path, gone)  # vanishes at once, however long deleting takes
            shutil.rmtree(gone)
    forget(job)


def keep_as_model(job: Export) -> Path:
    """Move a finished merge among the models, so that it can be loaded here. Returns its new folder.

    Raises:
        HubError: there is a model of that name.
        RunError: the folder cannot be moved.
    """
    from glm_core.models.folders import check_free, models_folder

    check_free(job.path.name)
    with writing(models_folder()):
        models_folder().mkdir(parents=True, exist_ok=True)
        os.rename(job.path, models_folder() / job.path.name)
    forget(job)
    return models_folder() / job.path.name


def zip_folder(path: Path) -> bytes:
    """The files of folder `path` as a zip, stored and not compressed: weights do not compress."""
    content = io.BytesIO()
    with writing(path), zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path.iterdir()):
            if file.is_file():
                archive.write(file, f"{path.name}/{file.name}")
    return content.getvalue()
