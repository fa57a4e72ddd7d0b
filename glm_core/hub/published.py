"""The published models this program is made for: where they lie, how large they are, what their files' digests are.

Facts of the publishers' pages, no weights. Family, parameters, context and licence come from the configuration, as for
any folder (`describe_config`). Not here: fetching (sources.py), memory (glm_core.training.memory computes it from `config`).
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from glm_core.models import checkpoints
from glm_core.models.registry import Family

_CHATGLM = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "inner_hidden_size": 16384,
    "num_attention_heads": 32,
    "num_layers": 28,
    "vocab_size": 130528,
    "max_sequence_length": 2048,
    "layernorm_epsilon": 1e-5,
    "position_encoding_2d": True,
    "bos_token_id": 130004,
    "eos_token_id": 130005,
    "gmask_token_id": 130001,
    "mask_token_id": 130000,
    "pad_token_id": 3,
}
_FUSED = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "ffn_hidden_size": 13696,
    "kv_channels": 128,
    "num_attention_heads": 32,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "add_qkv_bias": True,
    "layernorm_epsilon": 1e-5,
    "tie_word_embeddings": False,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_CHATGLM2 = _FUSED | {
    "num_layers": 28,
    "padded_vocab_size": 65024,
    "seq_length": 32768,
    "transformers_version": "4.27.1",
}
_CHATGLM3 = _FUSED | {
    "num_layers": 28,
    "padded_vocab_size": 65024,
    "seq_length": 8192,
    "transformers_version": "4.30.2",
}
_GLM4 = _FUSED | {
    "num_layers": 40,
    "padded_vocab_size": 151552,
    "seq_length": 131072,
    "rope_ratio": 500,
    "layernorm_epsilon": 1.5625e-07,
    "eos_token_id": [151329, 151336, 151338],
    "pad_token_id": 151329,
}
_GLM = {
    "model_type": "glm",
    "hidden_size": 4096,
    "intermediate_size": 13696,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "vocab_size": 151552,
    "max_position_embeddings": 131072,
    "attention_bias": True,
    "tie_word_embeddings": False,
    "eos_token_id": [151329, 151336, 151338],
    "pad_token_id": 151329,
}

_QWEN3 = {
    "model_type": "qwen3",
    "head_dim": 128,
    "num_key_value_heads": 8,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "eos_token_id": 151645,
    "pad_token_id": 151643,
}
_SMOLLM2 = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
_SMOLLM3 = {
    "model_type": "smollm3",
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 128256,
    "max_position_embeddings": 65536,
    "tie_word_embeddings": True,
    "eos_token_id": 128012,
    "pad_token_id": 128004,
}


def _qwen3(hidden: int, inner: int, layers: int, heads: int, tied: bool) -> dict:
    sizes = {"hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers}
    return _QWEN3 | sizes | {"num_attention_heads": heads, "tie_word_embeddings": tied}


def _edge(hidden: int, inner: int, layers: int, heads: int, groups: int) -> dict:
    """GLM-Edge: whole heads are rotated, nothing has a bias, the head is the embedding."""
    return {
        "model_type": "glm",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "head_dim": 128,
        "vocab_size": 59264,
        "max_position_embeddings": 8192,
        "partial_rotary_factor": 1.0,
        "attention_bias": False,
        "tie_word_embeddings": True,
        "eos_token_id": [59246, 59253, 59255],
        "pad_token_id": 59246,
    }


def _bloom(hidden: int, layers: int, heads: int) -> dict:
    return {
        "model_type": "bloom",
        "hidden_size": hidden,
        "n_layer": layers,
        "n_head": heads,
        "vocab_size": 250880,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 3,
    }


@dataclass(frozen=True)
class Published:
    """One published model."""

    huggingface: str
    """Its repository on Hugging Face and the mirrors of it, "owner/name"."""
    config: dict = field(repr=False)
    """The entries of `config.json` that decide its family and its size."""
    download_bytes: int
    """Of the files that are needed."""
    modelscope: str = ""
    """Its repository on ModelScope; empty where the publisher has none there."""
    note: str = ""
    """Text key of what its licence alone does not say."""
    own_licence: str = ""
    """Text key of its licence, where its family is of many publishers."""
    laptop: bool = False
    """True for the one to begin with on a machine without a card."""

    @property
    def name(self) -> str:
        """The folder it is kept in."""
        return self.huggingface.rpartition("/")[2]

    @property
    def described(self) -> dict:
        """`config` with the name that a folder of it would have."""
        return {"_name_or_path": self.name, **self.config}

    def licence(self, family: Family) -> str:
        """Return the text key of its licence."""
        return self.own_licence or family.licence

    @property
    def digests(self) -> dict[str, dict]:
        """Published digests by file: {"sha256": hexadecimal, "size": bytes}; empty where none are known."""
        return digests().get(self.name, {})


@dataclass(frozen=True)
class Elsewhere:
    """A published model that is not computed here, and can be asked through a server that serves it.

    Attributes:
        why: text key of why not.
        parameters, active: all, and those that compute one token.
    """

    huggingface: str
    parameters: int
    active: int
    context_length: int
    download_bytes: int
    licence: str
    why: str

    @property
    def name(self) -> str:
        """Its name without the publisher's."""
        return self.huggingface.rpartition("/")[2]


