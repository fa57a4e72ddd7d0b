"""What a training step keeps between forward and backward, in bytes: a layer's activations, a chunk of logits.

Counted with saved-tensor hooks and measured on cards (benchmarks/RESULTS.md). Not here: weights and the sum (memory_estimate.py).
"""

from importlib.util import find_spec

from glm_core.adapters.settings import attached_rank
from glm_core.machine.gpu_stats import sample_gpus
from glm_core.models.architectures.base import GATES_AGAIN, MANY_TOKENS
from glm_core.training.memory.model_dims import Shape
from glm_core.training.settings import TrainingSettings

CHUNK_ROWS = 256  # answer rows whose logits exist at one time (loss.py)


def kernels_expected() -> bool:
    """Return whether training on a GPU computes in Triton's kernels: not where this machine has a GPU and no Triton."""
    return find_spec("triton") is not None or not sample_gpus()


def draws_again(settings: TrainingSettings) -> bool:
    """Return whether recomputed layers draw random numbers of which no masks are kept."""
    return settings.method == "lora" and settings.dora and settings.lora_dropout > 0


def activation_bytes(
    shape: Shape, settings: TrainingSettings, tokens: int, longest: int, width: int, checkpointing: int, lean: bool
) -> int:
    scores, prefix = _score_bytes(shape, settings, longest, width), _prefix_activations(shape, settings, width)
    whole = (_layer_activations(shape, settings, width, lean) + scores) * tokens + prefix
    layer = whole  # what one keeps between forward and backward
    if lean and tokens >= MANY_TOKENS and not draws_again(settings) and not shape.dims.dropout:
        again = _layer_activations(shape, settings, width, lean, again=True) * tokens
        layer = max(again, whole * (MANY_TOKENS - 1) // tokens)  # batches just under that many keep all of theirs
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


def logits_bytes(shape: Shape, settings: TrainingSettings, longest: int, width: int, device: str) -> int:
    """One chunk of logits in the model's precision, which kernels turn into gradients in place; beside it in float32 elsewhere."""
    if settings.distills:  # at every place of a rehearsed row the logits of the base too, both in float32
        rows = min(CHUNK_ROWS, settings.micro_batch * longest)
        return rows * shape.dims.vocabulary * 16
    rows = min(CHUNK_ROWS, settings.micro_batch * min(longest, settings.max_target_length))
    if device == "cuda" and kernels_expected():
        return rows * shape.dims.vocabulary * width
    return rows * shape.dims.vocabulary * (8 + width if width < 4 else 8)
