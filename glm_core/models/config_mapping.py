"""From a published `config.json` to the architecture it loads into: native settings, tensor names, parameter count.

ChatGLM2, ChatGLM3 and the original GLM-4 become transformers' Glm by renaming tensors and splitting the fused query,
key and value rows; that is exact. Not here: reading files (checkpoints.py). Imports no torch.
"""

import re
from collections.abc import Callable, Iterator

from glm_core.models.errors import ModelError
from glm_core.models.registry import Family

# GLM-4's original file says 512; the model was trained for 128k.
GLM4_CONTEXT = 131072
BLOOM_CONTEXT = 2048

# key -> smallest and largest value that a real model could have
_LIMITS = {
    "vocab_size": (8, 4_000_000),
    "hidden_size": (8, 65_536),
    "num_layers": (1, 256),
    "num_attention_heads": (1, 1024),
    "inner_hidden_size": (8, 1_000_000),
    "max_sequence_length": (8, 10_000_000),
    "intermediate_size": (8, 1_000_000),
    "num_hidden_layers": (1, 256),
    "num_key_value_heads": (1, 1024),
    "head_dim": (2, 4096),
    "n_layer": (1, 256),
    "n_head": (1, 1024),
    "max_position_embeddings": (8, 10_000_000),
    "pre_seq_len": (1, 65_536),
    "quantization_bit": (0, 8),
    "bos_token_id": (0, 4_000_000),
    "gmask_token_id": (0, 4_000_000),
    "mask_token_id": (0, 4_000_000),
}
_SIZES = {
    "chatglm": ("vocab_size", "hidden_size", "num_layers", "num_attention_heads", "inner_hidden_size"),
    "glm": (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "intermediate_size",
    ),
    "bloom": ("vocab_size", "hidden_size", "n_layer", "n_head"),
}
_SIZES["glm4"] = _SIZES["glm"]
_SHARES = {"hidden_dropout", "attention_dropout"}  # between 0 and 1; looked at in every forward
# What else of a published file the architectures understand; everything else in it is left aside.
_KEPT = {
    "chatglm": (
        "max_sequence_length",
        "layernorm_epsilon",
        "position_encoding_2d",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "mask_token_id",
        "gmask_token_id",
        "tie_word_embeddings",
        "pre_seq_len",
        "prefix_projection",
        "quantization_bit",
        "quantization_embeddings",
        "initializer_range",
    ),
    "glm": (
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
    ),
    "bloom": (
        "layer_norm_epsilon",
        "apply_residual_connection_post_layernorm",
        "hidden_dropout",
        "attention_dropout",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "tie_word_embeddings",
        "initializer_range",
        "pre_seq_len",
        "prefix_projection",
    ),
}
_KEPT["glm4"] = _KEPT["glm"]


def native_config(family: Family, config: dict) -> dict:
    """The settings of the native architecture for a published `config`.

    Raises:
        ModelError: a size is missing, of the wrong kind or impossible.
    """
    source = _glm_settings(config) if family.native == "glm" and "ffn_hidden_size" in config else _with_defaults(config)
    native = {key: source[key] for key in _KEPT[family.native] if source.get(key) is not None}
    for key in _SIZES[family.native]:
        native[key] = _size(source, key)
    if family.native in ("glm", "glm4"):
        native.setdefault("pad_token_id", None)  # the library's default lies beyond a small vocabulary
    for key in _LIMITS.keys() & native.keys():
        _size(native, key)
    for key in _SHARES & native.keys():
        _check_share(native, key)
    _check_heads(family.native, native)
    if family.native == "chatglm":
        _check_controls(native)
    return native


def _check_controls(config: dict) -> None:
    """The network finds its context by these tokens, so they must be in the vocabulary."""
    for key, published in (("bos_token_id", 130004), ("gmask_token_id", 130001), ("mask_token_id", 130000)):
        config.setdefault(key, published)
        if _size(config, key) >= config["vocab_size"]:
            raise ModelError("models.config_value", field=key, value=config[key])


def _with_defaults(config: dict) -> dict:
    """`config` with the sizes that older files spell differently or leave out."""
    spelled = {
        "hidden_size": config.get("n_embed"),
        "n_layer": config.get("num_hidden_layers"),
        "n_head": config.get("num_attention_heads"),
        "num_key_value_heads": config.get("num_attention_heads"),
    }
    known = {**{key: value for key, value in spelled.items() if value is not None}, **config}
    heads, width = known.get("num_attention_heads"), known.get("hidden_size")
    if "head_dim" not in known and isinstance(heads, int) and isinstance(width, int) and heads > 0:
        known["head_dim"] = width // heads
    return known


def _glm_settings(config: dict) -> dict:
    """ChatGLM2, ChatGLM3 and original GLM-4 settings in Glm's terms."""
    ratio = config.get("rope_ratio", 1)
    if not isinstance(ratio, (int, float)) or isinstance(ratio, bool) or not 0 < ratio < 1e6:
        raise ModelError("models.config_value", field="rope_ratio", value=ratio)
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
    settings = {**config, **{key: config.get(published) for key, published in renamed.items()}}
    settings["rope_parameters"] = {
        "rope_type": "default",
        "rope_theta": 10000.0 * ratio,
        "partial_rotary_factor": 0.5,
    }
    settings.setdefault("tie_word_embeddings", False)
    return settings


