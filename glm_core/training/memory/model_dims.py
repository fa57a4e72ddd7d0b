"""The sizes of a model that memory depends on, from its configuration alone. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glm_core import workspace
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.settings import has_pissa
from glm_core.adapters.targets import choose_targets
from glm_core.errors import EasyError
from glm_core.models import registry
from glm_core.models.architectures.base import Dimensions
from glm_core.models.registry import Family
from glm_core.training.settings import TrainingSettings


class MemoryEstimateError(EasyError):
    """A configuration whose size cannot be told."""


@dataclass(frozen=True)
class Shape:
    """A model's family, its dimensions, and how its linear weights are stored.

    Attributes:
        bits: 4 or 8 where they are packed, as the hub's int4 and int8 checkpoints are, else 0.
        halves: they were published in a half type, as those are taken to be of which it is not known.
    """

    family: Family
    dims: Dimensions
    bits: int = 0
    halves: bool = True

    def targets(self, settings: TrainingSettings) -> list[str]:
        """The linear modules of a layer that LoRA adapts.

        Raises:
            AdapterError: there is no module of that name, or a weight has fewer principal parts than PiSSA asks for.
        """
        found = choose_targets(settings.lora_targets, self.dims.groups, self.dims.linears)
        if has_pissa(settings):
            name = min(found, key=lambda one: min(self.dims.linears[one]))
            most = min(self.dims.linears[name])
            if settings.lora_rank > most:
                raise AdapterError("adapters.error.pissa_rank", name=name, rank=settings.lora_rank, most=most)
        return found


def read_shape(model: Any) -> Shape:
    """The shape of a model folder, a `config.json`'s content, or a transformers configuration.

    Raises:
        MemoryEstimateError: there is no readable configuration, or it is of no family known here.
        ModelError: a size in it is missing or impossible.
    """
    config = _read_config(model)
    family = registry.find(dict(config))
    if family is None:
        raise MemoryEstimateError("memory.error.family", family=str(config.get("model_type", "?")))
    settings = family.architecture.settings(config)
    stored = str(config.get("dtype") or config.get("torch_dtype")).removeprefix("torch.")
    dims, bits = family.architecture.dimensions(settings), settings.get("quantization_bit") or 0
    return Shape(family, dims, bits, halves=stored != "float32")


def _read_config(model: Any) -> Mapping[str, Any]:
    if isinstance(model, Mapping):
        return model
    if not isinstance(model, (str, Path)):
        return model.to_dict()
    path = Path(model)
    path = path / "config.json" if path.is_dir() else path
    try:
        config = workspace.parse_json(path.read_text(encoding="utf-8"))
        return {"_name_or_path": path.parent.name} | dict(config)
    except (OSError, ValueError, TypeError) as error:
        raise MemoryEstimateError("memory.error.unreadable", path=str(path)) from error
