"""Where the base of a run is now: where it was, else under another name or in another folder, known by its weights."""

from collections.abc import Iterator
from pathlib import Path

from glm_core import workspace
from glm_core.runs.run import Run

CONFIG = "config.json"


def folders() -> Iterator[Path]:
    """Every folder of a base: those that come with the program, then those of the workspace."""
    for folder in (workspace.ASSETS / "models", workspace.home() / "models"):
        for config in sorted(folder.glob(f"[!.]*/{CONFIG}")):
            yield config.parent


def locate(model: str, weights: str = "") -> Path | None:
    """Return the folder of a base that was at `model`, None where it is gone.

    Args:
        weights: fingerprint of its weights, empty where it is not known. Where the folder is gone, a base with these weights is the
            same under another name; without one, a base of the same name is taken.
    """
    folder = Path(model)
    if (folder / CONFIG).is_file():
        return folder.resolve()
    from glm_core.models.checkpoints import fingerprint

    here = list(folders())
    same = (one for one in here if weights and fingerprint(one) == weights)
    found = next(same, None) or next((one for one in here if one.name == folder.name), None)
    return found.resolve() if found else None


def of(run: Run) -> Path | None:
    """Return the folder of the base of `run`, None where it is gone."""
    return locate(run.model, run.fingerprint)


def name_of(run: Run) -> str:
    """Return the name of the base of `run` as it is called now; where it is gone, as it was called."""
    found = of(run)
    return found.name if found else run.model_name
