"""Peak memory of a run by part, and the devices it fits on: arithmetic, without weights, GPU or torch.

The formulae count what this trainer keeps: frozen weights, the adapter with its gradient and AdamW moments in float32,
the activations that the backward needs, one chunk of logits (loss.py), and what CUDA or the interpreter takes before
anything is loaded. Not here: whether the run will learn anything (plan.py) and what it really used (machine/gpu_stats.py).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from glm_core.adapters.settings import attached_rank, has_pissa
from glm_core.models.architectures.base import GATES_AGAIN, MANY_TOKENS
from glm_core.models.kernels.packed_sizes import half_bytes, whole_number_bytes
from glm_core.training.model_dims import MemoryEstimateError, Shape, read_shape
from glm_core.training.plan import Plan, plan
from glm_core.training.settings import TrainingSettings

__all__ = [
    "CONSUMER_GPUS",
    "Advice",
    "MemoryEstimate",
    "MemoryEstimateError",
    "Plan",
    "Shape",
    "advise",
    "gpus_that_fit",
    "answering_bytes",
    "estimate",
    "fit",
    "largest_micro_batch",
    "plan",
    "read_shape",
]

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
SELECTIVE_SHARE = 0.95  # of what there is, when so many layers are recomputed that the rest just fits: estimates err
CHUNK_ROWS = 256  # answer rows whose logits exist at one time (loss.py)
CUDA_CONTEXT = 700_000_000  # the driver's, and the libraries' kernels as they come in: measured 0.54 to 0.67 GB on an H200, less on smaller GPUs
RECORDING = (
    400_000_000  # of recorded steps (cuda_graphs.py): the graphs, their libraries' workspaces; measured on an H200
)
INTERPRETER = 480_000_000  # torch, transformers and PEFT imported
CPU_SLACK = 1.35  # the C allocator's holes between activations of changing length; measured 1.2 to 1.5
ADAMW_BYTES = 16  # float32 parameter, gradient and two moments
NF4_BYTES = 0.516  # 4 bit, block scales quantized again
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class MemoryEstimate:
    """The memory that a run needs at its peak, in bytes.

    Attributes:
        peak_bytes: the sum of `parts`.
        parts: weights, adapter (with gradient and optimizer), activations, logits, context; on a CPU `copies` of
            weights too, which answers read.
        device: "cuda", where the bytes are the GPU's, or "cpu", where they are the process's.
        checkpointing: layers, from the first one on, whose activations are recomputed in the backward.
        recorded: steps are recorded (cuda_graphs.py); not where all is recomputed and there is no room for that.
        tokens: of one micro-batch at full length.
        trainable: parameters that are trained.
    """

    peak_bytes: int
    parts: dict[str, int]
    device: str
    precision: str
    checkpointing: int
    recorded: bool
    tokens: int
    trainable: int
    shape: Shape
    settings: TrainingSettings
    longest: int


def estimate(
    model: Any,
    settings: TrainingSettings,
    *,
    longest: int | None = None,
    device: str | None = None,
    limit: int | None = None,
) -> MemoryEstimate:
    """Peak memory of training `model` with `settings`.

    Args:
        model: a model folder, its configuration as a dict or a transformers configuration, or a `Shape`.
        longest: tokens of the longest row where known; the settings' limits otherwise.
        device: "cuda" or "cpu". None: a GPU where this machine has one or the settings ask for one (half precision,
            a quantized base), else the CPU.
        limit: bytes there are. Settings that leave checkpointing to the trainer turn it on when they do not
            fit without, for as few layers as it takes.

    Raises:
        MemoryEstimateError: the configuration is of no known family.
    """
    shape = model if isinstance(model, Shape) else read_shape(model)
    device = device or _default_device(settings)
    longest = min(longest or settings.lengths, settings.lengths)
    layers = shape.dims.layers
    assemble = partial(_assemble, shape, settings, longest, device, limit)
    found = assemble(layers * (settings.gradient_checkpointing == "on"))
    if limit is None or found.peak_bytes <= limit:
        return found
    for count in range(1, layers + 1) if settings.gradient_checkpointing == "auto" else ():
        found = assemble(count)
        if found.peak_bytes <= SELECTIVE_SHARE * limit:
            return found
    return assemble(layers, recorded=False) if found.checkpointing else found


def _default_device(settings: TrainingSettings) -> str:
    from glm_core.machine.gpu_stats import sample_gpus

    wants_gpu = settings.precision in ("bfloat16", "float16") or settings.quantization != "none"
    return "cuda" if wants_gpu or sample_gpus() else "cpu"


def _assemble(
    shape: Shape,
    settings: TrainingSettings,
    longest: int,
    device: str,
    limit: int | None,
    checkpointing: int,
    recorded: bool = True,
) -> MemoryEstimate:
    automatic = "float32" if device == "cpu" else "bfloat16"
    precision = automatic if settings.precision == "auto" else settings.precision
    width, tokens = BYTES[precision], settings.micro_batch * longest
    trainable = _count_trainable(shape, settings)
    lean = device == "cuda" and shape.dims.fuses
    activations = _activations(shape, settings, tokens, longest, width, checkpointing, lean)
    recorded = recorded and is_recorded(device, precision, not (checkpointing and _draws_again(settings)))
    parts = {
        "weights": _weights(shape, settings.quantization, width),
        "adapter": trainable * (2 if has_pissa(settings) else 1) * ADAMW_BYTES + _prefix_bytes(shape, settings, width),
        "activations": int(activations * (CPU_SLACK if device == "cpu" else 1)),
        "logits": _logits(shape, settings, longest, width, device),
        "context": INTERPRETER if device == "cpu" else CUDA_CONTEXT + RECORDING * recorded,
    }
    if device == "cpu":
        parts["copies"] = _copies(shape, settings.quantization, precision, limit and limit - parts["weights"])
    peak = sum(parts.values())
    return MemoryEstimate(
        peak, parts, device, precision, checkpointing, recorded, tokens, trainable, shape, settings, longest
    )


def is_recorded(device: str, precision: str, recordable: bool = True) -> bool:
    """Return whether steps are recorded and replayed (cuda_graphs.py): on a GPU, but not with loss scaling (float16).

    Args:
        recordable: what `recompute.recompute` returned, where activations are recomputed.
    """
    return device == "cuda" and precision != "float16" and recordable


def _draws_again(settings: TrainingSettings) -> bool:
    """Return whether recomputed layers draw random numbers of which no masks are kept."""
    return settings.method == "lora" and settings.dora and settings.lora_dropout > 0


def _count_trainable(shape: Shape, settings: TrainingSettings) -> int:
    if settings.method == "ptuning":
        width = 2 * shape.dims.layers * shape.dims.key
        if not settings.prefix_projection:
            return settings.prefix_length * width
        first = width if shape.family.separate_prefix_width else shape.dims.hidden
        return (
            settings.prefix_length * first
            + first * shape.dims.hidden
            + shape.dims.hidden
            + shape.dims.hidden * width
            + width
        )
    linears = shape.dims.linears
    chosen = [linears[name] for name in shape.targets(settings)]
    each = sum(
        settings.lora_rank * (inputs + outputs) + (outputs if settings.dora else 0) for inputs, outputs in chosen
    )
    return shape.dims.layers * each


def _prefix_bytes(shape: Shape, settings: TrainingSettings, width: int) -> int:
    """The prefix in the model's own precision with its gradient, beside the trained float32 one."""
    if settings.method != "ptuning":
        return 0
    return settings.prefix_length * 2 * shape.dims.layers * shape.dims.key * 2 * width