def _size(config: dict, key: str) -> int:
    value = config.get(key)
    low, high = _LIMITS[key]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ModelError("models.config_value", field=key, value=repr(value)[:60])
    return value


def _check_share(config: dict, key: str) -> None:
    value = config[key]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise ModelError("models.config_value", field=key, value=repr(value)[:60])


def _check_heads(native: str, config: dict) -> None:
    if native in ("chatglm", "bloom"):
        heads, width = config["num_attention_heads" if native == "chatglm" else "n_head"], config["hidden_size"]
        axes = 4 if native == "chatglm" else 1
        if width % heads or width // heads % axes:
            raise ModelError("models.config_value", field="num_attention_heads", value=heads)
    elif config["num_attention_heads"] % config["num_key_value_heads"] or config["head_dim"] % 4:
        raise ModelError("models.config_value", field="num_key_value_heads", value=config["num_key_value_heads"])


def context_length(family: Family, config: dict) -> int:
    """Most tokens that a prompt and its answer may have together."""
    if family.name == "glm4-original":
        return GLM4_CONTEXT
    names = ("max_sequence_length", "max_position_embeddings", "seq_length")
    return next((config[name] for name in names if isinstance(config.get(name), int)), BLOOM_CONTEXT)


def count_parameters(native: str, config: dict) -> int:
    """Parameters of the architecture; a tied head counts once. `config` comes from `native_config`."""
    width, vocabulary = config["hidden_size"], config["vocab_size"]
    heads = vocabulary * width * (1 if config.get("tie_word_embeddings", native in ("chatglm", "bloom")) else 2)
    if native in ("chatglm", "bloom"):
        inner = config.get("inner_hidden_size", 4 * width)
        layer = 4 * width * width + 4 * width + 2 * width * inner + inner + width + 4 * width
        norms = 2 * width if native == "chatglm" else 4 * width
        return heads + layer * config.get("num_layers", config.get("n_layer")) + norms
    query = config["num_attention_heads"] * config["head_dim"]
    both = query + 2 * config["num_key_value_heads"] * config["head_dim"]
    layer = both * width + query * width + 3 * width * config["intermediate_size"]
    layer += (both if config.get("attention_bias", True) else 0) + (4 if native == "glm4" else 2) * width
    return heads + layer * config["num_hidden_layers"] + width


# --- tensor names -----------------------------------------------------------------------------------------------------

Renamer = Callable[[str, object], Iterator[tuple[str, object]]]
"""(published name, tensor) -> the native (name, tensor) pairs it becomes; none for what is not stored natively."""

PREFIX = "transformer.prefix_encoder."
_GLM_PARTS = {
    "input_layernorm": "input_layernorm",
    "post_attention_layernorm": "post_attention_layernorm",
    "self_attention.dense": "self_attn.o_proj",
    "mlp.dense_h_to_4h": "mlp.gate_up_proj",
    "mlp.dense_4h_to_h": "mlp.down_proj",
}
_GLM_NAMES = {
    "transformer.embedding.word_embeddings.weight": "model.embed_tokens.weight",
    "transformer.encoder.final_layernorm.weight": "model.norm.weight",
    "transformer.output_layer.weight": "lm_head.weight",
}
_GLM_LAYER = re.compile(r"transformer\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias|weight_scale)")


def renamer(family: Family, config: dict) -> Renamer:
    """How the published tensors of `family` become native ones; `config` comes from `native_config`."""
    if family.native == "glm" and family.name != "glm":
        return lambda name, tensor: _rename_fused(config, name, tensor)
    if family.native == "bloom":
        return _rename_bloom
    return _rename_nothing


def _rename_nothing(name: str, tensor) -> Iterator[tuple[str, object]]:
    if not name.endswith(".inv_freq"):
        yield name, tensor


def _rename_bloom(name: str, tensor) -> Iterator[tuple[str, object]]:
    """The first BLOOM files name the bare network."""
    bare = re.match(r"(word_embeddings|word_embeddings_layernorm|h|ln_f)\.", name)
    yield (f"transformer.{name}" if bare else name), tensor


def _rename_fused(config: dict, name: str, tensor) -> Iterator[tuple[str, object]]:
    """Rows of query_key_value are all queries, then all keys, then all values."""
    if name in _GLM_NAMES:
        yield _GLM_NAMES[name], tensor
    elif name.startswith(PREFIX):
        yield name, tensor
    elif (found := _GLM_LAYER.fullmatch(name)) and found[2] == "self_attention.query_key_value":
        query, group = (
            config["num_attention_heads"] * config["head_dim"],
            config["num_key_value_heads"] * config["head_dim"],
        )
        if tensor.shape[0] != query + 2 * group:
            raise ModelError("models.tensor_shape", name=name, found=list(tensor.shape), expected=[query + 2 * group])
        for part, rows in zip("qkv", tensor.split([query, group, group]), strict=True):
            yield f"model.layers.{found[1]}.self_attn.{part}_proj.{found[3]}", rows
    elif found and found[2] in _GLM_PARTS:
        yield f"model.layers.{found[1]}.{_GLM_PARTS[found[2]]}.{found[3]}", tensor
    elif not name.endswith(".inv_freq"):
        yield name, tensor
