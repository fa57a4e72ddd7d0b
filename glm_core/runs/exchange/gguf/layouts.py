"""Networks as llama.cpp expects them: one `TensorLayout` per llama.cpp architecture, chosen by `model_type` of config.json.

A layout gives the hyperparameters and turns published tensors into llama.cpp's. Names that the gguf package knows are
taken from its table; a layout only states what has to be reordered.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glm_core.adapters.errors import AdapterError
from glm_core.models import ModelDescription

if TYPE_CHECKING:
    import torch
    from gguf import GGUFWriter, TensorNameMap

SKIPPED = re.compile(r".*(\.inv_freq|rotary_emb\..*|attention\.masked_bias|attention\.bias)$")


@dataclass(frozen=True)
class TensorLayout:
    """One architecture of llama.cpp.

    Attributes:
        arch: its name there, a member name of `gguf.MODEL_ARCH`.
        settings: (writer, description) writes the hyperparameters.
        reorder: (description, published name, tensor) -> the tensor in llama.cpp's order of rows.
        layers: key of the number of layers in the native settings.
    """

    arch: str
    settings: Callable[["GGUFWriter", ModelDescription], None]
    reorder: Callable[[ModelDescription, str, "torch.Tensor"], "torch.Tensor"] = lambda _description, _name, tensor: (
        tensor
    )
    layers: str = "num_hidden_layers"

    def tensors(
        self, description: ModelDescription, source: Iterator[tuple[str, "torch.Tensor"]]
    ) -> Iterator[tuple[str, "torch.Tensor"]]:
        """Yield llama.cpp's (name, tensor) for the published pairs of `source`.

        Raises:
            AdapterError: llama.cpp has no place for a tensor.
        """
        from gguf import MODEL_ARCH, get_tensor_name_map

        names = get_tensor_name_map(MODEL_ARCH[self.arch], description.settings[self.layers])
        for name, tensor in source:
            if SKIPPED.match(name) or (name == "lm_head.weight" and self._is_tied(description)):
                continue
            yield _name(names, name), self.reorder(description, name, tensor)

    def _is_tied(self, description: ModelDescription) -> bool:
        """Return True where the head is the embedding, which llama.cpp then reads twice."""
        return bool(description.config.get("tie_word_embeddings", self.arch in ("BLOOM", "GEMMA3")))


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


def _name(names: "TensorNameMap", published: str) -> str:
    """Return llama.cpp's name; its table leaves out the prefix that some checkpoints put before every name."""
    for name in (published, published.removeprefix("transformer."), f"transformer.{published}"):
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is not None:
            return found
    raise AdapterError("gguf.error.tensor", name=published)


# hyperparameters


def _sizes(writer: "GGUFWriter", description: ModelDescription) -> None:
    """Write the sizes of the network, as its architecture tells them."""
    dims = description.family.architecture.dimensions(description.settings)
    writer.add_context_length(description.context_length)
    writer.add_embedding_length(dims.hidden)
    writer.add_vocab_size(dims.vocabulary)
    writer.add_block_count(dims.layers)
    writer.add_feed_forward_length(dims.inner)
    writer.add_head_count(dims.heads)
    writer.add_head_count_kv(dims.kv_heads)


def _common(writer: "GGUFWriter", description: ModelDescription) -> None:
    settings = description.settings
    _sizes(writer, description)
    writer.add_key_length(settings["head_dim"])
    writer.add_value_length(settings["head_dim"])
    writer.add_layer_norm_rms_eps(settings.get("rms_norm_eps", 1e-5))


def _rotary(writer: "GGUFWriter", description: ModelDescription, share: float = 1.0) -> None:
    """Write rope: its base and how many dimensions of a head it turns (`share` where the file does not say)."""
    settings = description.settings
    rope = settings.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default":
        raise AdapterError("gguf.error.rope", kind=str(rope.get("rope_type"))[:40])
    share = rope.get("partial_rotary_factor") or settings.get("partial_rotary_factor") or share
    writer.add_rope_dimension_count(int(settings["head_dim"] * share))
    writer.add_rope_freq_base(float(rope.get("rope_theta") or settings.get("rope_theta") or 10000.0))


def _glm(writer: "GGUFWriter", description: ModelDescription) -> None:
    _common(writer, description)
    _rotary(writer, description, share=0.5)


def _rotary_whole(writer: "GGUFWriter", description: ModelDescription) -> None:
    _common(writer, description)
    _rotary(writer, description)


def _bloom(writer: "GGUFWriter", description: ModelDescription) -> None:
    _sizes(writer, description)
    writer.add_layer_norm_eps(description.settings.get("layer_norm_epsilon", 1e-5))


# row orders


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


LAYOUTS: Mapping[str, TensorLayout] = {
    "chatglm": TensorLayout("CHATGLM", _glm),
    "glm": TensorLayout("CHATGLM", _glm),
    "glm4": TensorLayout("GLM4", _glm),
    "bloom": TensorLayout("BLOOM", _bloom, _split_heads, layers="n_layer"),
    "llama": TensorLayout("LLAMA", _rotary_whole, _interleave),
    "qwen2": TensorLayout("QWEN2", _rotary_whole),
    "qwen3": TensorLayout("QWEN3", _rotary_whole),
}