def _weights(shape: Shape, quantization: str, width: int) -> int:
    """Quantized bases keep embedding, head and norms, and hold one dequantized module while they compute."""
    linear = shape.dims.layers * shape.dims.layer_parameters()
    other = shape.dims.other_parameters() * width
    if quantization == "none" and not shape.bits:
        return linear * width + other
    largest = max(inputs * outputs for inputs, outputs in shape.dims.linears.values()) * width
    each = shape.bits / 8 if shape.bits else 1 if quantization == "int8" else NF4_BYTES
    return int(linear * each) + other + largest


def _copies(shape: Shape, quantization: str, precision: str, free: int | None) -> int:
    """The copies of weights that decoding steps on a processor read: halves, if there is room for them, and int8.

    Args:
        free: bytes that are left beside the weights; None where that is not known.
    """
    if precision != "float32":
        return 0
    head = half_bytes(shape.dims.hidden, shape.dims.vocabulary)
    linears, layers = shape.dims.linears.values(), shape.dims.layers
    quantized = quantization == "int8" or shape.bits
    halves = head + (0 if quantized else layers * sum(half_bytes(*one) for one in linears))
    if not shape.halves or (free is not None and halves > free // 2):
        halves = 0
    whole = quantization == "int8" or shape.bits == 8
    return halves + (layers * sum(whole_number_bytes(*one) for one in linears) if whole else 0)


def answering_bytes(model: Any, quantization: str, device: str, tokens: int, limit: int | None = None) -> int:
    """Memory of answering with `model`, in conversations of `tokens` together.

    Args:
        model: as for `estimate`.
        quantization: "none", "int8" or "nf4".
        limit: bytes there are.
    """
    shape = model if isinstance(model, Shape) else read_shape(model)
    on_cpu = device == "cpu"
    width = BYTES["float32" if on_cpu else "bfloat16"]
    weights = _weights(shape, quantization, width)
    cache = 2 * width * tokens * shape.dims.layers * shape.dims.key
    copies = _copies(shape, quantization, "float32", limit and limit - weights) if on_cpu else 0
    return weights + copies + cache + (INTERPRETER if on_cpu else CUDA_CONTEXT)


def _activations(
    shape: Shape, settings: TrainingSettings, tokens: int, longest: int, width: int, checkpointing: int, lean: bool
) -> int:
    scores, prefix = _score_bytes(shape, settings, longest, width), _prefix_activations(shape, settings, width)
    whole = (_layer_activations(shape, settings, width, lean) + scores) * tokens + prefix
    layer = whole  # what one keeps between forward and backward
    if lean and tokens >= MANY_TOKENS and not _draws_again(settings):
        layer = _layer_activations(shape, settings, width, lean, again=True) * tokens
    passing = 4 * shape.dims.hidden + 2 * shape.dims.mlp_outputs
    around = passing * width * tokens  # embedding, last norm, gradients passing through
    # The last layers keep theirs; they have let go of them when the first ones compute theirs again.
    kept = (shape.dims.layers - checkpointing) * layer
    recomputed = checkpointing * (shape.dims.hidden * width + _masks(shape, settings)) * tokens
    return recomputed + (max(kept, 2 * whole) if checkpointing else kept) + around


def _masks(shape: Shape, settings: TrainingSettings) -> int:
    """Bytes a token of the masks that LoRA's dropout drew in a recomputed layer."""
    if settings.method != "lora" or not settings.lora_dropout or settings.dora:
        return 0
    return sum(shape.dims.linears[name][0] for name in shape.targets(settings))


def _layer_activations(shape: Shape, settings: TrainingSettings, width: int, lean: bool, again: bool = False) -> int:
    """Bytes a token and layer that the backward needs when the weights are frozen; counted with saved-tensor hooks.

    For v1: input of both norms, query, key, value, attention output, input of the GELU: 10 hidden sizes, and an
    eleventh for LoRA's input: 88 KiB for ChatGLM-6B in half precision. With dropout LoRA keeps the mask too.

    Args:
        lean: `fused_layers.py` computes the layer.
        again: it computes a part of it again, see there; the mean of the layers then.
    """
    if lean:
        return _lean_layer(shape, settings, width, again)
    norms = (4 if shape.dims.rms_norm else width) * shape.dims.norms * shape.dims.hidden
    kept = 2 * shape.dims.query + 2 * shape.dims.key + shape.dims.mlp_saved
    if settings.method == "ptuning":
        return norms + width * (kept + shape.dims.prefix_copies)  # key and value are copied behind the prefix
    inputs = sum(shape.dims.linears[name][0] for name in shape.targets(settings))
    return norms + width * kept + _adapted(shape, settings, width, inputs)


def _lean_layer(shape: Shape, settings: TrainingSettings, width: int, again: bool) -> int:
    """The same of a layer of `fused_layers.py`: residual, what is added to it, queries, keys, values, mixed values, gates."""
    dims, gates = shape.dims, 1 - GATES_AGAIN[0] / GATES_AGAIN[1] if again else 1.0
    added = dims.hidden * (1 + dims.norms // 2)  # the inputs of the norms; of four the sum of two is not kept
    heads = dims.query + 2 * dims.key
    if dims.norm_parameters > dims.norms * dims.hidden:  # queries and keys are normalized, and kept before that too
        heads *= 2
    kept = added + heads + (0 if again else dims.query) + int(gates * dims.mlp_outputs)
    if settings.method == "ptuning":
        return width * (kept + (0 if again else dims.prefix_copies))
    own = [name for name in shape.targets(settings) if settings.dora or name not in dims.groups["qkv"]]
    inputs = sum(dims.linears[name][0] for name in own)  # the norm ahead of queries, keys and values is computed again
    return width * kept + _adapted(shape, settings, width, inputs)


def _adapted(shape: Shape, settings: TrainingSettings, width: int, inputs: int) -> int:
    """Bytes a token that LoRA keeps beside: so many `inputs` as they are, or, as PEFT computes DoRA, in float32; masks; its rank."""
    each, names = 4 if settings.dora else width, shape.targets(settings)
    masks = sum(shape.dims.linears[name][0] for name in names) if settings.lora_dropout else 0
    return each * inputs + masks + each * attached_rank(settings) * len(names)


def _score_bytes(shape: Shape, settings: TrainingSettings, longest: int, width: int) -> int:
    """Attention scores a token and layer, where the attention keeps them."""
    if not shape.dims.keeps_scores:
        return 0
    columns = longest + (settings.prefix_length if settings.method == "ptuning" else 0)
    return shape.dims.heads * columns * (4 if width == 4 else 6)


def _prefix_activations(shape: Shape, settings: TrainingSettings, width: int) -> int:
    """Keys and values of the prefix, copied in front of every row's own in each layer."""
    if settings.method != "ptuning":
        return 0
    return settings.micro_batch * settings.prefix_length * 2 * shape.dims.query * width


def _logits(shape: Shape, settings: TrainingSettings, longest: int, width: int, device: str) -> int:
    """One chunk of logits in the model's precision, which a GPU turns into gradients in place; beside it in float32 elsewhere."""
    rows = min(CHUNK_ROWS, settings.micro_batch * min(longest, settings.max_target_length))
    return rows * shape.dims.vocabulary * (width if device == "cuda" else 4 + width)


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
    device = device or _default_device(settings)
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
