"""One run directory: read, watched, changed. What is on disk and what it means; starts no process (launcher.py).

    runs/ID/run.json         what to train: model, data set, settings, questions, owner, process
            dataset.jsonl    the rows themselves, byte by byte as the library has them: a later edit of the set changes no run
            split.json       which rows are trained on, held out and dropped (glm_core.training.split)
            status.json      what the trainer says of itself, replaced atomically; absent until the run is submitted
            metrics.jsonl  resources.jsonl  samples.jsonl  abilities.jsonl  train.log     appended by the trainer
            stop, discard    marks of a requested stop
            checkpoints/     to go on from, and as adapter-STEP/ the adapter of each evaluation (rollback.py)
            adapter/         the one that answers

A directory may be half written by a crash, or made by somebody hostile: nothing in it is believed before it is checked, and
one that makes no sense is a damaged run that can be looked at and deleted, never an exception.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glm_core import workspace
from glm_core.permissions import needs
from glm_core.runs import processes
from glm_core.runs.exit_reasons import explain
from glm_core.runs.files import RunError, locked, number, read_record, read_rows, read_tail, string, writing
from glm_core.runs.status import Status, numbers, read_status
from glm_core.training import split
from glm_core.training.split import Split

LONGEST_NAME, LONGEST_NOTE = 80, 4000


def folder() -> Path:
    """The folder of the run directories."""
    return workspace.home() / "runs"


@dataclass(frozen=True)
class Run:
    """One run directory as it was when read; `status()` and the rows are read anew at every call."""

    id: str
    path: Path
    name: str
    owner: str
    created: float
    model: str
    model_name: str
    dataset: Mapping
    settings: Mapping
    questions: tuple[str, ...]
    note: str
    pid: int | None
    pid_created: float | None
    devices: tuple[str, ...]
    expected: Mapping[str, float]
    damaged: bool
    place: Mapping = field(default_factory=dict)
    """Where it trains, empty for this computer; {"kind": "ray", ...} for the cluster (cluster/)."""
    fingerprint: str = ""

    def alive(self) -> bool:
        """Return whether its trainer process exists."""
        return processes.alive(self.pid, self.pid_created, self.path)

    def status(self) -> Status:
        """The true state: what the trainer wrote, corrected where the trainer is dead or a stop is under way."""
        file = self.path / "status.json"
        record = read_record(file)
        works = record.get("state") in ("running", "stopping")
        process = read_process(self.path) if works else (None, None)
        if process[0] is not None and not processes.alive(*process, self.path):
            record = read_record(file)  # it may have written its end just before it ended
            if record.get("state") in ("running", "stopping"):
                stopped = (self.path / "stop").exists()
                record |= {"state": "stopped" if stopped else "failed", "why": record.get("why") or explain(self.path)}
        elif record.get("state") == "running" and (self.path / "stop").exists():
            record["state"] = "stopping"
        return read_status(record, self.damaged or (not record and file.exists()))

    def split(self) -> Split | None:
        """Rows that the trainer trained on, held out and dropped; None where it is not known.

        It is not known before the rows are encoded, and of a run of an earlier release that held rows out.
        """
        found = split.read(self.path)
        if found is not None or self.status().active or self.settings.get("validation_ratio"):
            return found
        count = int(self.dataset["rows"])
        return Split(count, tuple(range(1, count + 1))) if count else None

    def final_settings(self) -> dict:
        """The settings that the trainer ended up with, what was left to it filled in; empty where it has not said."""
        found = read_record(self.path / "status.json").get("settings")
        return found if isinstance(found, dict) else {}

    def metrics(self, offset: int = 0) -> tuple[list[dict], int]:
        """Rows with a whole "step" appended since byte `offset` (loss and so on, or eval_loss), and the next offset."""
        rows, offset = read_rows(self.path / "metrics.jsonl", offset)
        return [row for row in rows if number(row.get("step")) is not None], offset

    def samples(self, offset: int = 0) -> tuple[list[dict], int]:
        """Answers to pinned questions appended since byte `offset`, and the next offset.

        {"step", "question", "answer", "time"}.
        """
        rows, offset = read_rows(self.path / "samples.jsonl", offset)
        return [
            row
            for row in rows
            if number(row.get("step")) is not None
            and isinstance(row.get("question"), str)
            and isinstance(row.get("answer"), str)
        ], offset

    def probe_rows(self, offset: int = 0) -> tuple[list[dict], int]:
        """Return what was answered to rows of the data and to unrelated questions, appended since byte `offset`, and the next offset.

        {"step", "answers"}, the first row with the "probes" besides; judged in `glm_core.evaluation.retention`.
        """
        rows, offset = read_rows(self.path / "abilities.jsonl", offset)
        return [row for row in rows if number(row.get("step")) is not None], offset

    def resources(self, offset: int = 0) -> tuple[list[dict], int]:
        """Memory, CPU and GPU samples (bytes, percent, degrees C, W) appended since byte `offset`, and the next offset."""
        rows, offset = read_rows(self.path / "resources.jsonl", offset)
        return [row for row in rows if number(row.get("time")) is not None], offset

    def size_of(self, name: str) -> int:
        """Bytes of one of the run's files, 0 where there is none; appended files grow, so it tells whether there is news."""
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return 0

    def written(self, name: str) -> float:
        """When one of the run's files was last written (seconds since the epoch), 0 where there is none."""
        try:
            return (self.path / name).stat().st_mtime
        except OSError:
            return 0.0

    def log_tail(self, lines: int = 400) -> str:
        """The last lines of what the trainer printed."""
        return read_tail(self.path / "train.log", lines=lines)

    def checkpoints(self) -> list[int]:
        """The steps a run can go on from, ascending. Only whole ones: the trainer writes its state file last."""
        found = []
        for path in (self.path / "checkpoints").glob("checkpoint-*"):
            step = path.name.removeprefix("checkpoint-")
            if step.isdecimal() and (path / "trainer_state.json").is_file():
                found.append(int(step))
        return sorted(found)

    def adapter(self) -> Path | None:
        """The saved adapter's folder, None where there is none yet."""
        path = self.path / "adapter"
        return path if (path / "easyaigc.json").is_file() or (path / "adapter_config.json").is_file() else None

    @needs("trainer", owner=lambda run, *_: run.owner)
    def rename(self, name: str) -> None:
        """Give the run another name (1 to 80 characters).

        Raises:
            RunError: the name is empty, or the directory cannot be written.
        """
        cleaned = string(name, LONGEST_NAME)
        if not cleaned:
            raise RunError("runs.empty_name")
        change(self, name=cleaned)

    @needs("trainer", owner=lambda run, *_: run.owner)
    def annotate(self, note: str) -> None:
        """Keep a note of up to 4,000 characters with the run; an empty one takes it away."""
        change(self, note=note[:LONGEST_NOTE].strip())

    @needs("trainer", owner=lambda run: run.owner)
    def remove(self) -> None:
        """Delete the directory with everything in it.

        Raises:
            RunError: the run waits, works or stops, or the files cannot be deleted.
        """
        with locked(lock_path()):
            if self.status().active:
                raise RunError("runs.remove_active", name=self.name)
            processes.kill_all(self.path)  # a trainer that has said its last word but still holds the GPU
            with writing(self.path):
                workspace.discard_folder(self.path)


