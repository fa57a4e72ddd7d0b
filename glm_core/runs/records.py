"""The run directory: made, listed, read, changed. Covers what is on disk and what it means; starts no process (launcher.py).

    runs/ID/run.json         what to train: model, data set, settings, questions, owner, process
            dataset.jsonl    the examples themselves, so that a later edit of the data set changes no run
            status.json      what the trainer says of itself, replaced atomically; absent until the run is submitted
            metrics.jsonl  resources.jsonl  samples.jsonl  train.log     appended by the trainer
            stop, discard    marks of a requested stop
            checkpoints/  adapter/

A directory may be half written by a crash, or made by somebody hostile: nothing in it is believed before it is checked, and
one that makes no sense is a damaged run that can be looked at and deleted, never an exception.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glm_core import text, workspace
from glm_core.runs import processes
from glm_core.runs.endings import explain
from glm_core.runs.files import RunError, locked, number, read_record, read_rows, read_tail, string, writing

STATES = ("queued", "running", "stopping", "stopped", "finished", "failed")
ACTIVE = ("queued", "running", "stopping")
LONGEST_NAME, LONGEST_NOTE, LONGEST_QUESTION, MOST_QUESTIONS = 80, 4000, 2000, 20


def folder() -> Path:
    """Where the run directories are."""
    return workspace.home() / "runs"


@dataclass(frozen=True)
class Status:
    """What a run is doing. `state` is true even where status.json is not: a dead trainer never counts as running.

    Attributes:
        state: one of STATES.
        stage: starting, loading, encoding, training, saving, done; empty before the trainer has said anything.
        fraction: how far the stage is, None where unknown.
        why: the sentence that says why it ended so.
        reason: the text key of that sentence, empty for plain text.
        alarm: a sentence about losses that make no sense, empty while they do.
        retry: settings to change so that it fits, where the trainer ran out of memory and knows some.
        updated: seconds since the epoch. peak_memory: bytes.
        damaged: its files make no sense.
    """

    state: str
    stage: str = ""
    step: int = 0
    total_steps: int = 0
    fraction: float | None = None
    why: str = ""
    reason: str = ""
    alarm: str = ""
    retry: Mapping[str, object] = field(default_factory=dict)
    updated: float = 0.0
    eta_seconds: float | None = None
    peak_memory: int | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    damaged: bool = False

    @property
    def active(self) -> bool:
        """Whether it waits or works: neither deletable nor resumable."""
        return self.state in ACTIVE


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

    def alive(self) -> bool:
        """Whether its trainer process exists."""
        return processes.alive(self.pid, self.pid_created, self.path)

    def status(self) -> Status:
        """The true state: what the trainer wrote, corrected where the trainer is dead or a stop is under way."""
        file = self.path / "status.json"
        record = read_record(file)
        process = read_process(self.path)
        claims_life = record.get("state") in ("running", "stopping") and process[0] is not None
        if claims_life and not processes.alive(*process, self.path):
            record = read_record(file)  # it may have written its end just before it ended
            if record.get("state") in ("running", "stopping"):
                stopped = (self.path / "stop").exists()
                record |= {"state": "stopped" if stopped else "failed", "why": record.get("why") or explain(self.path)}
        elif record.get("state") == "running" and (self.path / "stop").exists():
            record["state"] = "stopping"
        return _status(record, self.damaged or (not record and file.exists()))

    def metrics(self, offset: int = 0) -> tuple[list[dict], int]:
        """Rows with a whole "step" appended since byte `offset` (loss and so on, or eval_loss), and the next offset."""
        rows, offset = read_rows(self.path / "metrics.jsonl", offset)
        return [row for row in rows if number(row.get("step")) is not None], offset

    def samples(self) -> list[dict]:
        """Every answer to a pinned question: {"step", "question", "answer", "time"}."""
        rows, _ = read_rows(self.path / "samples.jsonl")
        return [
            row
            for row in rows
            if number(row.get("step")) is not None
            and isinstance(row.get("question"), str)
            and isinstance(row.get("answer"), str)
        ]

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

    def rename(self, name: str) -> None:
        """Give the run another name (1 to 80 characters).

        Raises:
            RunError: the name is empty, or the directory cannot be written.
        """
        cleaned = string(name, LONGEST_NAME)
        if not cleaned:
            raise RunError("runs.empty_name")
        change(self, name=cleaned)

    def annotate(self, note: str) -> None:
        """Keep a note of up to 4,000 characters with the run; an empty one takes it away."""
        change(self, note=note[:LONGEST_NOTE].strip())

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
                gone = self.path.with_name(f".gone-{self.id}")
                os.replace(self.path, gone)  # vanishes at once, however long deleting takes
                shutil.rmtree(gone)


def lock_path() -> Path:
    """The lock that whoever starts, stops or deletes a run holds, over all servers of this workspace."""
    with writing(folder()):
        folder().mkdir(parents=True, exist_ok=True)
    return folder() / ".lock"


def create(model: str | Path, dataset_id: str, settings, questions=(), owner: str = "", name: str = "", *,
           expected: Mapping[str, float] | None = None) -> Run:  # fmt: skip
    """Make a run directory with a copy of the examples; it trains once `Launcher.submit` has it.

    Args:
        model: the folder of the base model.
        dataset_id: one of `glm_core.data.library`.
        settings: a `glm_core.training.settings.TrainingSettings`.
        questions: asked before training and at every evaluation, so that one watches the answers change.
        owner: the account that may stop, rename and delete it.
        name: shown in lists; by default the data set's.
        expected: what was forecast, "seconds" and "peak_bytes", to be seen beside what it took.

    Raises:
        RunError: the disk is full or the workspace cannot be written.
        ModelError, DataError: no such model or data set.
    """
    from glm_core.data import library
    from glm_core.models import describe
    from glm_core.models.fingerprint import fingerprint

    dataset = library.get(dataset_id)
    examples = [{"messages": [dict(m) for m in example.messages]} for example in library.examples(dataset_id)]
    record = {
        "name": string(name, LONGEST_NAME) or string(dataset.name, LONGEST_NAME),
        "owner": owner,
        "model": str(model),
        "model_name": describe(model).name,
        "fingerprint": fingerprint(model),
        "dataset": {"id": dataset.id, "name": dataset.name, "rows": len(examples), "sha256": dataset.sha256},
        "settings": settings.to_dict(),
        "expected": dict(expected or {}),
        "questions": [q.strip()[:LONGEST_QUESTION] for q in questions if q.strip()][:MOST_QUESTIONS],
    }
    lines = "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in examples)
    return write_new(record, lines.encode("utf-8"))


def again(run: Run, *, settings=None, owner: str | None = None) -> Run:
    """A new run with the model, examples and questions of `run`, and its settings unless others are given."""
    record = {key: value for key, value in read_record(run.path / "run.json").items() if key not in VOLATILE}
    if settings is not None:
        record["settings"] = settings.to_dict()
    if owner is not None:
        record["owner"] = owner
    with writing(run.path):
        return write_new(record, (run.path / "dataset.jsonl").read_bytes())


VOLATILE = ("id", "created", "pid", "pid_created", "devices", "note")


def write_new(record: dict, examples: bytes, fill: Callable[[Path], None] | None = None) -> Run:
    """A new run directory of what run.json shall say and the lines of dataset.jsonl.

    It is built under a hidden name and gets its own when whole, so that no crash leaves half a run.

    Args:
        fill: puts what else belongs there, such as an adapter, into the directory before it gets its name.
    """
    identifier = workspace.new_id()
    hidden = folder() / f".new-{identifier}"
    with writing(folder()):
        try:
            hidden.mkdir(parents=True)
            workspace.write_atomic(hidden / "dataset.jsonl", examples)
            workspace.write_json(
                hidden / "run.json",
                {"id": identifier, "created": time.time(), **record, "pid": None, "pid_created": None, "devices": []},
            )
            if fill is not None:
                fill(hidden)
            os.replace(hidden, folder() / identifier)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
    return get(identifier)


def get(identifier: str) -> Run:
    """The run `identifier`.

    Raises:
        RunError: there is none, or the name could not be one.
    """
    try:
        path = workspace.inside(folder(), identifier)
    except workspace.WorkspaceError as error:
        raise RunError("runs.unknown", id=repr(identifier)[:80]) from error
    if path.is_symlink() or not path.is_dir():
        raise RunError("runs.unknown", id=identifier)
    return _read(path)


def runs() -> list[Run]:
    """Every run, newest first, damaged ones included."""
    try:
        entries = [e for e in os.scandir(folder()) if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:
        return []
    return sorted((_read(Path(e.path)) for e in entries), key=lambda run: (run.created, run.id), reverse=True)


def change(run: Run, **values) -> None:
    """Replace entries of run.json under its lock, so that a rename and the launcher's process number do not undo each other."""
    with locked(run.path / ".lock"), writing(run.path):
        record = read_record(run.path / "run.json")
        workspace.write_json(run.path / "run.json", {"id": run.id, **record, **values})


