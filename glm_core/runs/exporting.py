"""What a run has learnt, to take away: the adapter as a zip, or merged into its base as a model of its own.

A merge is a job in a thread: it goes on when the tab is closed, can be cancelled, and its folder under `home()/exports`
appears whole. Jobs are forgotten when the server ends; a half written folder is swept away by the next one. Not here: the
arithmetic (training/merging.py).
"""

import io
import logging
import os
import shutil
import threading
import zipfile
from pathlib import Path

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.models import describe
from glm_core.runs.files import RunError, writing
from glm_core.runs.records import Run

DTYPES = ("float16", "bfloat16", "float32")

log = logging.getLogger(__name__)
_lock = threading.Lock()
_jobs: dict[Path, "Export"] = {}


class Export:
    """A merge under way or ended. Made by `start_merge`; every attribute may be read from any thread.

    Attributes:
        state: "running", "done", "cancelled" or "failed".
        stage, fraction: a text key of what is being done, and the share of it.
        error: why it failed.
    """

    def __init__(self, run: Run, base: Path, dtype: str, strength: float = 1.0):
        self.run, self.base, self.dtype, self.strength = run, base, dtype, strength
        self.path = folder() / (f"{base.name}-{run.id}" + (f"-{round(100 * strength)}" if strength != 1 else ""))
        self.state, self.stage, self.fraction = "running", "exports.stage.starting", None
        self.error: EasyError | None = None
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"export-{run.id}", daemon=True)

    @property
    def title(self) -> str:
        """What is merged into what."""
        return f"{self.base.name} + {self.run.name}" + (f" × {self.strength:g}" if self.strength != 1 else "")

    def cancel(self) -> None:
        """Stop soon; nothing is left of it."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _work(self) -> None:
        from glm_core.training.merging import merge

        try:
            with writing(folder()):
                merge(
                    self.base, self.run.path / "adapter", self.path, dtype=self.dtype, strength=self.strength,
                    progress=self._note,
                )  # fmt: skip
            state = "done"
        except _Cancelled:
            state = "cancelled"
        except EasyError as error:
            state, self.error = "failed", error
        except Exception:
            log.exception("exporting %s failed", self.run.id)
            state, self.error = "failed", RunError("exports.defect")
        self.state = state

    def _note(self, stage: str, fraction: float | None) -> None:
        if self._cancelled.is_set():
            raise _Cancelled
        self.stage, self.fraction = stage, fraction


class _Cancelled(Exception):
    pass


def folder() -> Path:
    """Where merged models are written."""
    return workspace.home() / "exports"


def start_merge(run: Run, base: Path, dtype: str | None = None, strength: float = 1.0) -> Export:
    """Begin to merge the adapter of `run` into `base`.

    Args:
        base: an unquantised model folder.
        dtype: one of `DTYPES`; None for the one `base` is published in.
        strength: how strongly the adapter is worked in, for LoRA from 0 to 1.5.

    Raises:
        RunError: the run has no adapter, the disk has no room, or this merge is under way or there already.
        AdapterError: `base` is quantised.
        ModelError: `base` cannot be read.
    """
    from glm_core.training.errors import AdapterError

    description = describe(base)
    if run.adapter() is None:
        raise RunError("exports.no_adapter", name=run.name)
    if description.bits:
        raise AdapterError("adapters.error.quantised_base", folder=Path(base).name)
    dtype = dtype or stored_dtype(description.config)
    with _lock, writing(folder()):
        folder().mkdir(parents=True, exist_ok=True)
        job = Export(run, Path(base), dtype, strength)
        known = _jobs.get(job.path)
        if (known is not None and known.state == "running") or job.path.exists():
            raise RunError("exports.exists", folder=str(job.path))
        _check_space(description.parameters * (4 if dtype == "float32" else 2))
        if not any(one.state == "running" for one in _jobs.values()):
            _sweep()
        _jobs[job.path] = job
        job._thread.start()
    return job


def stored_dtype(config: dict) -> str:
    """The precision a published `config.json` names, float16 where it names none of `DTYPES`."""
    named = str(config.get("torch_dtype") or config.get("dtype") or "")
    return named if named in DTYPES else "float16"


def _check_space(need: int) -> None:
    from glm_core import text

    free = shutil.disk_usage(folder()).free
    if need * 1.1 > free:
        raise RunError("exports.no_space", need=text.size(need), free=text.size(free), folder=str(folder()))


def _sweep() -> None:
    """Delete what a server that ended in the middle left half written."""
    for path in folder().glob(".*"):
        shutil.rmtree(path, ignore_errors=True)


def jobs() -> list[Export]:
    """The merges since the server started, of this workspace."""
    return [job for job in list(_jobs.values()) if job.path.parent == folder()]


def forget(job: Export) -> None:
    """Take an ended merge from the list; its folder stays."""
    _jobs.pop(job.path, None)


def keep_as_model(job: Export) -> Path:
    """Move a finished merge among the models, so that it can be loaded here. Returns its new folder.

    Raises:
        HubError: there is a model of that name.
        RunError: the folder cannot be moved.
    """
    from glm_core.models.downloads import check_free, models_folder

    check_free(job.path.name)
    with writing(models_folder()):
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