def processes_of(run: Run) -> int:
    """Number of trainer processes that the settings ask for, at least 1."""
    return max(1, int(number(run.settings.get("processes"), 1)))


def lock_path() -> Path:
    """The lock that whoever starts, stops or deletes a run holds, over all servers of this workspace."""
    with writing(folder()):
        folder().mkdir(parents=True, exist_ok=True)
    return folder() / ".lock"


def change(run: Run, **values) -> None:
    """Replace entries of run.json under its lock, so that a rename and the launcher's process number do not undo each other."""
    with locked(run.path / ".lock"), writing(run.path):
        record = read_record(run.path / "run.json")
        workspace.write_json(run.path / "run.json", {"id": run.id, **record, **values})


def write_status(run: Run, state: str, why: dict | None = None, **entries) -> None:
    """Replace the state in status.json; the rest of what the trainer wrote stays, unless `entries` replace it.

    Args:
        why: the reason as {"key": an entry of the text tables, "values": its values}, so that every reader has it in his language.
    """
    record = read_record(run.path / "status.json")
    record |= {"state": state, "why": why or "", "updated": time.time(), **entries}
    with writing(run.path):
        workspace.write_json(run.path / "status.json", record)


def read_process(path: Path) -> tuple[int | None, float | None]:
    """The process number and its create time that run.json of directory `path` names now."""
    record = read_record(path / "run.json")
    return record.get("pid"), record.get("pid_created")


def read(path: Path) -> Run:
    """The run in directory `path`, damaged where run.json makes no sense."""
    record = read_record(path / "run.json")
    dataset, settings = record.get("dataset"), record.get("settings")
    damaged = not (isinstance(dataset, dict) and isinstance(settings, dict) and isinstance(record.get("model"), str))
    questions, devices = record.get("questions"), record.get("devices")
    return Run(
        id=path.name,
        path=path,
        name=string(record.get("name"), LONGEST_NAME) or path.name,
        owner=string(record.get("owner")),
        created=number(record.get("created")) or _modified(path),
        model=string(record.get("model"), 4096),
        model_name=string(record.get("model_name")),
        dataset=_dataset(dataset if isinstance(dataset, dict) else {}),
        settings=settings if isinstance(settings, dict) else {},
        questions=tuple(q for q in questions if isinstance(q, str)) if isinstance(questions, list) else (),
        note=record["note"][:LONGEST_NOTE] if isinstance(record.get("note"), str) else "",
        pid=record.get("pid"),
        pid_created=record.get("pid_created"),
        devices=tuple(d for d in devices if isinstance(d, str)) if isinstance(devices, list) else (),
        expected=numbers(record.get("expected")),
        damaged=damaged,
        place=record["place"] if isinstance(record.get("place"), dict) else {},
        fingerprint=string(record.get("fingerprint")),
    )


def _dataset(record: dict) -> dict:
    rows = number(record.get("rows"), 0)
    return {
        "id": string(record.get("id")),
        "name": string(record.get("name")),
        "rows": int(rows),
        "sha256": string(record.get("sha256")),
        "notices": record["notices"] if isinstance(record.get("notices"), list) else [],
    }


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
