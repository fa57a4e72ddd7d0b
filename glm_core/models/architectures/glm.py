"""GLM: transformers' Glm and Glm4, and the fused layout in which ChatGLM2, ChatGLM3 and the first GLM-4 were published.

ChatGLM2, ChatGLM3 and the original GLM-4 become Glm by renaming tensors and splitting the fused query, key and value
rows; that is exact.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from glm_core.models.architectures import checks
from glm_core.models.architectures.base import PREFIX, Config, Dimensions, Renamer, Settings
from glm_core.models.architectures.decoder import SIZES, RotaryDecoder
from glm_core.models.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OPTIONAL = (
    "max_position_embeddings",
    "rms_norm_eps",
    "attention_bias",
    "rope_parameters",
    "rope_theta",
    "partial_rotary_factor",
    "eos_token_id",
    "pad_token_id",
    "bos_token_id",
    "hidden_act",
    "attention_dropout",
    "tie_word_embeddings",
    "pre_seq_len",
    "prefix_projection",
    "quantization_bit",
    "initializer_range",
)
GROUPS = {
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_up_proj", "down_proj"),
    # modules of the published fused code
    "query_key_value": ("q_proj", "k_proj", "v_proj"),
    "dense": ("o_proj",),
    "dense_h_to_4h": ("gate_up_proj",),
    "dense_4h_to_h": ("down_proj",),
}


class Glm(RotaryDecoder):
    """transformers' Glm: GLM-4-9B-chat-hf, GLM-Edge."""

    name = "glm"
    norms = 2

    def recognizes(self, config: Config) -> bool:
        """By `model_type`."""
        return config.get("model_type") == self.name

    def settings(self, config: Config) -> Settings:
        """See `Architecture.settings`."""
        return self._checked(checks.spelled_out(config))

    @staticmethod
    def _checked(source: Config) -> Settings:
        settings = checks.select(source, SIZES, OPTIONAL)
        settings.setdefault("pad_token_id", None)  # the library's default lies beyond a small vocabulary
        if settings["num_attention_heads"] % settings["num_key_value_heads"] or settings["head_dim"] % 4:
            raise checks.refusal("num_key_value_heads", settings["num_key_value_heads"])
        return settings

    def context_length(self, config: Config) -> int:
        """See `Architecture.context_length`."""
        return checks.context(config, 2048)

    def dimensions(self, settings: Config) -> Dimensions:
        """Split query, key and value; gate and up projection fused; RMSNorm without biases."""
        hidden, inner = settings["hidden_size"], settings["intermediate_size"]
        query = settings["num_attention_heads"] * settings["head_dim"]
        key = settings["num_key_value_heads"] * settings["head_dim"]
        return Dimensions(
            hidden=hidden,
            inner=inner,
            layers=settings["num_hidden_layers"],
            heads=settings["num_attention_heads"],
            kv_heads=settings["num_key_value_heads"],
            head_dim=settings["head_dim"],
            vocabulary=settings["vocab_size"],
            tied=settings.get("tie_word_embeddings", False),
            linears={
                "q_proj": (hidden, query),
                "k_proj": (hidden, key),
                "v_proj": (hidden, key),
                "o_proj": (query, hidden),
                "gate_up_proj": (hidden, 2 * inner),
                "down_proj": (inner, hidden),
            },
            groups=GROUPS,
            biases=query + 2 * key if settings.get("attention_bias", True) else 0,
            norms=self.norms,
            norm_parameters=self.norms * hidden,
            final_parameters=hidden,
            prefix_copies=2 * (query - key),  # one copy for every query head
            dropout=bool(settings.get("attention_dropout")),
        )

    def build(self, settings: Config) -> "PreTrainedModel":
        """A `GlmForCausalLM`."""
        from transformers import GlmConfig, GlmForCausalLM

        return GlmForCausalLM(GlmConfig(**settings))


class Glm4(Glm):
    """transformers' Glm4: GLM-4-0414 and GLM-Z1, with a normalization behind each half of a layer too."""

    name = "glm4"
    norms = 4

    def build(self, settings: Config) -> "PreTrainedModel":
        """A `Glm4ForCausalLM`."""
        from transformers import Glm4Config, Glm4ForCausalLM

        return Glm4ForCausalLM(Glm4Config(**settings))


class FusedGlm(Glm):
    """Glm from the published layout of ChatGLM2, ChatGLM3 and the original GLM-4."""

    name = "glm-fused"

    def recognizes(self, config: Config) -> bool:
        """ChatGLM2, ChatGLM3 and GLM-4 share one layout of `config.json`."""
        return config.get("model_type") == "chatglm" and "ffn_hidden_size" in config and "padded_vocab_size" in config

    def settings(self, config: Config) -> Settings:
        """Published settings in Glm's terms."""
        ratio = checks.number(config, "rope_ratio", 1, 0, 1e6)
        groups = "multi_query_group_num" if config.get("multi_query_attention", True) else "num_attention_heads"
        renamed = {
            "vocab_size": "padded_vocab_size",
            "num_hidden_layers": "num_layers",
            "num_key_value_heads": groups,
            "head_dim": "kv_channels",
            "intermediate_size": "ffn_hidden_size",
            "rms_norm_eps": "layernorm_epsilon",
            "attention_bias": "add_qkv_bias",
            "max_position_embeddings": "seq_length",
        }
        source = {**config, **{key: config.get(published) for key, published in renamed.items()}}
        source["rope_parameters"] = {
            "rope_type": "default",
            "rope_theta": 10000.0 * ratio,
            "partial_rotary_factor": 0.5,
        }
        source.setdefault("tie_word_embeddings", False)
        return self._checked(source)

    def renamer(self, settings: Config) -> Renamer:
        """Rows of the fused module are all queries, then all keys, then all values."""
        query = settings["num_attention_heads"] * settings["head_dim"]
        key = settings["num_key_value_heads"] * settings["head_dim"]
        return lambda name, tensor: _rename_fused((query, key, key), name, tensor)


_PARTS = {
    "input_layernorm": "input_layernorm",
    "post_attention_layernorm": "post_attention_layernorm",
    "self_attention.dense": "self_attn.o_proj",
    "mlp.dense_h_to_4h": "mlp.gate_up_proj",
    "mlp.dense_4h_to_h": "mlp.down_proj",
}
_NAMES = {
    "transformer.embedding.word_embeddings.weight": "model.embed_tokens.weight",
    "transformer.encoder.final_layernorm.weight": "model.norm.weight",
    "transformer.output_layer.weight": "lm_head.weight",
}
_LAYER = re.compile(r"transformer\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias|weight_scale)")


def _rename_fused(parts: tuple[int, int, int], name: str, tensor: Any) -> Iterator[tuple[str, Any]]:
    """Yield the native tensors of one published tensor; `parts` are the rows of query, key and value."""
    if name in _NAMES:
        yield _NAMES[name], tensor
    elif name.startswith(PREFIX):
        yield name, tensor
    elif (found := _LAYER.fullmatch(name)) and found[2] == "self_attention.query_key_value":
        if tensor.shape[0] != sum(parts):
            raise ModelError("models.tensor_shape", name=name, found=list(tensor.shape), expected=[sum(parts)])
        for part, rows in zip("qkv", tensor.split(list(parts)), strict=True):
            yield f"model.layers.{found[1]}.self_attn.{part}_proj.{found[3]}", rows
    elif found and found[2] in _PARTS:
        yield f"model.layers.{found[1]}.{_PARTS[found[2]]}.{found[3]}", tensor
    elif not name.endswith(".inv_freq"):
        yield name, tensor
