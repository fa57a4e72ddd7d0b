"""Networks as llama.cpp expects them: one `TensorLayout` per llama.cpp architecture, chosen by `model_type` of config.json.

A layout turns published tensors into llama.cpp's. Names that the gguf package knows are taken from its table; a layout only
states what has to be reordered. Not here: sizes and settings (hyperparameters.py), tokenizers (vocabulary.py).
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glm_core.adapters.errors import AdapterError
from glm_core.models import ModelDescription
from glm_core.runs.exchange.gguf import hyperparameters
from glm_core.runs.exchange.gguf.hyperparameters import Traits

if TYPE_CHECKING:
    import torch
    from gguf import GGUFWriter, TensorNameMap

SKIPPED = re.compile(r".*(\.inv_freq|rotary_emb\..*|attention\.masked_bias|attention\.bias)$")
HEAD = "lm_head.weight"
QKV = (".q_proj.", ".k_proj.", ".v_proj.")

Reorder = Callable[[ModelDescription, str, "torch.Tensor"], "torch.Tensor"]


def _keep(description: ModelDescription, name: str, tensor: "torch.Tensor") -> "torch.Tensor":
    return tensor


@dataclass(frozen=True)
class TensorLayout:
    """One architecture of llama.cpp.

    Attributes:
        arch: its name there, a member name of `gguf.MODEL_ARCH`.
        reorder: (description, published name, tensor) -> the tensor in llama.cpp's order of rows. Of a LoRA it gets B, whose
            rows are those of the matrix that it changes.
        traits: of its hyperparameters.
        biases: parts of names whose biases it reads; None = every one.
        has_head: it reads a head of its own, where there is one.
        change: (description, published name, tensor) -> the tensor with what llama.cpp leaves to the file, such as the 1 that
            Gemma adds to every norm.
    """

    arch: str
    reorder: Reorder = _keep
    traits: Traits = field(default_factory=Traits)
    biases: tuple[str, ...] | None = None
    has_head: bool = True
    change: Reorder = _keep

    def check(self, description: ModelDescription, published: Iterable[str] = ()) -> None:
        """Refuse a network that llama.cpp computes otherwise.

        Args:
            published: names of its tensors, where they are cheap to have.

        Raises:
            AdapterError: says what is different.
        """
        hyperparameters.check(description, self.traits)
        if not (self.has_head or self._is_tied(description)):
            raise AdapterError("gguf.error.tensor", name=HEAD)
        names = self._names(description)
        for name in published:
            if not self._is_left_out(description, name):
                self._renamed(names, name)

    def write_settings(self, writer: "GGUFWriter", description: ModelDescription) -> None:
        """Write the hyperparameters."""
        hyperparameters.write(writer, description, self.traits)

    def tensors(
        self, description: ModelDescription, source: Iterator[tuple[str, "torch.Tensor"]]
    ) -> Iterator[tuple[str, "torch.Tensor"]]:
        """Yield llama.cpp's (name, tensor) for the published pairs of `source`.

        Raises:
            AdapterError: llama.cpp has no place for a tensor.
        """
        names = self._names(description)
        for name, tensor in source:
            if not self._is_left_out(description, name):
                changed = self.change(description, name, tensor)
                yield self._renamed(names, name), self.reorder(description, name, changed)
        if self.traits.rope_tensor:
            yield from hyperparameters.rope_tensors(description)

    def name(self, description: ModelDescription, published: str) -> str:
        """Return llama.cpp's name of a published tensor.

        Raises:
            AdapterError: it has no place for it.
        """
        return self._renamed(self._names(description), published)

    def _names(self, description: ModelDescription) -> "TensorNameMap":
        from gguf import MODEL_ARCH, get_tensor_name_map

        layers = description.family.architecture.dimensions(description.settings).layers
        return get_tensor_name_map(MODEL_ARCH[self.arch], layers)

    def _is_left_out(self, description: ModelDescription, name: str) -> bool:
        return bool(SKIPPED.match(name)) or (name == HEAD and self._is_tied(description))

    def _is_tied(self, description: ModelDescription) -> bool:
        """Return True where the head is the embedding, which llama.cpp then reads twice."""
        return description.family.architecture.dimensions(description.settings).tied

    def _renamed(self, names: "TensorNameMap", published: str) -> str:
        """The table leaves out the prefix that some checkpoints put before every name."""
        unread = (
            self.biases is not None and published.endswith(".bias") and not any(p in published for p in self.biases)
        )
        for name in () if unread else (published, published.removeprefix("transformer."), f"transformer.{published}"):
            found = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if found is not None:
                return found
        raise AdapterError("gguf.error.tensor", name=published)


def find(description: ModelDescription) -> TensorLayout:
    """Return the layout for a model.

    Raises:
        AdapterError: llama.cpp has no such network, or the model has a prefix, for which GGUF has no place.
    """
    if description.config.get("pre_seq_len"):
        raise AdapterError("gguf.error.prefix")
    layout = LAYOUTS.get(_kind(description.config))
    if layout is None:
        raise AdapterError("gguf.error.network", name=str(description.family))
    return layout


def _kind(config: Mapping) -> str:
    """Return `model_type`; ChatGLM-6B, which shares it with ChatGLM2 to GLM-4, gets a name of its own."""
    kind = str(config.get("model_type"))
    return "chatglm-6b" if kind == "chatglm" and "ffn_hidden_size" not in config else kind


def _split_heads(description: ModelDescription, name: str, tensor: "torch.Tensor") -> "torch.Tensor":
    """BLOOM: rows (heads, 3, head_dim) become (3, heads, head_dim): all queries, all keys, all values."""
    if ".query_key_value." not in name:
        return tensor
    heads = description.settings["n_head"]
    rows = tensor.reshape(heads, 3, tensor.shape[0] // heads // 3, *tensor.shape[1:])
    return rows.transpose(0, 1).reshape(tensor.shape)


def _interleave(description: ModelDescription, name: str, tensor: "torch.Tensor") -> "torch.Tensor":
    """Llama: llama.cpp rotates neighbouring dimensions (0, 1), transformers the halves of a head (0, d/2)."""
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    for part, key in heads.items():
        if f".{part}." in name:
            count = description.settings[key]
            halves = tensor.reshape(count, 2, tensor.shape[0] // count // 2, *tensor.shape[1:])
            return halves.transpose(1, 2).reshape(tensor.shape)
    return tensor


def _add_one(description: ModelDescription, name: str, tensor: "torch.Tensor") -> "torch.Tensor":
    """Gemma: its norms multiply with 1 + weight."""
    return tensor.float() + 1.0 if name.endswith("norm.weight") else tensor


def _gemma_scaled(description: ModelDescription, name: str, tensor: "torch.Tensor") -> "torch.Tensor":
    """Gemma 3: as Gemma; where queries are scaled otherwise than llama.cpp does it, the norm of queries makes up for it."""
    tensor = _add_one(description, name, tensor)
    if not name.endswith(".q_norm.weight"):
        return tensor
    config = hyperparameters.network_config(description)
    per_head = config.hidden_size // config.num_attention_heads
    assumed = per_head if config.num_hidden_layers == 62 else config.head_dim  # 62: llama.cpp takes it for the 27B
    return tensor * math.sqrt(assumed / config.query_pre_attn_scalar)


LLAMA = TensorLayout("LLAMA", _interleave, Traits(rope_tensor=True))
LAYOUTS: Mapping[str, TensorLayout] = {
    "chatglm": TensorLayout("CHATGLM", traits=Traits(own_heads=False)),
    "glm": TensorLayout("CHATGLM", traits=Traits(own_heads=False)),
    "glm4": TensorLayout("GLM4"),
    "bloom": TensorLayout("BLOOM", _split_heads, Traits(activation="gelu")),
    "llama": LLAMA,
    "mistral": LLAMA,
    "internlm3": LLAMA,
    "qwen2": TensorLayout("QWEN2", traits=Traits(own_heads=False), biases=QKV),
    "qwen3": TensorLayout("QWEN3", biases=QKV),
    "gemma": TensorLayout("GEMMA", traits=Traits(activation="gelu"), biases=QKV, has_head=False, change=_add_one),
    "gemma3_text": TensorLayout(
        "GEMMA3",
        traits=Traits("gelu", window_step=6, scales=(("final_logit_softcapping", "add_final_logit_softcapping"),)),
        biases=QKV,
        change=_gemma_scaled,
    ),
    "phi3": TensorLayout("PHI3", traits=Traits(own_heads=False)),
    "granite": TensorLayout(
        "GRANITE",
        _interleave,
        Traits(
            rope_tensor=True,
            scales=(
                ("attention_multiplier", "add_attention_scale"),
                ("embedding_multiplier", "add_embedding_scale"),
                ("residual_multiplier", "add_residual_scale"),
                ("logits_scaling", "add_logit_scale"),
            ),
        ),
    ),
    "olmo2": TensorLayout("OLMO2", traits=Traits(own_heads=False), biases=()),
    "smollm3": TensorLayout("SMOLLM3", _interleave, Traits(all_rotate=False), biases=QKV),
    "arcee": TensorLayout("ARCEE", _interleave, Traits("relu2", rope_tensor=True), biases=QKV),
    "ernie4_5": TensorLayout("ERNIE4_5", biases=()),
    "seed_oss": TensorLayout("SEED_OSS", biases=QKV),
    "starcoder2": TensorLayout("STARCODER2", traits=Traits(activation="gelu", own_heads=False)),
}
