"""Peak memory of a run by part, and the devices it fits on: arithmetic, without weights, GPU or torch.

The formulae count what this trainer keeps: frozen weights, the adapter with its gradient and AdamW moments in float32,
the activations that the backward needs, one chunk of logits (loss.py), and what CUDA or the interpreter takes before
anything is loaded. Not here: whether the run will learn anything (plan.py) and what it really used (machine/gpu_stats.py).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from glm_core.adapters.settings import has_pissa
from glm_core.models.kernels.packed_sizes import half_bytes, whole_number_bytes
from glm_core.training.memory.activations import activation_bytes, draws_again, kernels_expected, logits_bytes
from glm_core.training.memory.model_dims import Shape, read_shape
from glm_core.training.settings import TrainingSettings

SELECTIVE_SHARE = 0.95  # of what there is, when so many layers are recomputed that the rest just fits: estimates err
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
    device = device or default_device(settings)
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


def default_device(settings: TrainingSettings) -> str:
    """Return "cuda" where there is a GPU or the settings ask for one, else "cpu"."""
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
    lean = device == "cuda" and shape.dims.fuses and kernels_expected()
    activations = activation_bytes(shape, settings, tokens, longest, width, checkpointing, lean)
    # How many places are distilled differs from batch to batch, so that hardly two would have one shape.
    recordable = not settings.distills and not (checkpointing and draws_again(settings))
    recorded = recorded and is_recorded(device, precision, recordable)
    parts = {
        "weights": _weights(shape, settings.quantization, width),
        "adapter": trainable * (2 if has_pissa(settings) else 1) * ADAMW_BYTES + _prefix_bytes(shape, settings, width),
        "activations": int(activations * (CPU_SLACK if device == "cpu" else 1)),
        "logits": logits_bytes(shape, settings, longest, width, device),
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
