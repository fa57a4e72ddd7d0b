"""A LoRA on split modules, written for the published checkpoint whose modules are fused.

ChatGLM2, ChatGLM3 and original GLM-4 publish query, key and value as one matrix W (q + k + v rows). With A_m (r, in) and
B_m (out_m, r) for the n parts m in use, the same change of W is A = the A_m one below the other (nr, in) and B (rows, nr)
with the B_m as blocks on the rows of m. All modules are filled up to one rank with zeros, and alpha grows with it, so that
the scaling stays what it was: vLLM takes one rank an adapter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from glm_core import workspace
from glm_core.adapters import lora_io
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import read_info
from glm_core.models import checkpoints, describe


@dataclass(frozen=True)
class Place:
    """The rows of a module in the published checkpoint."""

    module: str
    first: int
    count: int
    rows: int


@dataclass(frozen=True)
class PublishedLoRA:
    """A LoRA on the modules of a published checkpoint.

    Attributes:
        tensors: under PEFT's names, all of one rank.
        scaling: what B A is multiplied by.
    """

    tensors: dict[str, torch.Tensor]
    scaling: float

    @property
    def rank(self) -> int:
        """The rank of every module."""
        return next(iter(self.tensors.values())).shape[0]

    @property
    def modules(self) -> list[str]:
        """The published names of what it changes."""
        end = ".lora_A.weight"
        return [name.removeprefix(lora_io.OUTER).removesuffix(end) for name in self.tensors if name.endswith(end)]


def write(adapter: Path, base: Path, folder: Path) -> bool:
    """Write the LoRA in `adapter`, trained on the model in `base`, as `folder` under the published names.

    Returns:
        False where these are this program's own, so that the adapter is right as it is, and for a prefix.

    Raises:
        AdapterError: a DoRA, whose magnitudes belong to the split rows, or a damaged adapter.
    """
    if read_info(adapter)["method"] != "lora" or _has_published_names(adapter, base):
        return False
    found = pairs(adapter, base)
    rank, config = found.rank, workspace.read_json(adapter / lora_io.CONFIG, {})
    alpha = found.scaling * (math.sqrt(rank) if config.get("use_rslora") else rank)
    targets = sorted({name.rpartition(".")[2] for name in found.modules})
    with workspace.replace_folder(folder) as building:
        checkpoints.write_tensors(found.tensors, building / lora_io.WEIGHTS)
        workspace.write_json(
            building / lora_io.CONFIG, config | {"r": rank, "lora_alpha": alpha, "target_modules": targets}
        )
    return True


def _has_published_names(adapter: Path, base: Path) -> bool:
    description, places = describe(base), published_places(base)
    found = lora_io.read(adapter, description.family, description.settings)
    return all(name in places and places[name].module == name for name in found.a)


def pairs(adapter: Path, base: Path) -> PublishedLoRA:
    """Return the LoRA in `adapter`, trained on the model in `base`, on the modules of the published checkpoint.

    Raises:
        AdapterError: a DoRA, whose magnitudes belong to the split rows, or a damaged adapter.
    """
    description, places = describe(base), published_places(base)
    found = lora_io.read(adapter, description.family, description.settings)
    if found.magnitude:
        raise AdapterError("adapters.error.dora_fused")
    missing = next((name for name in found.a if name not in places), None)
    if missing is not None:
        raise AdapterError("adapters.error.no_module", name=missing)
    return PublishedLoRA(fuse(found, places), found.scaling)


def published_places(base: Path) -> dict[str, Place]:
    """Return the place of each of this program's modules in the checkpoint `base`.

    Found by renaming row numbers in place of the rows, as the weights are renamed when they are loaded.
    """
    description = describe(base)
    rename = description.family.architecture.renamer(description.settings)
    places = {}
    for name, shape in checkpoints.tensor_shapes(checkpoints.weight_files(base)):
        module, _, leaf = name.rpartition(".")
        if leaf == "weight" and len(shape) == 2:
            for native, part in rename(name, torch.arange(shape[0])):
                places[native.removesuffix(".weight")] = Place(module, int(part[0]), len(part), shape[0])
    return places


def fuse(found: lora_io.LoRA, places: Mapping[str, Place]) -> dict[str, torch.Tensor]:
    """Return the tensors under PEFT's names for the published modules, all of one rank."""
    parts: dict[str, list[str]] = {}
    for name in sorted(found.a, key=lambda name: places[name].first):
        parts.setdefault(places[name].module, []).append(name)
    rank = found.rank * max(map(len, parts.values()))
    tensors = {}
    for module, names in parts.items():
        a = torch.zeros(rank, found.a[names[0]].shape[1], dtype=found.a[names[0]].dtype)
        b = torch.zeros(places[names[0]].rows, rank, dtype=a.dtype)
        for at, name in enumerate(names):
            place, block = places[name], slice(found.rank * at, found.rank * (at + 1))
            a[block] = found.a[name]
            b[place.first : place.first + place.count, block] = found.b[name]
        tensors[f"{lora_io.OUTER}{module}.lora_A.weight"], tensors[f"{lora_io.OUTER}{module}.lora_B.weight"] = a, b
    return tensors
