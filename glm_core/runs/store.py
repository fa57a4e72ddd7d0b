"""Run directories: made, found, listed, compared. One directory's inside is run.py's, its state status.py's."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.permissions import needs
from glm_core.runs import bases
from glm_core.runs.files import RunError, read_record, string, writing
from glm_core.runs.run import LONGEST_NAME, LONGEST_NOTE, Run, change, folder, lock_path, read, write_status
from glm_core.runs.status import ACTIVE, STATES
from glm_core.training.settings import counts

__all__ = [
    "ACTIVE",
    "LONGEST_NAME",
    "LONGEST_NOTE",
    "STATES",
    "clone",
    "change",
    "create",
    "differences",
    "folder",
    "get",
    "lock_path",
    "runs",
    "write_status",
    "write_new",
]
LONGEST_QUESTION, MOST_QUESTIONS = 2000, 20
REWORDED = "reworded.jsonl"
"In a run directory: rows like those of dataset.jsonl whose questions are other wordings of them; nobody trains on them."
UNUSED = "–"
"In place of the value of a setting that does nothing in a run."


@needs("trainer")
def create(
    model: str | Path,
    dataset_id: str,
    settings,
    questions=(),
    owner: str = "",
    name: str = "",
    *,
    expected: Mapping[str, float] | None = None,
    identifier: str = "",
    start: Run | None = None,
    place: Mapping | None = None,
) -> Run:
    """Make a run directory with a byte copy of the library's rows; it trains once `Launcher.submit` has it.

    Args:
        model: the folder of the base model.
        dataset_id: one of `glm_core.data.library`.
        settings: a `glm_core.training.settings.TrainingSettings`.
        questions: asked before training and at every evaluation, so that one watches the answers change.
        owner: the account that may stop, rename and delete it.
        name: shown in lists; by default the data set's.
        expected: what was forecast, "seconds" and "peak_bytes", to be seen beside what it took.
        identifier: of `Launcher.claim`; by default a new one.
        start: a run whose adapter this one goes on from; `settings` must be as its adapter is, see `continue_settings`.
        place: where it trains, by default on this computer, see `Run.place`.

    Raises:
        RunError: the disk is full or the workspace cannot be written.
        ModelError, DataError: no such model or data set.
    """
    from glm_core.data import library
    from glm_core.models import describe
    from glm_core.models.checkpoints import fingerprint

    dataset, rows = library.content(dataset_id)
    record = {
        "name": string(name, LONGEST_NAME) or string(dataset.name, LONGEST_NAME),
        "owner": owner,
        "model": str(model),
        "model_name": describe(model).name,
        "fingerprint": fingerprint(model),
        "dataset": {
            "id": dataset.id,
            "name": dataset.name,
            "rows": dataset.rows,
            "sha256": dataset.sha256,
            "notices": list(dataset.notices),
        },
        "settings": settings.to_dict(),
        "expected": dict(expected or {}),
        "questions": [q.strip()[:LONGEST_QUESTION] for q in questions if q.strip()][:MOST_QUESTIONS],
        "language": i18n.current(),
    }
    if place:
        record["place"] = dict(place)
    fill = _with_rewordings(_filler(start), library.rewordings(dataset.id))
    return write_new(record | _origin(start), rows, fill, identifier)


def continue_settings(run: Run, settings):
    """`settings` with what the adapter of `run` fixes; raises as `fixed_settings`."""
    return settings.changed(**fixed_settings(run))


def fixed_settings(run: Run) -> dict:
    """Return the settings that the adapter of `run` fixes for a run that goes on from it: method, rank, layers, prefix length.

    Raises:
        RunError: the run has no adapter. AdapterError, ModelError: it cannot be read, or its base is gone.
    """
    from glm_core.adapters import start

    if run.adapter() is None:
        raise RunError("runs.no_adapter", name=run.name)
    return start.settings_of(run.adapter(), str(bases.of(run) or run.model))


def _origin(start: Run | None) -> dict:
    return {"start": {"run": start.id, "name": start.name}} if start else {}


def _filler(start: Run | None) -> Callable[[Path], None] | None:
    """Puts the adapter of `start` into a new run's directory."""
    if start is None:
        return None
    from glm_core.adapters import start as adapters_start

    adapter = start.adapter()
    if adapter is None:
        raise RunError("runs.no_adapter", name=start.name)
    return lambda folder: adapters_start.copy(adapter, folder / adapters_start.FOLDER)


def _with_rewordings(fill: Callable[[Path], None] | None, rows: bytes) -> Callable[[Path], None] | None:
    """`fill`, and the rows that ask the questions of the set in other words, for the report alone."""
    if not rows:
        return fill

    def filled(folder: Path) -> None:
        workspace.write_atomic(folder / REWORDED, rows)
        if fill is not None:
            fill(folder)

    return filled


