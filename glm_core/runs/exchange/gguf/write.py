"""Write a model folder as one GGUF file, tensor by tensor.

The folder is read twice: once for names and shapes, which GGUF wants first, and once for the numbers; so memory holds one
tensor at a time.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize

from glm_core import workspace
from glm_core.adapters.errors import AdapterError
from glm_core.models import ModelDescription, checkpoints, describe, load_tokenizer
from glm_core.runs.exchange import chat_template
from glm_core.runs.exchange.gguf import layouts, vocabulary

Progress = Callable[[str, float | None], None]

TYPES = {
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "f32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
}
BLOCK = 32  # numbers of a row that share a scale in Q8_0


def write_gguf(
    folder: Path, file: Path, *, kind: str = "f16", name: str = "", progress: Progress | None = None
) -> Path:
    """Write the model in `folder` as `file`, which appears whole or not at all.

    Args:
        folder: an unquantized model without a prefix.
        kind: "f16", "q8_0" or "f32"; norms and biases always stay float32.
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
    part = file.with_name(f"{workspace.BUILDING}{file.name}")
    try:
        writer = GGUFWriter(part, layout.arch.lower())
        _write_settings(writer, layout, description, folder, kind, name or description.name)
        for label, tensor in _tensors(layout, description, folder, None):
            raw = _type_of(tensor, kind)
            row = tensor.shape[-1]
            size = tensor.numel() // row * _row_bytes(row, raw)
            writer.add_tensor_info(label, list(tensor.shape), np.dtype(np.float32), size, raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for _label, tensor in _tensors(layout, description, folder, progress):
            writer.write_tensor_data(_encoded(tensor, _type_of(tensor, kind)))
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
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(TYPES[kind][1])
    writer.add_quantization_version(2)
    layout.settings(writer, description)
    vocabulary.read(folder, description.settings["vocab_size"]).write(writer)
    stops = description.family.stop_ids(load_tokenizer(folder))
    if len(stops) > 1:
        writer.add_eot_token_id(stops[1])
    if text := chat_template.for_folder(folder):
        writer.add_chat_template(text)


def _type_of(tensor: torch.Tensor, kind: str) -> GGMLQuantizationType:
    """Return the type a tensor is stored in: rows that do not divide into blocks stay float16."""
    if tensor.dim() < 2:
        return GGMLQuantizationType.F32
    wanted = TYPES[kind][0]
    if wanted == GGMLQuantizationType.Q8_0 and tensor.shape[-1] % BLOCK:
        return GGMLQuantizationType.F16
    return wanted


def _row_bytes(row: int, raw: GGMLQuantizationType) -> int:
    if raw == GGMLQuantizationType.Q8_0:
        return row // BLOCK * (BLOCK + 2)
    return row * (4 if raw == GGMLQuantizationType.F32 else 2)


def _encoded(tensor: torch.Tensor, raw: GGMLQuantizationType) -> np.ndarray:
    return quantize(tensor.float().contiguous().numpy(), raw)
