"""Going back: the adapter of an earlier evaluation becomes the run's own, and the one before stays, to go forward again.

    checkpoints/adapter-STEP   what can be gone to; written by the trainer (adapters/snapshots.py)
    adapter                    what answers; a copy, so that nothing has to be moved out of the way

The engine reads the adapter anew because its files are newer.
"""

import shutil
from pathlib import Path

from glm_core import workspace
from glm_core.permissions import needs
from glm_core.runs import store
from glm_core.runs.exchange.import_adapter import INFO, NAMES
from glm_core.runs.files import RunError, locked, read_record, writing
from glm_core.runs.run import Run

PREFIX = "adapter-"


def steps(run: Run) -> list[int]:
    """The steps whose adapters are kept, ascending."""
    names = [
        path.name.removeprefix(PREFIX) for path in (run.path / "checkpoints").glob(f"{PREFIX}*") if _is_adapter(path)
    ]
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def current(run: Run) -> int | None:
    """The update after which the run's adapter was saved; None where it has none or does not say."""
    step = read_record(run.path / "adapter" / INFO).get("step")
    return step if type(step) is int and step >= 0 else None


@needs("trainer", owner=lambda run, *_, **__: run.owner)
def promote(run: Run, step: int) -> None:
    """Make the adapter of update `step` the one that answers. A crash leaves the old one, the new one, or none but both kept.

    Raises:
        RunError: the run is gone, waits or works, no adapter of this step is kept, or the disk is full.
    """
    with locked(store.lock_path()):
        run = store.get(run.id)
        if run.status().active:
            raise RunError("runs.promote_active", name=run.name)
        if step not in steps(run):
            raise RunError("runs.no_step", step=step)
        with writing(run.path), locked(run.path / ".lock"):
            workspace.sweep_leftovers(run.path, depth=1, age=0)
            _keep_current(run)
            _replace(run, step)
            status = read_record(run.path / "status.json")
            workspace.write_json(run.path / "status.json", {**status, "adapter_step": step})


def _is_adapter(folder: Path) -> bool:
    return (folder / INFO).is_file() and not folder.is_symlink()


def _keep_current(run: Run) -> None:
    """Keep the adapter of a stop, or of the lowest validation loss, whose step is not among those of evaluations."""
    step = current(run)
    if step is None or step in steps(run):
        return
    folder = run.path / "checkpoints"
    with workspace.replace_folder(folder / f"{PREFIX}{step}") as building:
        _copy(run.path / "adapter", building)


def _replace(run: Run, step: int) -> None:
    """Exchange the run's adapter for a copy of the kept one."""
    with workspace.replace_folder(run.path / "adapter") as building:
        _copy(run.path / "checkpoints" / f"{PREFIX}{step}", building)
        info = {"run": run.id, "name": run.name, "step": step, "settings": dict(run.settings)}
        workspace.write_json(building / INFO, read_record(building / INFO) | info)


def _copy(adapter: Path, folder: Path) -> None:
    """Copy an adapter's own files into `folder`; links are not followed."""
    for name in NAMES:
        if (adapter / name).is_file() and not (adapter / name).is_symlink():
            shutil.copyfile(adapter / name, folder / name)
