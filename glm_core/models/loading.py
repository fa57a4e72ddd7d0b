"""A checkpoint folder becomes a model: built empty, then filled tensor by tensor as the files are read.

Memory stays under the largest shard plus the finished model. Not here: reading files (checkpoints.py), tensor names
(architectures/), what a quantized layer is (quantization.py), prefixes (prefix_tuning.py).
"""

import logging
from pathlib import Path

import torch
from torch import nn

from glm_core import i18n
from glm_core.models import checkpoints, prefix_tuning, quantization
from glm_core.models import device as cuda_device
from glm_core.models.architectures.base import PREFIX, Architecture, Settings
from glm_core.models.errors import ModelError
from glm_core.models.kernels.adjacent import lay_adjacent
from glm_core.models.kernels.processor import read_as_halves
from glm_core.models.registry import Family

log = logging.getLogger(__name__)


def choose_device(device: str | torch.device | None) -> torch.device:
    """`device`, or the GPU where there is one."""
    return torch.device(device or ("cuda" if cuda_device.usable() else "cpu"))


def choose_dtype(dtype: str | torch.dtype | None, device: torch.device, config: dict) -> torch.dtype:
    """`dtype`; else float32 on a CPU, where half types are slow, and on a GPU what the checkpoint was stored in.

    Raises:
        ModelError: no floating-point type of that name.
    """
    if dtype is None:
        stored = config.get("dtype") or config.get("torch_dtype")
        dtype = stored if device.type != "cpu" and stored in ("float16", "bfloat16") else torch.float32
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ModelError("models.dtype_unknown", dtype=dtype)
    return found


def build(architecture: Architecture, settings: Settings) -> nn.Module:
    """An empty model (on the meta device) with checked `settings`.

    Raises:
        ModelError: the network refuses the settings.
    """
    from huggingface_hub.errors import StrictDataclassError

    try:
        with torch.device("meta"):
            return architecture.build(settings)
    except (
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        RuntimeError,
        AttributeError,
        AssertionError,
        StrictDataclassError,
    ) as error:
        raise ModelError("models.config_rejected", why=str(error)[:300]) from error


class WeightLoader:
    """Puts tensors into an empty model, casting, moving and quantizing each on arrival."""

    def __init__(self, model: nn.Module, dtype: torch.dtype, device: torch.device, method: str | None):
        self.model, self.dtype, self.device, self.method = model, dtype, device, method
        self.missing = {name: parameter.shape for name, parameter in model.named_parameters(remove_duplicate=False)}
        self.shapes = dict(self.missing)
        self.buffers = {name: buffer.shape for name, buffer in model.named_buffers()}
        self.quantized = set(quantization.block_linears(model)) if method else set()
        self.prefix: dict[str, torch.Tensor] = {}
        self.unknown: list[str] = []

    def put(self, name: str, tensor: torch.Tensor) -> None:
        """Store one native tensor.

        Raises:
            ModelError: its shape or kind is not what the configuration promises.
        """
        if name.startswith(PREFIX):
            self.prefix[name.removeprefix(PREFIX)] = tensor.clone()
            return
        if self.buffers.get(name) == tensor.shape:
            owner, _, leaf = name.rpartition(".")
            self.model.get_submodule(owner)._buffers[leaf] = tensor.to(self.device, copy=True)
            return
        if name not in self.shapes:
            self.unknown.append(name)
            return
        owner, _, leaf = name.rpartition(".")
        module = self.model.get_submodule(owner)
        place = module._parameters[leaf]
        if tensor.shape != self.shapes[name] or tensor.is_floating_point() != self._is_floating(module, leaf):
            raise ModelError(
                "models.tensor_shape",
                name=name,
                found=f"{list(tensor.shape)} {tensor.dtype}",
                expected=list(self.shapes[name]),
            )
        kept = self.dtype if tensor.is_floating_point() and leaf != "weight_scale" else tensor.dtype
        moved = tensor.to(
            self.device, copy=True
        )  # a cast is done there: a processor takes longer for it than the transfer
        stored = moved.to(kept, memory_format=torch.contiguous_format)
        module._parameters[leaf] = nn.Parameter(stored, requires_grad=place.requires_grad)
        self.missing.pop(name, None)
        if leaf == "weight" and owner in self.quantized:
            quantization.quantize(self.model, owner, self.method)

    @staticmethod
    def _is_floating(module: nn.Module, leaf: str) -> bool:
        return not (isinstance(module, quantization.PackedLinear) and leaf == "weight")

    def finish(self) -> None:
        """Tie the head, give the buffers their values, and check that nothing is missing."""
        self._tie()
        if self.missing:
            names = sorted(self.missing)
            raise ModelError("models.tensor_missing", count=len(names), name=names[0])
        for name, module in list(self.model.named_modules()):
            if type(module).__name__.endswith("RotaryEmbedding"):
                quantization.replace_module(self.model, name, type(module)(self.model.config).to(self.device))
            elif hasattr(module, "scalar_embed_scale"):  # Gemma's embedding, which was made on the meta device
                module.embed_scale = torch.tensor(module.scalar_embed_scale, device=self.device)
        empty = [name for name, buffer in self.model.named_buffers() if buffer.is_meta]
        if empty:
            raise ModelError("models.tensor_missing", count=len(empty), name=empty[0])
        if self.device.type == "cpu" and self.dtype == torch.float32:
            read_as_halves(self.model)
        elif self.device.type == "cuda":
            lay_adjacent(self.model)
            torch.cuda.empty_cache()  # the places they had before are too small for the next ones
        self.model.eval()

    def _tie(self) -> None:
        """One tensor for embedding and head, unless the file has two that differ."""
        embedding, head = self.model.get_input_embeddings(), self.model.get_output_embeddings()
        name = next(name for name, module in self.model.named_modules() if module is head) + ".weight"
        if not self.model.config.tie_word_embeddings:
            return
        if name in self.missing:
            self.missing.pop(name)
        elif not torch.equal(head.weight, embedding.weight):
            self.model.config.tie_word_embeddings = False
            log.warning(i18n.t("models.head_differs"))
            return
        head.weight = embedding.weight


def fill(
    folder: Path,
    family: Family,
    settings: dict,
    dtype: torch.dtype,
    device: torch.device,
    method: str | None,
    progress: checkpoints.Progress | None,
) -> nn.Module:
    """The model in `folder`, ready to run, with its prefix attached when the configuration has one.

    Raises:
        ModelError: what is wrong with which file or setting.
    """
    bits = settings.get("quantization_bit") or 0
    if bits and method:
        raise ModelError("models.already_quantized", bits=bits)
    quantization.require(method, device)
    files = checkpoints.weight_files(folder)
    length = settings.pop("pre_seq_len", None)
    model = build(family.architecture, settings)
    if bits:
        with torch.device("meta"):
            quantization.pack_layers(model, bits)
    if device.type == "cuda":
        # cuDNN plans its attention anew for every length of the keys, which costs more than a token on a Hopper GPU.
        torch.backends.cuda.enable_cudnn_sdp(False)
    filler = WeightLoader(model, dtype, device, method)
    rename = family.architecture.renamer(settings)
    tensors = checkpoints.read_tensors(files, progress)
    for name, tensor in tensors:
        for native_name, part in rename(name, tensor):
            filler.put(native_name, part)
    if filler.unknown:
        log.warning(i18n.t("models.tensors_unknown", count=len(filler.unknown), name=filler.unknown[0]))
    filler.finish()
    if length:
        encoder = prefix_tuning.from_state(family, settings, length, filler.prefix)
        prefix_tuning.attach_prefix(model, family.architecture, encoder.to(device=device))
    return model
