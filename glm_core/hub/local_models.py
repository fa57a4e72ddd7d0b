"""Model folders of one's own under `home()/models`: added from elsewhere on this machine, checked, deleted.

A page never names a path: it offers what lies in that one folder. Adding a folder from anywhere is the command line's
(`python -m glm_core.hub add PATH`). Not here: what a folder holds (`describe`), the bundled models, which are never changed.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.errors import EasyError
from glm_core.hub import published as hub_published
from glm_core.hub.download_job import ORIGIN
from glm_core.hub.http_download import BLOCK, HubError, saving
from glm_core.hub.paths import check_free, models_folder
from glm_core.i18n import t
from glm_core.models import checkpoints, describe
from glm_core.permissions import needs


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
    published = hub_published.find(folder.name)
    if published is not None and published.digests:
        return published.digests
    try:
        noted = checkpoints.read_object(folder / ORIGIN, checkpoints.CONFIG_BYTES)["files"]
        return {name: facts for name, facts in noted.items() if facts["sha256"] and workspace.inside(folder, name)}
    except (checkpoints.ModelError, workspace.WorkspaceError, KeyError, TypeError, AttributeError):
        return {}


@needs("trainer")
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


@needs("trainer")
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
        with workspace.replace_folder(folder) as building:
            shutil.copytree(path, building, dirs_exist_ok=True)
    return folder


@needs("trainer")
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
        workspace.discard_folder(folder)


def model_facts(folder: Path) -> tuple[str, str]:
    """Return what the model in `folder` is, and its licence; or what is wrong with it, and nothing."""
    try:
        model = describe(folder)
        size = i18n.size(workspace.folder_size(folder))
    except (EasyError, OSError) as error:
        return str(error), ""
    bundled = folder.parent == workspace.ASSETS / "models" or _merged_into_bundled(folder)
    values = {
        "family": t("models.structure", family=model.family.title) if bundled else model.family.title,
        "parameters": parameter_count(model.parameters),
        "context": f"{model.context_length:,}",
    }
    bits = f" · int{model.bits}" if model.bits else ""
    return t("models.facts", **values, size=size) + bits, t(
        "models.licence.bundled" if bundled else model.family.licence
    )


def _merged_into_bundled(folder: Path) -> bool:
    """Return whether a merged model in `folder` has a bundled base, whose licence and size it then has."""
    try:
        record = workspace.read_json(folder / "easyaigc.json", {})
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("bundled_base") is True


def parameter_count(parameters: int) -> str:
    """A number of parameters as people say it: `6.2 B`, `9.4 M`."""
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"


def check_verdict(found: Sequence[Checked]) -> str:
    """Return a sentence that names the files with a wrong digest, or says that all are right."""
    wrong = [
        file.name + t("mark.colon") + t(f"models.verdict.{file.verdict}") for file in found if file.verdict != "right"
    ]
    return "; ".join(wrong) or t("models.verified", count=len(found))