ELSEWHERE = (
    Elsewhere(
        "zai-org/GLM-4.7-Flash",
        parameters=31_000_000_000,
        active=3_000_000_000,
        context_length=202_752,
        download_bytes=62_500_000_000,
        licence="families.licence.mit",
        why="models.refused.experts",
    ),
)

APACHE = "families.licence.apache"
PUBLISHED = (
    Published(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        _SMOLLM2,
        271_000_000,
        note="catalogue.note.laptop",
        own_licence=APACHE,
        laptop=True,
    ),
    Published("zai-org/chatglm-6b", _CHATGLM, 13_430_000_000, "ZhipuAI/ChatGLM-6B"),
    Published("zai-org/chatglm-6b-int8", _CHATGLM | {"quantization_bit": 8}, 6_710_000_000),
    Published("zai-org/chatglm-6b-int4", _CHATGLM | {"quantization_bit": 4}, 3_890_000_000, "ZhipuAI/ChatGLM-6B-Int4"),
    Published("zai-org/chatglm2-6b", _CHATGLM2, 12_490_000_000, "ZhipuAI/chatglm2-6b"),
    Published(
        "zai-org/chatglm2-6b-int4", _CHATGLM2 | {"quantization_bit": 4}, 3_920_000_000, "ZhipuAI/chatglm2-6b-int4"
    ),
    Published("zai-org/chatglm3-6b", _CHATGLM3, 12_490_000_000, "ZhipuAI/chatglm3-6b"),
    Published(
        "zai-org/chatglm3-6b-32k",
        _CHATGLM3 | {"seq_length": 32768, "rope_ratio": 50},
        12_490_000_000,
        "ZhipuAI/chatglm3-6b-32k",
    ),
    Published(
        "zai-org/chatglm3-6b-128k",
        _CHATGLM3 | {"seq_length": 131072, "rope_ratio": 500},
        12_490_000_000,
        "ZhipuAI/chatglm3-6b-128k",
    ),
    Published("zai-org/glm-4-9b-chat", _GLM4, 18_800_000_000, "ZhipuAI/glm-4-9b-chat"),
    Published("zai-org/glm-4-9b-chat-hf", _GLM, 18_800_000_000, "ZhipuAI/glm-4-9b-chat-hf"),
    Published(
        "zai-org/GLM-4-9B-0414",
        _GLM | {"model_type": "glm4", "max_position_embeddings": 32768},
        18_800_000_000,
        "ZhipuAI/GLM-4-9B-0414",
    ),
    Published(
        "zai-org/GLM-Z1-9B-0414",
        _GLM | {"model_type": "glm4", "max_position_embeddings": 32768},
        18_800_000_000,
        "ZhipuAI/GLM-Z1-9B-0414",
    ),
    Published("zai-org/codegeex4-all-9b", _GLM4, 18_800_000_000, "ZhipuAI/codegeex4-all-9b"),
    Published(
        "Qwen/Qwen3-0.6B", _qwen3(1024, 3072, 28, 16, True), 1_520_000_000, "Qwen/Qwen3-0.6B", own_licence=APACHE
    ),
    Published(
        "Qwen/Qwen3-1.7B", _qwen3(2048, 6144, 28, 16, True), 4_080_000_000, "Qwen/Qwen3-1.7B", own_licence=APACHE
    ),
    Published("Qwen/Qwen3-4B", _qwen3(2560, 9728, 36, 32, True), 8_060_000_000, "Qwen/Qwen3-4B", own_licence=APACHE),
    Published("Qwen/Qwen3-8B", _qwen3(4096, 12288, 36, 32, False), 16_400_000_000, "Qwen/Qwen3-8B", own_licence=APACHE),
    Published("HuggingFaceTB/SmolLM3-3B", _SMOLLM3, 6_170_000_000, own_licence=APACHE),
    Published("zai-org/glm-edge-1.5b-chat", _edge(2048, 6144, 28, 16, 4), 3_190_000_000, "ZhipuAI/glm-edge-1.5b-chat"),
    Published("zai-org/glm-edge-4b-chat", _edge(3072, 8192, 40, 24, 6), 8_300_000_000, "ZhipuAI/glm-edge-4b-chat"),
    Published("bigscience/bloomz-560m", _bloom(1024, 24, 16), 1_120_000_000, "AI-ModelScope/bloomz-560m"),
    Published("bigscience/bloomz-1b7", _bloom(2048, 24, 16), 3_440_000_000),
    Published("bigscience/bloomz-7b1-mt", _bloom(4096, 30, 32), 14_140_000_000, "AI-ModelScope/bloomz-7b1-mt"),
    Published("BelleGroup/BELLE-7B-2M", _bloom(4096, 30, 32), 28_300_000_000, note="catalogue.note.belle"),
)


@cache
def digests() -> dict[str, dict[str, dict]]:
    """Published digests: model -> file -> {"sha256", "size"}."""
    return checkpoints.read_object(Path(__file__).with_name("digests.json"), checkpoints.CONFIG_BYTES)


def find(name: str) -> Published | None:
    """The published model kept in a folder called `name`, letter case aside; None where it is none of these."""
    return next((model for model in PUBLISHED if model.name.lower() == name.lower()), None)
