"""Checkpoints of a run as folders: found, checked for damage, and deleted once newer ones are there."""

import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

from glm_core import workspace
from glm_core.adapters import lora_io
from glm_core.adapters.files import PREFIX_WEIGHTS

STATE_FILE = "trainer_state.json"
CHECKPOINTS_KEPT = 2  # besides the best


def find_checkpoints(parent: Path) -> list[Path]:
    """The checkpoints that can be gone on from, oldest first."""
    found = [
        path for path in parent.glob("checkpoint-*") if path.name[11:].isdecimal() and (path / STATE_FILE).is_file()
    ]
    return sorted(found, key=lambda path: int(path.name[11:]))


def is_whole(folder: Path) -> bool:
    """Return whether checkpoint `folder` can be read: a power cut or a full disk may leave files that are cut off or full of zeros."""
    try:
        workspace.read_json(folder / STATE_FILE)
        weights = folder / lora_io.WEIGHTS
        for path in folder.glob("*.safetensors"):
            with safe_open(path, "pt") as file:
                list(file.keys())
        archives = [path for path in folder.iterdir() if path.suffix in (".pt", ".pth", ".bin")]
        present = {path.name for path in archives}
        complete = {"optimizer.pt", "scheduler.pt"} <= present and (weights.is_file() or PREFIX_WEIGHTS in present)
        return complete and all(_is_whole_archive(path) for path in archives)
    except (OSError, ValueError, SafetensorError, zipfile.BadZipFile):
        return False


def _is_whole_archive(path: Path) -> bool:
    """Return whether every part of a torch file (a zip archive) has the checksum it was written with."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None


def prune(parent: Path, best: int | None) -> None:
    """Delete all but the last checkpoints and the best one; a deleted one vanishes whole."""
    for path in find_checkpoints(parent)[:-CHECKPOINTS_KEPT]:
        if path.name != f"checkpoint-{best}":
            workspace.discard_folder(path, ignore_errors=True)