@needs("trainer")
def clone(run: Run, *, settings=None, owner: str | None = None, start: Run | None = None, name: str = "") -> Run:
    """A new run with the model, examples and questions of `run`, and its settings unless others are given.

    Args:
        start: a run whose adapter the new one goes on from; by default it begins as `run` began.
        name: of the new run; by default that of `run`.

    Forecast and fingerprint are not copied: the forecast was for other settings, and the base may have changed since.
    """
    from glm_core.models import ModelError
    from glm_core.models.checkpoints import fingerprint

    record = {key: value for key, value in read_record(run.path / "run.json").items() if key not in VOLATILE}
    if isinstance(record.get("place"), dict):
        record["place"] = {name: record["place"][name] for name in ("kind", "gpu") if name in record["place"]}
    if settings is not None:
        record["settings"] = settings.to_dict()
    if owner is not None:
        record["owner"] = owner
    if name:
        record["name"] = name[:LONGEST_NAME]
    with suppress(ModelError, OSError):  # a base that is gone is said by the trainer
        record["model"] = str(bases.of(run) or run.model)
        record["fingerprint"] = fingerprint(record["model"])
    fill = _filler(start)
    if start is None and (run.path / "start").is_dir():
        from glm_core.adapters import start as adapters_start

        fill = lambda folder: adapters_start.copy(run.path / "start", folder / adapters_start.FOLDER)  # noqa: E731
    with suppress(FileNotFoundError):
        fill = _with_rewordings(fill, (run.path / REWORDED).read_bytes())
    with writing(run.path):
        return write_new(record | _origin(start), (run.path / "dataset.jsonl").read_bytes(), fill)


VOLATILE = ("id", "created", "pid", "pid_created", "devices", "note", "expected", "fingerprint")


def write_new(record: dict, rows: bytes, fill: Callable[[Path], None] | None = None, identifier: str = "") -> Run:
    """A new run directory of what run.json shall say and the content of dataset.jsonl.

    It is built under a hidden name and gets its own when whole, so that no crash leaves half a run.

    Args:
        fill: puts what else belongs there, such as an adapter, into the directory before it gets its name.
        identifier: a name that nobody else has; by default a new one.
    """
    identifier = identifier or workspace.new_id()
    with writing(folder()), workspace.replace_folder(folder() / identifier, exist_ok=False) as building:
        workspace.write_atomic(building / "dataset.jsonl", rows)
        workspace.write_json(
            building / "run.json",
            {"id": identifier, "created": time.time(), **record, "pid": None, "pid_created": None, "devices": []},
        )
        if fill is not None:
            fill(building)
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
    return read(path)


_index: workspace.FileCache[Run] = workspace.FileCache(40_000)


def runs() -> list[Run]:
    """Every run, newest first, damaged ones included; each run.json is read once until it changes.

    Folders whose name could not be a run's are passed over: nothing could be done with them.
    """
    try:
        entries = [e for e in os.scandir(folder()) if is_run(e)]
    except OSError:
        return []
    return sorted((_indexed(Path(e.path)) for e in entries), key=lambda run: (run.created, run.id), reverse=True)


def is_run(entry: os.DirEntry) -> bool:
    """Return whether an entry of the runs folder is a run directory, by its name and kind."""
    try:
        return workspace.is_plain(entry.name) and entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _indexed(path: Path) -> Run:
    try:
        return _index.get(path / "run.json", lambda file: read(Path(file).parent))
    except OSError:
        return read(path)


def differences(chosen: list[Run]) -> dict[str, list]:
    """Return what sets `chosen` runs apart: model, data set and settings whose values are not all equal, one value a run.

    A setting that a run's method has not is UNUSED in it, and sets it apart from nobody.
    """
    rows = [{"model": run.model_name, "dataset": run.dataset["name"], **run.settings} for run in chosen]
    keys = dict.fromkeys(key for row in rows for key in row)
    found = {key: [row.get(key) if counts(key, row.get("method")) else UNUSED for row in rows] for key in keys}
    return {key: values for key, values in found.items() if _differ([value for value in values if value != UNUSED])}


def _differ(values: list) -> bool:
    return any(value != values[0] for value in values)


def write_record(run: Run, name: str, record: dict) -> None:
    """Write `record` as RUN_DIR/`name`.

    Raises:
        RunError: the run has been deleted, the disk is full or the folder cannot be written.
    """
    if not (run.path / "run.json").is_file():
        raise RunError("runs.unknown", id=run.id)
    with writing(run.path):
        workspace.write_json(run.path / name, record)
