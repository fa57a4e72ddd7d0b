"""Merge an adapter into its unquantized base and write a model of its own, in the layout the base was published in.

The base's files are read tensor by tensor under their published names, changed where the adapter changes them, and
written as safetensors; the model is never built. So the result loads wherever the base did: here, in plain transformers
for GLM and BLOOM, in the official code. A prefix cannot become weights: it is written beside them, as official
checkpoints have it.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import torch

from glm_core import workspace
from glm_core.adapters import lora_io
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import read_info, read_prefix
from glm_core.models import checkpoints, describe
from glm_core.models.architectures.base import PREFIX, Renamer

SHARD_BYTES = 4_000_000_000
COPIED_FILES = (
    "*.model",
    "tokenizer*.json",
    "special_tokens_map.json",
    "chat_template*",
    "generation_config.json",
    "vocab*",
    "merges.txt",
    "*LICENSE*",
)

Progress = Callable[[str, float | None], None]


def merge(
    base: Path,
    adapter: Path,
    folder: Path,
    *,
    dtype: str = "float16",
    strength: float = 1.0,
    progress: Progress | None = None,
) -> Path:
    """Write `base` with `adapter` worked in as `folder`, which appears whole or not at all.

    Args:
        base: folder of the unquantized base.
        adapter: a LoRA or prefix folder.
        dtype: "float16", "bfloat16" or "float32", of the result.
        strength: of a LoRA, 0 to 1.5; the published format of prefixes has no place for one.
        progress: called with a stage and the fraction done.

    Raises:
        AdapterError: another base's adapter, a quantized base, a prefix at another strength than 1, or `folder` exists.
        ModelError: the base cannot be read.
    """
    base, adapter, folder = Path(base), Path(adapter), Path(folder)
    if folder.exists():
        raise AdapterError("adapters.error.folder_exists", folder=str(folder))
    with workspace.replace_folder(folder) as building:
        write_merged(base, adapter, building, dtype=dtype, strength=strength, progress=progress)
    return folder


def write_merged(
    base: Path,
    adapter: Path,
    folder: Path,
    *,
    dtype: str = "float16",
    strength: float = 1.0,
    progress: Progress | None = None,
) -> None:
    """Write what `merge` writes into `folder`, which is there already.

    Raises:
        AdapterError, ModelError: as for `merge`.
    """
    description = describe(base)
    if description.bits:
        raise AdapterError("adapters.error.quantized_base", folder=base.name)
    tensors, extra = _merged_tensors(base, adapter, description, strength, progress)
    write_shards(folder, tensors, getattr(torch, dtype))
    config = checkpoints.read_config(base) | {"torch_dtype": dtype} | extra
    config.pop("dtype", None)
    config.pop("auto_map", None)  # names code that is not copied and never run
    workspace.write_json(folder / "config.json", config)
    for pattern in COPIED_FILES:
        for file in base.glob(pattern):
            shutil.copy2(file, folder / file.name)


def _merged_tensors(base: Path, adapter: Path, description, strength: float, progress):
    """The tensors to write, and what config.json says besides the base's."""
    source = checkpoints.read_tensors(checkpoints.weight_files(base), progress)
    if read_info(adapter)["method"] == "ptuning":
        if strength != 1:
            raise AdapterError("adapters.error.prefix_strength")
        prefix = read_prefix(adapter)
        length, projected = prefix["embedding.weight"].shape[0], "trans.0.weight" in prefix
        kept = (pair for pair in source if not pair[0].startswith(PREFIX))
        added = ((f"{PREFIX}{key}", tensor) for key, tensor in prefix.items())
        return chain(kept, added), {"pre_seq_len": length, "prefix_projection": projected}
    found = lora_io.read(adapter, description.family, description.settings)
    rename = description.family.architecture.renamer(description.settings)
    return _add_lora(source, found, rename, strength, base), {}


def _add_lora(source, found: lora_io.LoRA, rename: Renamer, strength: float, base: Path):
    """Published (name, tensor) pairs with the LoRA added to the rows that are its modules' natively.

    Raises:
        AdapterError: a shape differs, or modules of the adapter are nowhere in the base.
    """
    waiting = set(found.a)
    for name, tensor in source:
        changed = None
        for native, part in rename(name, torch.arange(tensor.shape[0]) if tensor.dim() else tensor):
            module, _, leaf = native.rpartition(".")
            if leaf != "weight" or module not in found.a:
                continue
            here, there = (len(part), *tensor.shape[1:]), (found.b[module].shape[0], found.a[module].shape[1])
            if here != there:
                raise AdapterError("adapters.error.shape", name=module, here=list(here), there=list(there))
            changed = tensor.float().clone() if changed is None else changed
            changed[part] = found.merged(module, changed[part], strength)
            waiting.discard(module)
        yield name, tensor if changed is None else changed
    if waiting:
        raise AdapterError("adapters.error.no_module", name=sorted(waiting)[0])


def write_shards(folder: Path, tensors: Iterator[tuple[str, torch.Tensor]], dtype: torch.dtype) -> None:
    """Write safetensors files of at most SHARD_BYTES (a larger tensor stands alone); several get an index."""
    shards: list[dict[str, str]] = []
    pending: dict[str, torch.Tensor] = {}
    size = total = 0

    def flush() -> None:
        nonlocal pending, size
        file = f"part-{len(shards)}.safetensors"
        checkpoints.write_tensors(pending, folder / file)
        shards.append(dict.fromkeys(pending, file))
        pending, size = {}, 0

    for name, tensor in tensors:
        kept = tensor.to(dtype if tensor.is_floating_point() else tensor.dtype).contiguous().clone()
        weight = kept.numel() * kept.element_size()
        if pending and size + weight > SHARD_BYTES:
            flush()
        pending[name] = kept
        size, total = size + weight, total + weight
    flush()
    _name_shards(folder, shards, total)


def _name_shards(folder: Path, shards: list[dict[str, str]], total: int) -> None:
    if len(shards) == 1:
        (folder / "part-0.safetensors").rename(folder / "model.safetensors")
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        final = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        (folder / f"part-{number - 1}.safetensors").rename(folder / final)
        weight_map |= dict.fromkeys(shard, final)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
