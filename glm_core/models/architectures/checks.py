"""Checks of the numbers in a `config.json`, which is a stranger's file: present, of the right kind, possible."""

from collections.abc import Iterable
from typing import Any

from glm_core.models.architectures.base import Config, Settings
from glm_core.models.errors import ModelError

# key -> smallest and largest value that a real model could have
LIMITS = {
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
    "sliding_window": (-1, 10_000_000),
    "pre_seq_len": (1, 65_536),
    "quantization_bit": (0, 8),
    "bos_token_id": (0, 4_000_000),
    "gmask_token_id": (0, 4_000_000),
    "mask_token_id": (0, 4_000_000),
}
SHARES = {"hidden_dropout", "attention_dropout"}  # between 0 and 1; looked at in every forward


def select(source: Config, sizes: Iterable[str], kept: Iterable[str]) -> Settings:
    """Return the checked `sizes`, which must be there, and those of `kept` that are.

    Raises:
        ModelError: names the field and its value.
    """
    settings = {key: source[key] for key in kept if source.get(key) is not None}
    for key in sizes:
        settings[key] = size(source, key)
    for key in LIMITS.keys() & settings.keys():
        size(settings, key)
    for key in SHARES & settings.keys():
        _check_share(key, settings[key])
    return settings


def size(config: Config, key: str) -> int:
    """Return `config[key]`, a whole number within its limits.

    Raises:
        ModelError: it is not.
    """
    value = config.get(key)
    low, high = LIMITS[key]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise refusal(key, value)
    return value


def number(config: Config, key: str, default: float, low: float, high: float) -> float:
    """Return the number `config[key]` with low < number < high.

    Raises:
        ModelError: it is no number, or outside.
    """
    value = config.get(key, default)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low < value < high:
        raise refusal(key, value)
    return value


def refusal(field: str, value: Any) -> ModelError:
    """Return the error of an impossible value."""
    return ModelError("models.config_value", field=field, value=repr(value)[:60])


def context(config: Config, default: int) -> int:
    """Return the context length under any of its published names."""
    names = ("max_sequence_length", "max_position_embeddings", "seq_length")
    return next((config[name] for name in names if isinstance(config.get(name), int)), default)


def spelled_out(config: Config) -> dict[str, Any]:
    """Return `config` with the sizes that older files spell differently or leave out."""
    spelled = {
        "hidden_size": config.get("n_embed"),
        "n_layer": config.get("num_hidden_layers"),
        "n_head": config.get("num_attention_heads"),
        "num_key_value_heads": config.get("num_attention_heads"),
    }
    known = {**{key: value for key, value in spelled.items() if value is not None}, **config}
    heads, width = known.get("num_attention_heads"), known.get("hidden_size")
    if known.get("head_dim") is None and isinstance(heads, int) and isinstance(width, int) and heads > 0:
        known["head_dim"] = width // heads
    return known


def _check_share(key: str, value: Any) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise refusal(key, value)
