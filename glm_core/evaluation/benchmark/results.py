"""`RUN_DIR/benchmark.json`: of each file of tasks the latest comparison, with the step and the adapter that it is of."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

from glm_core.evaluation import report
from glm_core.evaluation.analysis.changes import ChangeTable
from glm_core.evaluation.benchmark.choices import ChoiceTask
from glm_core.evaluation.benchmark.comparison import BenchmarkComparison
from glm_core.runs import Run
from glm_core.runs.files import read_record
from glm_core.runs.store import write_record
from glm_core.serving.served_models import ServedModel

FILE = "benchmark.json"
VERSION = 1
LARGEST = 64 << 20  # bytes of benchmark.json
MOST_KEPT = 12
"Files of tasks whose results are kept; the oldest give way."


@dataclass(frozen=True)
class BenchmarkResult:
    """The picks of a run and its original on one file of tasks, as they are kept.

    Attributes:
        file: name of the file of tasks.
        step, adapter: of the adapter that answered (`report.version_of`), at full strength.
        made: seconds since the epoch.
        record: as `BenchmarkComparison.to_dict` gives it.
    """

    file: str
    base: str
    step: int | None
    adapter: str
    made: float
    record: dict

    @property
    def changes(self) -> ChangeTable:
        """The change table of the tasks."""
        return ChangeTable(**self.record["changes"])


def keep(run: Run, file: str, model: ServedModel, found: BenchmarkComparison) -> BenchmarkResult:
    """Write a comparison into the directory of `run`, in place of an earlier one on the same tasks.

    Raises:
        RunError: the run has been deleted, the disk is full or the folder cannot be written.
    """
    result = BenchmarkResult(file, model.base.name, model.step, report.version_of(model), time.time(), found.to_dict())
    kept = read_record(run.path / FILE, LARGEST).get("results")
    others = kept if isinstance(kept, dict) else {}
    others.pop(_key(file, found.tasks), None)
    results = dict([*others.items(), (_key(file, found.tasks), vars(result))][-MOST_KEPT:])
    write_record(run, FILE, {"version": VERSION, "results": results})
    return result


def read(run: Run) -> list[BenchmarkResult]:
    """Return the results that are kept with `run`, newest first; entries that make no sense are left out."""
    record = read_record(run.path / FILE, LARGEST)
    kept = record.get("results") if record.get("version") == VERSION else None
    found = [_unpack(entry) for entry in kept.values()] if isinstance(kept, dict) else []
    return sorted((one for one in found if one is not None), key=lambda one: -one.made)


def _key(file: str, tasks: tuple[ChoiceTask, ...]) -> str:
    """Tells one set of tasks from another of the same name."""
    return f"{file} {hashlib.sha256(repr(tasks).encode()).hexdigest()[:16]}"


def _unpack(entry: Any) -> BenchmarkResult | None:
    try:
        result = BenchmarkResult(**entry)
        shares = [(result.record[side]["right"], *result.record[side]["interval"]) for side in ("before", "after")]
        figures = [result.made, result.record["tasks"], *(one for share in shares for one in share)]
        texts = (result.file, result.base, result.adapter)
        sane = all(isinstance(one, int | float) for one in figures) and all(isinstance(one, str) for one in texts)
        sane = sane and result.changes.total == result.record["tasks"] and isinstance(result.step, int | None)
    except (KeyError, TypeError, ValueError):
        return None
    return result if sane else None
