"""LoRA files: PEFT's folder layout read and checked, fused adapters converted to split ones.

An adapter of ChatGLM2, ChatGLM3 or GLM-4 trained on the published fused `query_key_value` becomes one on `q_proj`,
`k_proj` and `v_proj` exactly: the same A, B's rows split. Not here: attaching and switching (attach.py), merging
(merge.py).
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from glm_core.adapters.errors import AdapterError
from glm_core.models import checkpoints
from glm_core.models.registry import Family

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
CONFIG_BYTES = 1_000_000
MOST_ALPHA = 1e6  # far beyond any in use; what it is multiplied with must stay a number
OUTER = "base_model.model."  # what PEFT puts before every module's name


@dataclass(frozen=True)
class LoRA:
    """An adapter as read: by native module name A (r, in), B (out, r) and, for DoRA, the magnitude (out,)."""

    a: dict[str, torch.Tensor]
    b: dict[str, torch.Tensor]
    magnitude: dict[str, torch.Tensor]
    alpha: float
    dropout: float
    rslora: bool

    @property
    def rank(self) -> int:
        """Its rank, the same in every module."""
        return next(iter(self.a.values())).shape[0]

    @property
    def scaling(self) -> float:
        """Return what B A is multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its tensors under the names PEFT gives them."""
        parts = {"lora_A": self.a, "lora_B": self.b}
        found = {f"{OUTER}{name}.{part}.weight": t for part, group in parts.items() for name, t in group.items()}
        return found | {f"{OUTER}{name}.lora_magnitude_vector": t for name, t in self.magnitude.items()}

    def merged(self, name: str, weight: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
        """`weight` (out, in) of module `name` with `strength` of the adapter worked in, in float32."""
        changed = weight.float() + strength * self.scaling * (self.b[name].float() @ self.a[name].float())
        if name in self.magnitude:
            changed *= (self.magnitude[name].float() / changed.norm(dim=1))[:, None]
        return changed


def read(folder: Path, family: Family, config: dict) -> LoRA:
    """The LoRA in `folder`, in PEFT's layout, under the native names of `family`.

    Args:
        config: the base's native settings (`Architecture.settings`), which say how fused rows split.

    Raises:
        AdapterError: no LoRA, damaged, or of a kind that cannot be used here.
    """
    settings = _read_settings(folder)
    tensors = _read_tensors(folder)
    published: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        module, part = _split_key(folder, key)
        published.setdefault(module, {})[part] = tensor
    a: dict[str, torch.Tensor] = {}
    b: dict[str, torch.Tensor] = {}
    magnitude: dict[str, torch.Tensor] = {}
    rename = family.architecture.renamer(config)
    for module, parts in published.items():
        if not {"A", "B"} <= parts.keys() or parts["A"].dim() != 2 or parts["A"].shape[0] != parts["B"].shape[-1]:
            raise AdapterError("adapters.error.incomplete", folder=folder.name, name=module)
        for name, rows in _rename(rename, module, parts["B"]):
            a[name], b[name] = parts["A"], rows
        if "magnitude" in parts:
            magnitude |= dict(_rename(rename, module, parts["magnitude"].reshape(-1)))
    if not a or len({tensor.shape[0] for tensor in a.values()}) > 1:
        raise AdapterError("adapters.error.incomplete", folder=folder.name, name=WEIGHTS)
    return LoRA(a, b, magnitude, settings["lora_alpha"], settings["lora_dropout"], settings["use_rslora"])


def _rename(rename: Callable, module: str, rows: torch.Tensor):
    """Native (module, rows) pairs of a published module's rows."""
    for name, part in rename(f"{module}.weight", rows):
        yield name.removesuffix(".weight"), part


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        if path.stat().st_size > CONFIG_BYTES:
            raise ValueError("too large")
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        _check_kind(folder, found)
        alpha, dropout = float(found["lora_alpha"]), float(found.get("lora_dropout") or 0.0)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise AdapterError("adapters.error.unreadable", path=path.name, reason=reason) from error
    if not (abs(alpha) <= MOST_ALPHA and math.isfinite(dropout)):
        raise AdapterError(
            "adapters.error.unreadable", path=path.name, reason=f"lora_alpha {alpha}, lora_dropout {dropout}"
        )
    return {
        "lora_alpha": alpha,
        "lora_dropout": min(max(dropout, 0.0), 0.9),
        "use_rslora": bool(found.get("use_rslora")),
    }


def _check_kind(folder: Path, found: dict) -> None:
    """Refuse what is no LoRA of the kind used here, naming the entry that says so.

    Raises:
        AdapterError: it is not.
        KeyError, AttributeError: the configuration names no kind, or is no JSON object.
    """
    kind = str(found["peft_type"])[:40]
    if kind != "LORA":
        raise AdapterError("adapters.error.kind", folder=folder.name, kind=kind)
    names = ("modules_to_save", "rank_pattern", "alpha_pattern", "megatron_config", "fan_in_fan_out")
    odd = [name for name in names if found.get(name)]
    if (bias := found.get("bias") or "none") != "none":
        odd.append(f"bias: {str(bias)[:40]}")
    if odd:
        raise AdapterError("adapters.error.kind", folder=folder.name, kind=", ".join(odd))


def check_numbers(name: str, tensor: torch.Tensor) -> None:
    """Refuse a tensor of an adapter that is empty, not of real numbers, or holds NaN or infinity.

    Raises:
        AdapterError: it is.
    """
    if not tensor.dtype.is_floating_point:
        raise AdapterError("adapters.error.numbers", name=name[:120], why=str(tensor.dtype).removeprefix("torch."))
    if tensor.numel() == 0 or tensor.dim() == 0:
        raise AdapterError("adapters.error.numbers", name=name[:120], why=str(tuple(tensor.shape)))
    if not torch.isfinite(tensor.float()).all():
        raise AdapterError("adapters.error.numbers", name=name[:120], why="NaN, inf")


def _read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    path = next((folder / name for name in (WEIGHTS, PICKLED) if (folder / name).is_file()), None)
    if path is None:
        raise AdapterError("adapters.error.no_weights", folder=str(folder))
    tensors = {name: tensor.clone() for name, tensor in checkpoints.read_tensors([path])}
    for name, tensor in tensors.items():
        check_numbers(name, tensor)
    return tensors


def _split_key(folder: Path, key: str) -> tuple[str, str]:
    """`base_model.model.X.lora_A.weight` -> (X, "A")."""
    bare = key
    while bare.startswith(OUTER):
        bare = bare.removeprefix(OUTER)
    for mark, part in ((".lora_A", "A"), (".lora_B", "B"), (".lora_magnitude_vector", "magnitude")):
        module, found, rest = bare.partition(mark)
        if found and rest in (".weight", ".default.weight", "", ".default"):
            return module, part
    raise AdapterError("adapters.error.kind", folder=folder.name, kind=key[:80])


def check_shapes(adapter: LoRA, model: nn.Module) -> None:
    """Refuse an adapter whose modules `model` does not have in the same sizes.

    Raises:
        AdapterError: it was trained on another base.
    """
    for name, a in adapter.a.items():
        try:
            module = model.get_submodule(name)
        except AttributeError as error:
            raise AdapterError("adapters.error.no_module", name=name) from error
        here, there = (module.in_features, module.out_features), (a.shape[1], adapter.b[name].shape[0])
        if here != there:
            raise AdapterError(
                "adapters.error.shape", name=name, here=f"{here[0]} × {here[1]}", there=f"{there[0]} × {there[1]}"
            )