def say_status(run: Run, state: str, why: dict | None = None, **entries) -> None:
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


def _read(path: Path) -> Run:
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
        expected=_numbers(record.get("expected")),
        damaged=damaged,
    )


def _dataset(record: dict) -> dict:
    rows = number(record.get("rows"), 0)
    return {
        "id": string(record.get("id")),
        "name": string(record.get("name")),
        "rows": int(rows),
        "sha256": string(record.get("sha256")),
    }


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _status(record: dict, damaged: bool) -> Status:
    state = record.get("state", "queued")
    if damaged or state not in STATES:
        return Status("failed", why=text.say("runs.why.damaged"), damaged=True)
    peak = number(record.get("peak_memory"))
    return Status(
        state=state,
        stage=string(record.get("stage")),
        step=int(number(record.get("step"), 0)),
        total_steps=int(number(record.get("total_steps"), 0)),
        fraction=number(record.get("fraction")),
        why=_sentence(record.get("why")),
        reason=_reason(record.get("why")),
        alarm=_sentence(record.get("alarm")),
        retry=record["retry"] if isinstance(record.get("retry"), dict) else {},
        updated=number(record.get("updated"), 0.0),
        eta_seconds=number(record.get("eta_seconds")),
        peak_memory=None if peak is None else int(peak),
        stage_seconds=_numbers(record.get("stage_seconds")),
    )


def _numbers(record: object) -> dict[str, float]:
    return {k: v for k, v in record.items() if number(v) is not None} if isinstance(record, dict) else {}


def _sentence(why: object) -> str:
    """A reason in the reader's language: an entry of the text tables with its values, or plain text."""
    if isinstance(why, dict) and isinstance(why.get("key"), str):
        values = why.get("values") if isinstance(why.get("values"), dict) else {}
        try:
            return text.say(why["key"], **values)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            return string(json.dumps(why, ensure_ascii=False), 2000)
    return string(why, 2000)


def _reason(why: object) -> str:
    return string(why.get("key")) if isinstance(why, dict) else ""


def differences(chosen: list[Run]) -> dict[str, list]:
    """What sets `chosen` runs apart: model, data set and settings whose values are not all equal, one value a run."""
    rows = [{"model": run.model_name, "dataset": run.dataset["name"], **run.settings} for run in chosen]
    keys = dict.fromkeys(key for row in rows for key in row)
    found = {key: [row.get(key) for row in rows] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}
