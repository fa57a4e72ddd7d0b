"""What a run has learnt, to take away: the adapter as a zip, or merged into its base as a model of its own.

A merge is a job in a thread: it goes on when the tab is closed, can be cancelled, and its folder under `home()/exports`
appears whole. Its record lies in `home()/exports/.jobs`, so that a restarted server still knows what was merged, and which
merge ended with the server: that one is called broken, and what it had written is swept away. Not here: one merge and its
thread (merge_job.py), its files (merge_job.py), the arithmetic (adapters/merge.py).
"""

import io
import os
import zipfile
from pathlib import Path

from glm_core import workspace
from glm_core.jobs import Jobs
from glm_core.models import describe
from glm_core.runs.exchange.merge_job import (
    DTYPES,
    Export,
    acquire_lock,
    check_space,
    exports_folder,
    read,
    record_file,
)
from glm_core.runs.files import RunError, writing
from glm_core.runs.store import Run

__all__ = [
    "DTYPES",
    "Export",
    "exports_folder",
    "forget",
    "jobs",
    "keep_as_model",
    "remove",
    "start_merge",
    "stored_dtype",
    "zip_folder",
]

_jobs: Jobs[Path, Export] = Jobs()


def start_merge(run: Run, base: Path, dtype: str | None = None, strength: float = 1.0) -> Export:
    """Begin to merge the adapter of `run` into `base`.

    Args:
        base: an unquantized model folder.
        dtype: one of `DTYPES`; None for the one `base` is published in.
        strength: how strongly the adapter is worked in, for LoRA from 0 to 1.5.

    Raises:
        RunError: the run has no adapter, the disk has no room, or this merge is under way or there already.
        AdapterError: `base` is quantized.
        ModelError: `base` cannot be read.
    """
    from glm_core.adapters.errors import AdapterError

    description, base = describe(base), Path(base)
    if run.adapter() is None:
        raise RunError("exports.no_adapter", name=run.name)
    if description.bits:
        raise AdapterError("adapters.error.quantized_base", folder=base.name)
    dtype = dtype or stored_dtype(description.config)
    path = exports_folder() / (f"{base.name}-{run.id}" + (f"-{round(100 * strength)}" if strength != 1 else ""))
    title = f"{base.name} + {run.name}" + (f" × {strength:g}" if strength != 1 else "")
    with _jobs.lock, writing(exports_folder()):
        record_file(path).parent.mkdir(parents=True, exist_ok=True)
        held = None if path.exists() else acquire_lock(path)
        if held is None:
            raise RunError("exports.exists", folder=str(path))
        try:
            check_space(description.parameters * (4 if dtype == "float32" else 2))
        except RunError:
            held.release()
            raise
        job = _jobs.add(path, Export(path, run.id, title, base, dtype, strength))
        job.begin(run.path / "adapter", held)
    return job


def stored_dtype(config: dict) -> str:
    """The precision a published `config.json` names, float16 where it names none of `DTYPES`."""
    named = str(config.get("torch_dtype") or config.get("dtype") or "")
    return named if named in DTYPES else "float16"


def jobs() -> list[Export]:
    """The merges of this workspace: under way, and ended ones until they are forgotten, those of earlier servers too."""
    for file in sorted(exports_folder().glob(".jobs/*.json")):
        path = exports_folder() / file.stem
        _jobs.get_or_add(path, lambda file=file, path=path: read(file, path))
    return [job for job in _jobs.all() if job.path.parent == exports_folder()]


def forget(job: Export) -> None:
    """Take an ended merge from the list; its folder stays."""
    with _jobs.lock:
        _jobs.forget(job.path)
        record_file(job.path).unlink(missing_ok=True)
        record_file(job.path).with_suffix(".lock").unlink(missing_ok=True)


def remove(job: Export) -> None:
    """Delete what an ended merge has made, and forget it.

    Raises:
        RunError: its files cannot be deleted.
    """
    with writing(exports_folder()):
        if job.path.is_dir():
            workspace.discard_folder(job.path)
    forget(job)


def keep_as_model(job: Export) -> Path:
    """Move a finished merge among the models, so that it can be loaded here. Returns its new folder.

    Raises:
        HubError: there is a model of that name.
        RunError: the folder cannot be moved.
    """
    from glm_core.hub.paths import check_free, models_folder

    check_free(job.path.name)
    with writing(models_folder()):
        bundled = job.base.resolve().parent == workspace.ASSETS / "models"
        record = {"run": job.run_id, "title": job.title, "base": job.base.name, "bundled_base": bundled}
        workspace.write_json(job.path / "easyaigc.json", record)
        models_folder().mkdir(parents=True, exist_ok=True)
        os.rename(job.path, models_folder() / job.path.name)
    forget(job)
    return models_folder() / job.path.name


def zip_folder(path: Path) -> bytes:
    """The files of folder `path` as a zip, stored and not compressed: weights do not compress."""
    content = io.BytesIO()
    with writing(path), zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path.iterdir()):
            if file.is_file():
                archive.write(file, f"{path.name}/{file.name}")
    return content.getvalue()
