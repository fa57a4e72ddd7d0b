"""A failure explained in a sentence, and settings that would succeed after running out of memory."""

from pathlib import Path
from typing import Any

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.models import ModelError
from glm_core.training.errors import TrainingError
from glm_core.training.memory import memory_advice, memory_estimate
from glm_core.training.run_writer import RunWriter
from glm_core.training.settings import TrainingSettings

MARGIN = 0.9  # of what was there, for the next try


def explain(error: BaseException, folder: Path) -> EasyError:
    """`error` as a sentence; errors that are one already stay as they are."""
    if isinstance(error, EasyError):
        return error
    if workspace.is_disk_full(error):
        return TrainingError("training.failed.disk_full", folder=str(folder))
    if is_memory(error):
        return TrainingError("training.failed.memory")
    if isinstance(error, OSError):
        return TrainingError("training.failed.files", reason=str(error)[:300])
    return TrainingError("training.failed.unexpected", kind=type(error).__name__, reason=str(error)[:300])


def is_memory(error: BaseException) -> bool:
    """Return whether the GPU or the machine ran out of memory."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)
    )


def propose(error: BaseException, model: Path, settings: TrainingSettings, writer: RunWriter) -> dict[str, Any] | None:
    """Settings to change so that the run fits, after it ran out of memory; None where nothing helps or it did not.

    What did not fit is known now: the next try must need a tenth less than was there, and less than this one was
    thought to need.
    """
    if not is_memory(error):
        return None
    from glm_core.models import device as cuda_device

    device = "cuda" if cuda_device.usable() else "cpu"
    try:
        tried = memory_estimate.estimate(model, settings, device=device).peak_bytes
        limit = min(writer.status.get("memory_free") or tried, tried)
        available = int(limit * MARGIN)
        smaller = memory_advice.fit(model, settings, available, device=device)
        if (
            smaller is not None
            and memory_estimate.estimate(model, smaller, device=device, limit=available).checkpointing
        ):
            smaller = smaller.changed(
                gradient_checkpointing="on"
            )  # left to the next trainer, it would trust its estimate again
    except (EasyError, ModelError):
        return None
    if smaller is None:
        return None
    return {name: value for name, value in smaller.to_dict().items() if value != getattr(settings, name)}
