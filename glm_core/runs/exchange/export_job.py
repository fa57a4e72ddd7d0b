"""One export: a thread, its progress, the check of what came out, and the record that a restarted server reads.

Not here: what a format writes (exporter.py and its formats), the exports of this workspace (export.py).
"""

import glob
import logging
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import filelock

from glm_core import i18n, workspace
from glm_core.jobs import Cancelled, Job
from glm_core.runs.exchange import exporter
from glm_core.runs.exchange.check import ExportCheck, compare
from glm_core.runs.exchange.exporter import FORMATS, ExportSource
from glm_core.runs.files import RunError, number, read_record, string, writing

ENDED = ("done", "cancelled", "failed", "broken")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportPlan:
    """The options of an export.

    Attributes:
        run_id, base: the run, and the folder of the model its adapter belongs to.
        format, kind: of `FORMATS`, and the number type in it.
        strength: share of the adapter that is worked in.
    """

    run_id: str
    base: Path
    format: str
    kind: str
    strength: float = 1.0


class Export(Job):
    """An export. Made by `start_export` and `read`.

    Attributes:
        path: the folder of the export, once it is done.
        plan: what is exported, and how.
        state: may also be "broken": the server ended before the export did.
        stage, fraction: a text key of what is being done, and the share of it.
        comparisons: what the check found, one a tool; empty where there was none.
    """

    def __init__(self, path: Path, title: str, plan: ExportPlan):
        super().__init__()
        self.path, self.title, self.plan = path, title, plan
        self.stage = "exports.stage.starting"
        self.fraction: float | None = None
        self.comparisons: list[ExportCheck] = []

    @property
    def run_id(self) -> str:
        """The run it comes from."""
        return self.plan.run_id

    def begin(self, source: ExportSource, held: filelock.BaseFileLock, check: bool) -> None:
        """Work in a thread; `held` is released at the end."""
        self._write()
        self.run_in_thread(f"export-{self.run_id}", self._work, source, held, check, i18n.current())

    def _work(self, source: ExportSource, held: filelock.BaseFileLock, check: bool, language: str) -> None:
        i18n.use(language)  # of who asked for it: a card is written in it
        state = self.attempt(lambda: self._export(source), RunError, "exports.defect")
        if state == "done" and check:
            with suppress(Cancelled):  # the export is whole
                self._compare(source)
        self.end(state)
        held.release()

    def _export(self, source: ExportSource) -> None:
        with writing(exports_folder()), workspace.replace_folder(self.path) as building:
            exporter.exporter(self.plan.format).write(source, building, self.plan.kind, self._note)

    def _compare(self, source: ExportSource) -> None:
        self._note("exports.stage.checking", None)
        self.comparisons = compare(source, self.plan.format, self.path, self._note)

    def end(self, state: str) -> None:
        """Record that it ended in `state`."""
        self.state = state
        self._write()

    def _note(self, stage: str, fraction: float | None) -> None:
        self.check()
        self.stage, self.fraction = stage, fraction

    def _write(self) -> None:
        """Keep what a restarted server needs."""
        record = {
            "run": self.plan.run_id,
            "title": self.title,
            "base": str(self.plan.base),
            "format": self.plan.format,
            "dtype": self.plan.kind,
            "strength": self.plan.strength,
            "state": self.state,
            "why": self.error.as_record() if self.error else None,
            "comparisons": [one.to_dict() for one in self.comparisons],
        }
        try:
            workspace.write_json(record_file(self.path), record)
        except OSError as error:
            log.warning("the record of %s cannot be written: %s", self.path.name, error)


def read(file: Path, path: Path) -> Export | None:
    """Return the export whose record is `file`, as an earlier server left it; None where it makes no sense or another server works on it."""
    record = read_record(file)
    run_id, title, base = (string(record.get(key), 4096) for key in ("run", "title", "base"))
    state, strength = record.get("state"), number(record.get("strength"))
    form, kind = record.get("format", "merged"), string(record.get("dtype"))
    if not run_id or not base or form not in FORMATS or strength is None:
        return None
    job = Export(path, title, ExportPlan(run_id, Path(base), form, kind, strength))
    kept = record.get("comparisons")
    found = map(ExportCheck.from_dict, kept if isinstance(kept, list) else ())
    job.comparisons = [one for one in found if one is not None]
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
    """Return the folder that exports are written to."""
    return workspace.home() / "exports"


def record_file(path: Path) -> Path:
    """Return the file of the record of the export `path`."""
    return exports_folder() / ".jobs" / f"{path.name}.json"


def acquire_lock(path: Path) -> filelock.BaseFileLock | None:
    """Return the lock of the export `path`, None while another process has it. The system frees it when its holder is killed."""
    lock = filelock.FileLock(record_file(path).with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return None
    return lock


def check_space(need: int) -> None:
    """Refuse an export that writes `need` bytes where the disk has not that and a tenth more.

    Raises:
        RunError: says how much is needed and how much is free.
    """
    free = shutil.disk_usage(exports_folder()).free
    if need * 1.1 > free:
        raise RunError("exports.no_space", need=i18n.size(need), free=i18n.size(free), folder=str(exports_folder()))


def remove_partial(path: Path) -> None:
    """Delete what the server that ended in the middle of exporting `path` left half written."""
    for half in exports_folder().glob(f"{workspace.BUILDING}{glob.escape(path.name)}-*"):
        shutil.rmtree(half, ignore_errors=True)
