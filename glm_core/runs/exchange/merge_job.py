"""One merge of an adapter into its base: a thread, its progress, and the record that a restarted server reads.

Not here: the arithmetic (adapters/merge.py), the files around it (merge_job.py), starting one (export.py).
"""

import glob
import logging
import shutil
from pathlib import Path

import filelock

from glm_core import i18n, workspace
from glm_core.jobs import Job
from glm_core.runs.files import RunError, number, read_record, string, writing

DTYPES = ("float16", "bfloat16", "float32")
ENDED = ("done", "cancelled", "failed", "broken")

log = logging.getLogger(__name__)


class Export(Job):
    """A merge. Made by `start_merge` and `read`.

    Attributes:
        path: the merged model's folder, once it is done.
        run_id, base, dtype, strength: what is merged, into what, and how.
        state: may also be "broken": the server ended before it did.
        stage, fraction: a text key of what is being done, and the share of it.
    """

    def __init__(self, path: Path, run_id: str, title: str, base: Path, dtype: str, strength: float):
        super().__init__()
        self.path, self.run_id, self.title = path, run_id, title
        self.base, self.dtype, self.strength = base, dtype, strength
        self.stage, self.fraction = "exports.stage.starting", None

    def begin(self, adapter: Path, held: filelock.BaseFileLock) -> None:
        """Work in a thread of its own; `held` is freed at the end."""
        self._write()
        self.run_in_thread(f"export-{self.run_id}", self._work, adapter, held)

    def _work(self, adapter: Path, held: filelock.BaseFileLock) -> None:
        self.end(self.attempt(lambda: self._merge(adapter), RunError, "exports.defect"))
        held.release()

    def _merge(self, adapter: Path) -> None:
        from glm_core.adapters.merge import merge

        with writing(exports_folder()):
            merge(self.base, adapter, self.path, dtype=self.dtype, strength=self.strength, progress=self._note)

    def end(self, state: str) -> None:
        """Record that it ended in `state`."""
        self.state = state
        self._write()

    def _note(self, stage: str, fraction: float | None) -> None:
        self.check()
        self.stage, self.fraction = stage, fraction

    def _write(self) -> None:
        """Keep what a restarted server needs."""
        why = self.error.as_record() if self.error else None
        record = {
            "run": self.run_id,
            "title": self.title,
            "base": str(self.base),
            "dtype": self.dtype,
            "strength": self.strength,
            "state": self.state,
            "why": why,
        }
        try:
            workspace.write_json(record_file(self.path), record)
        except OSError as error:
            log.warning("the record of %s cannot be written: %s", self.path.name, error)


def read(file: Path, path: Path) -> Export | None:
    """The merge whose record is `file`, as an earlier server left it; None where it makes no sense or another server works on it."""
    record = read_record(file)
    run_id, title, base = (string(record.get(key), 4096) for key in ("run", "title", "base"))
    state, dtype, strength = record.get("state"), record.get("dtype"), number(record.get("strength"))
    if not run_id or not base or dtype not in DTYPES or strength is None:
        return None
    job = Export(path, run_id, title, Path(base), dtype, strength)
    if state in ENDED:
        job.state, job.error = state, RunError.from_record(record.get("why"))
        return job
    held = acquire_lock(path)
    if held is None:
        return None
    try:
        remove_partial(path)
        job.end("done" if path.is_dir() else "broken")
    finally:
        held.release()
    return job


def exports_folder() -> Path:
    """Where merged models are written."""
    return workspace.home() / "exports"


def record_file(path: Path) -> Path:
    """Where the record of the merge into `path` is."""
    return exports_folder() / ".jobs" / f"{path.name}.json"


def acquire_lock(path: Path) -> filelock.BaseFileLock | None:
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
    free = shutil.disk_usage(exports_folder()).free
    if need * 1.1 > free:
        raise RunError("exports.no_space", need=i18n.size(need), free=i18n.size(free), folder=str(exports_folder()))


def remove_partial(path: Path) -> None:
    """Delete what the server that ended in the middle of merging into `path` left half written."""
    for half in exports_folder().glob(f"{workspace.BUILDING}{glob.escape(path.name)}-*"):
        shutil.rmtree(half, ignore_errors=True)
