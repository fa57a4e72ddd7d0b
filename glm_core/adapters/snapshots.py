"""The adapter as it was at each evaluation, so that a reader can go back to it: `checkpoints/adapter-STEP`.

Weights without the optimizer's state, a third of a checkpoint or less. Checkpoints are for going on training and soon
deleted (trainer.py); these stay, spread over the run, as far as the disk shall bear it.
"""

from pathlib import Path

from glm_core import workspace
from glm_core.adapters import attach
from glm_core.models import LoadedModel

NAME = "adapter-"
MOST, MOST_BYTES = 12, 2_000_000_000


def keep(loaded: LoadedModel, parent: Path, step: int) -> None:
    """Write the adapter under training into `parent`, and thin out what has become too much.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    folder = parent / f"{NAME}{step}"
    attach.save(loaded, folder, {"step": step})
    size = workspace.folder_size(folder)
    for gone in surplus(saved_steps(parent), max(1, min(MOST, MOST_BYTES // size))):
        _delete(parent, gone)


def renew(loaded: LoadedModel, parent: Path, step: int) -> None:
    """Write the adapter of `step` again, where it is kept: who goes back to that step gets what the run ended with."""
    if step in saved_steps(parent):
        attach.save(loaded, parent / f"{NAME}{step}", {"step": step})


def saved_steps(parent: Path) -> list[int]:
    """The steps whose adapters are in `parent`, ascending."""
    names = [path.name.removeprefix(NAME) for path in parent.glob(f"{NAME}*")]
    return sorted(int(name) for name in names if name.isdecimal())


def surplus(steps: list[int], most: int) -> list[int]:
    """Return the ascending `steps` to drop so that `most` are left: those that leave the smallest gaps, never the last."""
    left = list(steps)
    while len(left) > most:
        before = [0, *left]
        left.pop(min(range(len(left) - 1), key=lambda place: left[place + 1] - before[place]))
    return [step for step in steps if step not in left]


def forget_after(parent: Path, step: int) -> None:
    """Delete adapters later than `step`, which a resumed run will make again."""
    for later in saved_steps(parent):
        if later > step:
            _delete(parent, later)


def _delete(parent: Path, step: int) -> None:
    workspace.discard_folder(parent / f"{NAME}{step}", ignore_errors=True)
