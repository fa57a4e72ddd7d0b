"""The sizes of a model that memory depends on, from its configuration alone. Needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glm_core.adapters.targets import choose_targets
from glm_core.errors import EasyError
from glm_core.models import config_mapping, registry
from glm_core.models.registry import Family
from glm_core.training.settings import TrainingSettings


class MemoryEstimateError(EasyError):
    """A configuration whose size cannot be told."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a model that memory depends on."""

    family: Family
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    bits: int = 0  # of linear weights that are stored packed, as the hub's int4 and int8 checkpoints are

    @property
    def native(self) -> str:
        """The architecture it loads into."""
        return self.family.native

    @property
    def gated(self) -> bool:
        """Return whether it is of the newer build: split query, key and value, gated MLP, RMSNorm without biases."""
        return self.native in ("glm", "glm4")

    @property
    def norms(self) -> int:
        """Normalizations of a layer."""
        return 4 if self.native == "glm4" else 2

    @property
    def query(self) -> int:
        """Width of all query heads."""
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Width of all key heads, or of all value heads."""
        return self.kv_heads * self.head_dim

    def linears(self) -> dict[str, tuple[int, int]]:
        """The linear modules of one layer by name: inputs and outputs."""
        if self.gated:
            return {
                "q_proj": (self.hidden, self.query),
                "k_proj": (self.hidden, self.key),
                "v_proj": (self.hidden, self.key),
                "o_proj": (self.query, self.hidden),
                "gate_up_proj": (self.hidden, 2 * self.inner),
                "down_proj": (self.inner, self.hidden),
            }
        return {
            "query_key_value": (self.hidden, 3 * self.hidden),
            "dense": (self.hidden, self.hidden),
            "dense_h_to_4h": (self.hidden, self.inner),
            "dense_4h_to_h": (self.inner, self.hidden),
        }

    def targets(self, settings: TrainingSettings) -> list[str]:
        """The linear modules of a layer that LoRA adapts."""
        return choose_targets(self.family, settings.lora_targets, self.linears())

    def layer_parameters(self) -> int:
        """Parameters of one layer's linear modules, without biases."""
        return sum(inputs * outputs for inputs, outputs in self.linears().values())

    def other_parameters(self) -> int:
        """Embedding, head, biases and norms."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        biases = sum(outputs for _, outputs in self.linears().values()) if not self.gated else self.query + 2 * self.key
        norm = self.hidden if self.gated else 2 * self.hidden
        return embeddings + self.layers * (biases + self.norms * norm) + norm * (2 if self.native == "bloom" else 1)

    def parameters(self) -> int:
        """All parameters."""
        return self.layers * self.layer_parameters() + self.other_parameters()


def read_shape(model: Any) -> Shape:
    """The shape of a model folder, a `config.json`'s content, or a transformers configuration.

    Raises:
        MemoryEstimateError: there is no readable configuration, or it is of no family known here.
        ModelError: a size in it is missing or impossible.
    """
    config = _read_config(model)
    family = registry.find(config)
    if family is None:
        raise MemoryEstimateError("memory.error.family", family=str(config.get("model_type", "?")))
    c = config_mapping.native_config(family, config)
    tied = c.get("tie_word_embeddings", family.native in ("chatglm", "bloom"))
    if family.native in ("chatglm", "bloom"):
        heads, layers = c.get("num_attention_heads") or c["n_head"], c.get("num_layers") or c["n_layer"]
        hidden, inner = c["hidden_size"], c.get("inner_hidden_size") or 4 * c["hidden_size"]
        return Shape(
            family,
            hidden,
            inner,
            layers,
            heads,
            heads,
            hidden // heads,
            c["vocab_size"],
            tied,
            c.get("quantization_bit") or 0,
        )
    return Shape(
        family,
        c["hidden_size"],
        c["intermediate_size"],
        c["num_hidden_layers"],
        c["num_attention_heads"],
        c["num_key_value_heads"],
        c["head_dim"],
        c["vocab_size"],
        tied,
        c.get("quantization_bit") or 0,
    )


def _read_config(model: Any) -> Mapping[str, Any]:
    if isinstance(model, Mapping):
        return model
    if not isinstance(model, (str, Path)):
        return model.to_dict()
    path = Path(model)
    path = path / "config.json" if path.is_dir() else path
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return {"_name_or_path": path.parent.name} | dict(config)
    except (OSError, ValueError, TypeError) as error:
        raise MemoryEstimateError("memory.error.unreadable", path=str(path)) from error
