"""`RUN_DIR/report.json`: a finished report, or the answers of one under way.

report.json   "state": running, cancelled or done; every pair of answers so far, so that it can go on where it ended;
              when done, everything that is shown, exported and compared
report-ADAPTER.json   the finished ones of the run's other steps, brought back with them
"""

import hashlib
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from glm_core import workspace
from glm_core.evaluation import aggregate, scoring, stored_questions
from glm_core.evaluation.analysis import minimal_pairs
from glm_core.evaluation.analysis.drift import Drift
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.perplexity import Perplexity
from glm_core.evaluation.report.contents import VERSION, Answer, Report, Row
from glm_core.runs import Run, rollback
from glm_core.runs.files import read_record
from glm_core.runs.store import write_record

FILE = "report.json"
LARGEST = 256 << 20  # bytes of report.json; a report on a thousand long answers is some megabytes
SAVE_SECONDS = 3.0


def file_of(run: Run) -> Path:
    """The file of the report of `run`."""
    return run.path / FILE


_reports: workspace.FileCache[Report | None] = workspace.FileCache(64)
_states: workspace.FileCache[str] = workspace.FileCache(40_000)


def state_of(run: Run) -> str:
    """Return what report.json says: "done", "running", "cancelled", or "" where there is none."""
    try:
        state = _states.get(file_of(run), lambda file: read_record(Path(file), LARGEST).get("state"))
    except OSError:
        return ""
    return state if state in ("done", "running", "cancelled") else ""


def read(run: Run) -> Report | None:
    """The finished report of `run`; None where there is none that makes sense.

    Read and judged once for the same file: each row keeps its verdict.
    """
    try:
        found = _reports.get(file_of(run), lambda _: _read(run))
    except OSError:
        return None
    return found if found is None or found.name == run.name else replace(found, name=run.name)


def _read(run: Run) -> Report | None:
    record = read_record(file_of(run), LARGEST)
    if record.get("state") != "done" or record.get("version") != VERSION:
        return None
    try:
        rows = tuple(_unpack(row) for row in record["rows"])
        pairs = {name: _perplexity(record.get(name)) for name in ("references", "unseen", "neutral")}
        return Report(
            run=run.id,
            name=run.name,
            base=str(record["base"]),
            adapter=str(record["adapter"]),
            step=record["step"] if isinstance(record["step"], int) else None,
            rows=rows,
            distances=tuple((str(question), float(distance)) for question, distance in record["distances"]),
            causes=tuple((str(key), dict(values)) for key, values in record["causes"]),
            measures=aggregate.check(record["measures"]),
            seconds=float(record["seconds"]),
            made=float(record["made"]),
            strengths=scoring.unpack_meters(record.get("strengths", {})),
            left_out=int(record.get("left_out", 0)),
            drift=_numbers(record.get("drift"), Drift),
            pairs=_numbers(record.get("pairs"), minimal_pairs.Pairs),
            **pairs,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # another program's, or damaged: the page offers to make it anew


def _numbers(record: Any, kind):
    """A tuple of numbers of `kind` as kept; None where there is none.

    Raises:
        TypeError, ValueError: it is something else.
    """
    if record is None:
        return None
    found = kind(*record)
    if not all(isinstance(one, int | float) for one in found):
        raise ValueError(kind.__name__)
    return found


def _perplexity(record: Any) -> Perplexity | None:
    """The stored figures; reports made before there were intervals have two numbers."""
    return Perplexity(*(None if number is None else float(number) for number in record)) if record else None


def cancelled(run: Run) -> None:
    """Note that an unfinished report does not go on by itself; a finished one stays as it is."""
    record = read_record(file_of(run), LARGEST)
    if record.get("state") == "running":
        write_record(run, FILE, {**record, "state": "cancelled"})


_digests: workspace.FileCache[str] = workspace.FileCache(256)


def version_at(adapter: Path, step: int | None) -> str:
    """Tells the adapter in a folder from others by its step and its weights; of one that has gone the step is left."""
    files = adapter.iterdir() if adapter.is_dir() else ()
    weights = sorted(path for path in files if path.suffix in (".safetensors", ".bin"))
    return "-".join([str(step), *(_digests.get(path, _digest) for path in weights)])


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def bring_back(run: Run) -> None:
    """Put the kept report of the adapter that answers now in its place, where one was made; the one there is kept aside."""
    wanted = _aside(run, version_at(run.path / "adapter", rollback.current(run)))
    if wanted is not None and wanted.is_file():
        _set_aside(run)
        wanted.replace(file_of(run))


def _set_aside(run: Run, adapter: str = "") -> None:
    """Keep the finished report, unless it is of `adapter`, under the name of its own adapter."""
    record = read_record(file_of(run), LARGEST)
    kept = _aside(run, record.get("adapter"))
    if kept is not None and record.get("state") == "done" and record["adapter"] != adapter:
        file_of(run).replace(kept)


def _aside(run: Run, adapter: Any) -> Path | None:
    """The file of a report that is kept aside; None where the adapter's version is nothing to name a file by."""
    named = isinstance(adapter, str) and re.fullmatch(r"[\w-]{1,120}", adapter)
    return run.path / f"report-{adapter}.json" if named else None


def write(run: Run, report: Report) -> None:
    """Keep a finished report with its run.

    Raises:
        RunError: the run has been deleted, the disk is full or the folder cannot be written.
    """
    write_record(run, FILE, report.to_dict())


class KeptAnswers:
    """The answers in report.json: greedy answers of the same adapter do not change, so none is asked twice.

    Args:
        adapter: what the adapter's files are now (`version_of`); answers of others are not kept.
    """

    def __init__(self, run: Run, adapter: str):
        self._run, self.adapter = run, adapter
        _set_aside(run, adapter)
        record = read_record(file_of(run), LARGEST)
        self._answers = {_key(row.question): row for row in _whole(record, self.adapter)}
        self._saved = time.monotonic()

    def find(self, question: Question) -> Row | None:
        """The row of `question` with its answers, if there is one."""
        row = self._answers.get(_key(question))
        return Row(question, row.before, row.after) if row else None

    def add(self, row: Row) -> None:
        """Keep a row; it is on disk within `SAVE_SECONDS` of answering."""
        self._answers[_key(row.question)] = row
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write what is answered so far."""
        rows = [row.to_dict() for row in self._answers.values()]
        write_record(self._run, FILE, {"version": VERSION, "state": "running", "adapter": self.adapter, "rows": rows})
        self._saved = time.monotonic()


def _key(question: Question) -> tuple:
    return tuple((message["role"], message["content"]) for message in question.messages)


def _whole(record: dict, adapter: str) -> list[Row]:
    """The rows of report.json if they are of this very adapter."""
    if record.get("version") != VERSION or record.get("adapter") != adapter:
        return []
    try:
        return [_unpack(row) for row in record["rows"]]
    except (KeyError, TypeError, ValueError):
        return []


def _unpack(record: dict) -> Row:
    """A row of report.json. Verdicts are not read but judged anew."""
    asked = record["question"]
    question = Question(
        text=_text(asked["text"]),
        kind=asked["kind"],
        accept=tuple(map(_text, asked["accept"])),
        reference=_text(asked["reference"]),
        history=tuple(asked["history"]),
        facts=stored_questions.unpack_facts(dict(asked.get("facts", ()))),
    )
    if question.kind not in scoring.KINDS or not stored_questions.are_messages(list(question.history)):
        raise ValueError(question.kind)
    before, after = (Answer(_text(record[side]["text"]), record[side]["cut"] is True) for side in ("before", "after"))
    return Row(question, before, after)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value
