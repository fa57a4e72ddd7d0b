"""Which settings fit into the memory there is: on the GPUs that people have, with what changes, with what room left."""

from dataclasses import dataclass
from typing import Any

from glm_core.training.memory.memory_estimate import MemoryEstimate, default_device, estimate
from glm_core.training.memory.model_dims import Shape, read_shape
from glm_core.training.settings import TrainingSettings

# GiB of the consumer GPUs people have, smallest first.
CONSUMER_GPUS: dict[str, int] = {
    "RTX 3060 Ti": 8,
    "RTX 3070": 8,
    "RTX 4060": 8,
    "RTX 3080": 10,
    "GTX 1080 Ti": 11,
    "RTX 2080 Ti": 11,
    "RTX 3060": 12,
    "RTX 4070": 12,
    "RTX 4060 Ti 16 GB": 16,
    "RTX 4080": 16,
    "RTX 5080": 16,
    "RTX 3090": 24,
    "RTX 4090": 24,
    "RTX 5090": 32,
}

GPU_SHARE = 0.96  # of a GPU's memory that a process can have beside the driver and a screen


def gpus_that_fit(found: MemoryEstimate) -> list[str]:
    """The GPUs of `CONSUMER_GPUS` on which the run fits, smallest first, with checkpointing unless the settings forbid it."""
    on_gpu = estimate(found.shape, found.settings, longest=found.longest, device="cuda", limit=0)
    return [name for name, gib in CONSUMER_GPUS.items() if on_gpu.peak_bytes <= gib * 2**30 * GPU_SHARE]


def largest_micro_batch(
    model: Any,
    settings: TrainingSettings,
    free: int,
    *,
    longest: int | None = None,
    device: str | None = None,
    most: int = 256,
) -> int:
    """The largest micro-batch whose estimate is at most `free` bytes; 0 where not even one row fits."""
    shape = model if isinstance(model, Shape) else read_shape(model)
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        tried = settings.changed(micro_batch=middle)
        if estimate(shape, tried, longest=longest, device=device, limit=free).peak_bytes <= free:
            low = middle
        else:
            high = middle - 1
    return low


def fit(
    model: Any, settings: TrainingSettings, free: int, *, longest: int | None = None, device: str | None = None
) -> TrainingSettings | None:
    """Settings that learn the same from the same rows and fit into `free` bytes; None where nothing helps.

    Tried in the order of what they cost: checkpointing, smaller micro-batches with as many rows an update, an int8
    base, an nf4 base (both on a GPU only).
    """
    shape = model if isinstance(model, Shape) else read_shape(model)
    device = device or default_device(settings)
    order = ["none", "int8", "nf4"]
    kept = order[order.index(settings.quantization) :] if device == "cuda" else [settings.quantization]
    for quantization in kept:
        for checkpointing in (
            ("off", "auto") if settings.gradient_checkpointing == "off" else (settings.gradient_checkpointing,)
        ):
            tried = settings.changed(quantization=quantization, gradient_checkpointing=checkpointing)
            rows = largest_micro_batch(shape, tried, free, longest=longest, device=device, most=settings.micro_batch)
            if rows == settings.micro_batch or (rows and checkpointing != "off"):
                return _same_rows(tried, rows)
    return None


def _same_rows(settings: TrainingSettings, rows: int) -> TrainingSettings:
    """`settings` with micro-batches of at most `rows` and as many rows an update as before."""
    together = settings.micro_batch * settings.accumulation
    divisor = next(size for size in range(rows, 0, -1) if together % size == 0)
    return settings.changed(micro_batch=divisor, accumulation=together // divisor)


@dataclass(frozen=True)
class Advice:
    """A proposal about memory: a sentence of the text tables, its values, and the settings it proposes."""

    key: str
    values: dict[str, Any]
    settings: TrainingSettings | None


def advise(found: MemoryEstimate, free: int) -> Advice | None:
    """Return what to change so that the run fits into `free` bytes, or how to use what is left; None where all is well."""
    if found.peak_bytes > free:
        smaller = fit(found.shape, found.settings, free, longest=found.longest, device=found.device)
        if smaller is None:
            return Advice("memory.advice.nothing_fits", {"need": found.peak_bytes, "free": free}, None)
        changes = {k: v for k, v in smaller.to_dict().items() if v != getattr(found.settings, k)}
        return Advice("memory.advice.change", {"need": found.peak_bytes, "free": free, "changes": changes}, smaller)
    spread = found.settings.accumulation
    if spread > 1:
        larger = found.settings.changed(micro_batch=found.settings.micro_batch * spread, accumulation=1)
        if estimate(found.shape, larger, longest=found.longest, device=found.device, limit=free).peak_bytes <= free:
            return Advice("memory.advice.larger_batch", {"rows": larger.micro_batch}, larger)
    return None
