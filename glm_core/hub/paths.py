"""Folders of models and downloads in the workspace, and the move by which a finished download joins the models."""

import errno
import os
import shutil
from pathlib import Path

from glm_core import workspace
from glm_core.hub.http_download import HubError


def models_folder() -> Path:
    """Return the folder of the user's own models."""
    return workspace.home() / "models"


def downloads_folder() -> Path:
    """Return the folder of unfinished downloads."""
    return workspace.home() / "downloads"


def check_free(name: str) -> None:
    """Refuse a name that a model has already.

    Raises:
        HubError: there is such a model.
    """
    if os.path.lexists(models_folder() / name) or (workspace.ASSETS / "models" / name).exists():
        raise HubError("hub.exists", name=name)


def move(folder: Path, target: Path) -> None:
    """Rename `folder`; where the models lie on another disk, copy it, and only the whole copy gets the name."""
    try:
        os.rename(folder, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with workspace.replace_folder(target) as building:
            shutil.copytree(folder, building, dirs_exist_ok=True)
        shutil.rmtree(folder)
