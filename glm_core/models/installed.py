"""Model folders of one's own under `home()/models`: added from elsewhere on this machine, checked, deleted.

A page never names a path: it offers what lies in that one folder. Adding a folder from anywhere is the command line's
(`python -m glm_core.models add PATH`). Not here: what a folder holds (`describe`), the bundled models, which are never changed.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from glm_core import workspace
from glm_core.models import catalogue, checkpoints
from glm_core.models.downloads import ORIGIN
from glm_core.models.folders import check_free, models_folder
from glm_core.models.transfer import BLOCK, HubError, saving


@dataclass(frozen=True)
class Checked:
    """One file held against its digest: "right", "wrong" or "missing"."""

    name: str
    verdict: str


def own_folder(name: str) -> Path:
    """The folder of the model `name` under `home()/models`.

    Raises:
        HubError: there is none; bundled models are not of one's own.
        WorkspaceError: no name of a folder.
    """
    folder = workspace.inside(models_folder(), name)
    if not folder.is_dir():
        raise HubError("hub.not_own", name=name)
    return folder


def broken() -> list[Path]:
    """Folders among the models of one's own that are no model."""
    return [folder for folder in sorted(models_folder().glob("[!.]*")) if not (folder / "config.json").is_file()]


def expected_digests(folder: Path) -> Mapping[str, dict]:
    """Digests for the files of `folder`: the publisher's where they are known here, else those noted at its download.

    Returns:
        File -> {"sha256", "size"}; empty where neither is known.
    """
    published = catalogue.find(folder.name)
    if published is not None and published.digests:
        return published.digests
    try:
        noted = checkpoints.read_object(folder / ORIGIN, checkpoints.CONFIG_BYTES)["files"]
        return {name: facts for name, facts in noted.items() if facts["sha256"] and workspace.inside(folder, name)}
    except (checkpoints.ModelError, workspace.WorkspaceError, KeyError, TypeError, AttributeError):
        return {}


def verify(
    folder: Path, digests: Mapping[str, dict], progress: Callable[[float], None] = lambda fraction: None
) -> list[Checked]:
    """Read the files of `folder` that `digests` knows and compare.

    Args:
        digests: file -> {"sha256", "size"}.
        progress: called with the fraction of the bytes read.

    Raises:
        HubError: a file cannot be read.
    """
    total = sum(facts["size"] for facts in digests.values()) or 1
    done, found = 0, []
    for name, facts in sorted(digests.items()):
        path = workspace.inside(folder, name)
        if not path.is_file():
            found.append(Checked(name, "missing"))
        elif path.stat().st_size != facts["size"]:
            found.append(Checked(name, "wrong"))
        else:
            digest = _digest(path, lambda read, before=done: progress((before + read) / total))
            found.append(Checked(name, "right" if digest == facts["sha256"].lower() else "wrong"))
        done += facts["size"]
        progress(done / total)
    return found


def _digest(path: Path, read: Callable[[int], None]) -> str:
    digest, done = hashlib.sha256(), 0
    with saving(path), open(path, "rb") as file:
        while block := file.read(16 * BLOCK):
            digest.update(block)
            done += len(block)
            read(done)
    return digest.hexdigest()


def add(path: Path, *, copy: bool = False, name: str = "") -> Path:
    """Make the model folder `path` one of one's own: by a link to it, or by a copy. Returns its new folder.

    Raises:
        ModelError: it holds no model that can be loaded here.
        HubError: there is a model of that name, or the workspace cannot be written.
    """
    from glm_core.models import describe

    path = Path(path).expanduser().resolve()
    describe(path)
    checkpoints.weight_files(path)
    folder = workspace.inside(models_folder(), name or path.name)
    check_free(folder.name)
    with saving(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not copy:
            folder.symlink_to(path, target_is_directory=True)
            return folder
        building = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(building, ignore_errors=True)
        try:
            shutil.copytree(path, building)
            os.rename(building, folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder


def remove(name: str) -> None:
    """Delete the model `name` of one's own; of a link only the link. Whoever has it loaded must let go of it before.

    Raises:
        HubError: there is none of that name, or its files cannot be deleted.
    """
    folder = own_folder(name)
    with saving(folder):
        if folder.is_symlink():
            folder.unlink()
            return
        gone = folder.with_name(f".gone-{workspace.new_id()}")
        os.rename(folder, gone)  # vanishes at once, however long deleting takes
        shutil.rmtree(gone)
