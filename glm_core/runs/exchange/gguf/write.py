"""Write a model folder as one GGUF file, tensor by tensor.

The folder is read twice: once for names and shapes, which GGUF wants first, and once for the numbers; so memory holds one
tensor at a time.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize

from glm_core import workspace
from glm_core.adapters.errors import AdapterError
from glm_core.models import ModelDescription, checkpoints, describe, load_tokenizer
from glm_core.runs.exchange import chat_template
from glm_core.runs.exchange.gguf import layouts, vocabulary

Progress = Callable[[str, float | None], None]

Raw = GGMLQuantizationType
TYPES = {
    "f16": (Raw.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (Raw.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (Raw.Q4_0, LlamaFileType.MOSTLY_Q4_0),
    "f32": (Raw.F32, LlamaFileType.ALL_F32),
}
FINER = {Raw.Q4_0: Raw.Q8_0}
"The type of embedding and head, which 4 bits harm most."
OUTER = ("token_embd.weight", "output.weight")


def write_gguf(
    folder: Path, file: Path, *, kind: str = "f16", name: str = "", progress: Progress | None = None
) -> Path:
    """Write the model in `folder` as `file`, which appears whole or not at all.

    Args:
        folder: an unquantized model without a prefix.
        kind: of `TYPES`; norms and biases always stay float32.
        name: of the model, for lists of models.
        progress: called with a stage and the fraction done.

    Raises:
        AdapterError: llama.cpp has no such network, tensor or tokenizer, or the model is quantized.
        ModelError: the folder cannot be read.
    """
    description = describe(folder)
    if description.bits:
        raise AdapterError("adapters.error.quantized_base", folder=folder.name)
    layout = layouts.find(description)
    layout.check(description)
    part = file.with_name(f"{workspace.BUILDING}{file.name}")
    try:
        writer = GGUFWriter(part, layout.arch.lower())
        _write_settings(writer, layout, description, folder, kind, name or description.name)
        for label, tensor in _tensors(layout, description, folder, None):
            raw = _type_of(label, tensor, kind)
            size = _bytes_of(tensor, raw)
            writer.add_tensor_info(label, list(tensor.shape), np.dtype(np.float32), size, raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for label, tensor in _tensors(layout, description, folder, progress):
            writer.write_tensor_data(_encoded(tensor, _type_of(label, tensor, kind)))
        writer.close()
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def _tensors(
    layout: layouts.TensorLayout, description: ModelDescription, folder: Path, progress: Progress | None
) -> Iterator[tuple[str, torch.Tensor]]:
    source = checkpoints.read_tensors(checkpoints.weight_files(folder), progress)
    return layout.tensors(description, source)


def _write_settings(
    writer: GGUFWriter, layout: layouts.TensorLayout, description: ModelDescription, folder: Path, kind: str, name: str
) -> None:
    words = vocabulary.read(folder, description.settings["vocab_size"])
    writer.add_type("model")
    writer.add_name(vocabulary.model_name(name, words))
    writer.add_file_type(TYPES[kind][1])
    writer.add_quantization_version(2)
    layout.write_settings(writer, description)
    words.write(writer)
    stops = description.family.stop_ids(load_tokenizer(folder))
    if len(stops) > 1:
        writer.add_eot_token_id(stops[1])
    if text := chat_template.for_folder(folder):
        writer.add_chat_template(text)


def _type_of(name: str, tensor: torch.Tensor, kind: str) -> Raw:
    """Return the type a tensor is stored in: rows that do not divide into blocks stay float16."""
    if tensor.dim() < 2:
        return Raw.F32
    wanted = TYPES[kind][0]
    wanted = FINER.get(wanted, wanted) if name in OUTER else wanted
    return wanted if tensor.shape[-1] % GGML_QUANT_SIZES[wanted][0] == 0 else Raw.F16


def _bytes_of(tensor: torch.Tensor, raw: Raw) -> int:
    block, size = GGML_QUANT_SIZES[raw]
    return tensor.numel() // block * size


def _encoded(tensor: torch.Tensor, raw: Raw) -> np.ndarray:
    return quantize(tensor.float().contiguous().numpy(), raw)
