"""An adapter's folder: PEFT's layout for LoRA, the official one for prefixes, and `easyaigc.json`.

Not here: a LoRA's tensors (lora_io.py), adapters on a model (attach.py).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from glm_core import workspace
from glm_core.adapters import lora_io
from glm_core.adapters.errors import AdapterError
from glm_core.models import checkpoints
from glm_core.models.architectures.base import PREFIX

if TYPE_CHECKING:
    from peft import PeftConfig

INFO, PREFIX_WEIGHTS = "easyaigc.json", "pytorch_model.bin"


def read_info(folder: Path) -> dict[str, Any]:
    """`easyaigc.json` of an adapter's folder; for folders made elsewhere, what their files tell: the method.

    Raises:
        AdapterError: there is no adapter in it.
    """
    folder = Path(folder)
    try:
        found = workspace.read_json(folder / INFO, {})
    except (ValueError, OSError, RecursionError):
        found = {}
    found = found if isinstance(found, dict) else {}
    if (folder / lora_io.CONFIG).is_file():
        return found | {"method": "lora"}
    if (folder / PREFIX_WEIGHTS).is_file():
        return found | {"method": "ptuning"}
    raise AdapterError("adapters.error.none", folder=str(folder))


def read_prefix(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the prefix in `folder`: `embedding.weight` (length, width) and, of one with a projection, `trans.*`.

    Raises:
        ModelError: the file is damaged, or larger in memory than on disk.
        AdapterError: a tensor is empty, not of real numbers, or holds NaN or infinity.
    """
    found = checkpoints.read_tensors([folder / PREFIX_WEIGHTS])
    tensors = {key.removeprefix(PREFIX): value.clone() for key, value in found if key.startswith(PREFIX)}
    for name, tensor in tensors.items():
        lora_io.check_numbers(name, tensor)
    embedding = tensors.get("embedding.weight")
    if embedding is not None and embedding.dim() != 2:
        raise AdapterError("adapters.error.numbers", name="embedding.weight", why=f"{embedding.dim()}-d")
    return tensors


def write_config(folder: Path, config: "PeftConfig", base: str) -> None:
    """Write PEFT's configuration of a LoRA of the model called `base`, as far as JSON has a form for it."""
    entries = config.to_dict() | {"base_model_name_or_path": base, "inference_mode": True}
    entries["target_modules"] = sorted(entries["target_modules"])
    workspace.write_json(folder / lora_io.CONFIG, {key: value for key, value in entries.items() if _is_plain(value)})


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
