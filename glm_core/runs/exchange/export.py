"""Exports of this workspace: the adapter, a merged model or a GGUF file of a run, as jobs that can be watched.

An export goes on when the tab is closed, can be cancelled, and its folder under `home()/exports` appears whole. Its record
lies in `home()/exports/.jobs`, so that a restarted server knows what was exported, and which export ended with the
server: that one is called broken, and what it had written is deleted. Not here: one export and its thread (export_job.py),
the formats (exporter.py).
"""

import io
import os
import re
import shlex
import zipfile
from pathlib import Path

from glm_core import workspace
from glm_core.jobs import Jobs
from glm_core.permissions import needs
from glm_core.runs.exchange.export_job import (
    Export,
    ExportPlan,
    acquire_lock,
    check_space,
    exports_folder,
    read,
    record_file,
)
from glm_core.runs.exchange.exporter import FORMATS, ExportSource, checked_type, exporter
from glm_core.runs.files import RunError, writing
from glm_core.runs.run import Run

__all__ = [
    "FORMATS",
    "Export",
    "ExportPlan",
    "exports_folder",
    "forget",
    "jobs",
    "keep_as_model",
    "remove",
    "serve_command",
    "start_export",
    "write",
    "zip_folder",
]

registry: Jobs[Path, Export] = Jobs()
LONGEST_FOLDER_NAME = 30  # characters of a run's name


@needs("trainer")
def start_export(
    run: Run,
    base: Path,
    kind: str | None = None,
    strength: float = 1.0,
    *,
    format: str = "merged",
    check: bool = True,
    measured: tuple[str, ...] = (),
) -> Export:
    """Begin to export `run`, whose adapter belongs to the model in `base`.

    Args:
        kind: number type, of the format's `types`; None for the usual one.
        strength: share of the adapter that is worked in, for LoRA from 0 to 1.5.
        format: of `FORMATS`.
        check: ask what came out 20 questions and compare the answers with the run's.
        measured: sentences of the run's report, for the model card.

    Raises:
        RunError: the run has no adapter, the disk has no space for it, or this export is under way or there already.
        AdapterError: the format cannot hold this model, such as a quantized base.
        ModelError: `base` cannot be read.
    """
    source, one = ExportSource(run, Path(base), strength, measured), exporter(format)
    _ = source.adapter
    one.check(source)
    kind = checked_type(one, source, kind)
    path = exports_folder() / _folder_name(source, format, kind)
    title = f"{source.base.name} + {run.name}" + (f" × {strength:g}" if strength != 1 else "")
    with registry.lock, writing(exports_folder()):
        record_file(path).parent.mkdir(parents=True, exist_ok=True)
        held = None if path.exists() else acquire_lock(path)
        if held is None:
            raise RunError("exports.exists", folder=str(path))
        try:
            check_space(one.needed_bytes(source, kind))
        except RunError:
            held.release()
            raise
        job = registry.add(path, Export(path, title, ExportPlan(run.id, source.base, format, kind, strength)))
        job.begin(source, held, check)
    return job


def _folder_name(source: ExportSource, format: str, kind: str) -> str:
    """The base and the run by name, and the end of the run's id, since two may be named alike."""
    named = re.sub(r"[^\w]+", "-", source.run.name).strip("-")[:LONGEST_FOLDER_NAME]
    share = f"-{round(100 * source.strength)}" if source.strength != 1 else ""
    return (
        "-".join(filter(None, (source.base.name, named, source.run.id[-4:])))
        + share
        + ("" if format == "merged" else f"-{format}{kind and '-'}{kind}")
    )


def write(source: ExportSource, format: str, folder: Path, kind: str | None = None, progress=None) -> Path:
    """Export into `folder`, which must not exist, without a job. Returns what a tool is pointed at.

    Raises:
        RunError: `folder` is there already, cannot be written, or there is no such format or type.
        AdapterError, ModelError: as for `start_export`.
    """
    one = exporter(format)
    one.check(source)
    kind = checked_type(one, source, kind)
    if folder.exists():
        raise RunError("exports.exists", folder=str(folder))
    with writing(folder), workspace.replace_folder(folder) as building:
        one.write(source, building, kind, progress or (lambda stage, fraction: None))
    return one.artefact(folder)


def jobs() -> list[Export]:
    """Return the exports of this workspace: under way, and ended ones until they are forgotten, those of earlier servers too."""
    for file in sorted(exports_folder().glob(".jobs/*.json")):
        path = exports_folder() / file.stem
        registry.get_or_add(path, lambda file=file, path=path: read(file, path))
    return [job for job in registry.all() if job.path.parent == exports_folder()]


@needs("trainer")
def forget(job: Export) -> None:
    """Take an ended export from the list; its folder stays."""
    with registry.lock:
        registry.forget(job.path)
        record_file(job.path).unlink(missing_ok=True)
        record_file(job.path).with_suffix(".lock").unlink(missing_ok=True)


@needs("trainer")
def remove(job: Export) -> None:
    """Delete what an ended export has made, and forget it.

    Raises:
        RunError: its files cannot be deleted.
    """
    with writing(exports_folder()):
        if job.path.is_dir():
            workspace.discard_folder(job.path)
    forget(job)


@needs("trainer")
def keep_as_model(job: Export) -> Path:
    """Move a merged model among the models, so that it can be loaded here. Returns its new folder.

    Raises:
        HubError: there is a model of that name.
        RunError: the folder cannot be moved.
    """
    from glm_core.hub.paths import check_free, models_folder

    check_free(job.path.name)
    with writing(models_folder()):
        bundled = job.plan.base.resolve().parent == workspace.ASSETS / "models"
        record = {"run": job.plan.run_id, "title": job.title, "base": job.plan.base.name, "bundled_base": bundled}
        workspace.write_json(job.path / "easyaigc.json", record)
        models_folder().mkdir(parents=True, exist_ok=True)
        os.rename(job.path, models_folder() / job.path.name)
    forget(job)
    return models_folder() / job.path.name


def zip_folder(path: Path) -> bytes:
    """Return the files in and below `path` as a zip, stored and not compressed: weights do not compress."""
    content = io.BytesIO()
    with writing(path), zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path.rglob("*")):
            if file.is_file():
                archive.write(file, f"{path.name}/{file.relative_to(path)}")
    return content.getvalue()


def serve_command(folder: Path, name: str) -> str | None:
    """The shell command that serves an exported folder by vLLM under `name`; None where vLLM would need its publisher's code.

    A folder of the class "chatglm" is one: transformers itself, and vLLM with it, has no such network.
    """
    try:
        config = workspace.read_json(folder / "config.json", {})
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or config.get("model_type") in (None, "chatglm"):
        return None
    return f"vllm serve {shlex.quote(str(folder))} --served-model-name {shlex.quote(name)} --port 8000"
