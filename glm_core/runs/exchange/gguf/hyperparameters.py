"""Hyperparameters of a network as GGUF metadata, read from the configuration that transformers builds it with.

What llama.cpp would compute otherwise is refused: another activation, another scaling of rotary positions. Where its network
knows no window of attention, the context length is cut to the window, within which both are the same.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glm_core.adapters.errors import AdapterError
from glm_core.models import ModelDescription

if TYPE_CHECKING:
    import torch
    from gguf import GGUFWriter
    from transformers import PretrainedConfig

ROPE_TENSOR = "rope_freqs.weight"
"Factors that llama.cpp divides the rotary frequencies by."
ACTIVATIONS = {"silu": ("silu", "swish"), "gelu": ("gelu_pytorch_tanh", "gelu_new"), "relu2": ("relu2",)}
"Names of the activations of llama.cpp's networks in published configurations."


@dataclass(frozen=True)
class Traits:
    """Facts of one of llama.cpp's networks.

    Attributes:
        activation: of its MLP, of `ACTIVATIONS`.
        window_step: every how many layers one sees all tokens, where the file does not say; 0 where it knows no windows.
        rope_tensor: it reads factors of the rotary frequencies.
        scales: (setting, the writer's method) of numbers that it multiplies with.
        all_rotate: every layer rotates; else every fourth does not.
        own_heads: heads together may be wider or narrower than the network.
    """

    activation: str = "silu"
    window_step: int = 0
    rope_tensor: bool = False
    scales: tuple[tuple[str, str], ...] = ()
    all_rotate: bool = True
    own_heads: bool = True


def network_config(description: ModelDescription) -> "PretrainedConfig":
    """Return the configuration that the network is built with, every default spelled out."""
    import torch

    with torch.device("meta"):
        return description.family.architecture.build(description.settings).config


def check(description: ModelDescription, traits: Traits) -> None:
    """Refuse what llama.cpp would compute otherwise.

    Raises:
        AdapterError: says what.
    """
    config = network_config(description)
    activation = getattr(config, "hidden_act", None) or getattr(config, "hidden_activation", None)
    if activation not in (None, *ACTIVATIONS[traits.activation]):
        raise AdapterError("gguf.error.setting", name=f"hidden_act = {activation}")
    if rotating := getattr(config, "no_rope_layers", None):
        step = [bool(traits.all_rotate or (layer + 1) % 4) for layer in range(config.num_hidden_layers)]
        if [bool(one) for one in rotating] != step:
            raise AdapterError("gguf.error.setting", name=f"no_rope_layers = {rotating}")
    dims = description.family.architecture.dimensions(description.settings)
    if not traits.own_heads and dims.heads * dims.head_dim != dims.hidden:
        raise AdapterError("gguf.error.setting", name=f"head_dim = {dims.head_dim}")
    full, near = rope_parameters(config)
    for rope in (full, near):
        _check_rope(rope, traits)


def write(writer: "GGUFWriter", description: ModelDescription, traits: Traits) -> None:
    """Write the sizes of the network, its rotary positions, windows and scales."""
    config = network_config(description)
    dims = description.family.architecture.dimensions(description.settings)
    window = _window(config)
    cut = window if window and not traits.window_step else description.context_length
    writer.add_context_length(min(description.context_length, cut))
    writer.add_embedding_length(dims.hidden)
    writer.add_vocab_size(dims.vocabulary)
    writer.add_block_count(dims.layers)
    writer.add_feed_forward_length(dims.inner)
    writer.add_head_count(dims.heads)
    writer.add_head_count_kv(dims.kv_heads)
    writer.add_key_length(dims.head_dim)
    writer.add_value_length(dims.head_dim)
    norm = writer.add_layer_norm_rms_eps if dims.rms_norm else writer.add_layer_norm_eps
    norm(_epsilon(config))
    if rope_parameters(config)[0]:
        _write_rope(writer, config, dims.head_dim)
    for setting, method in traits.scales:
        if (value := getattr(config, setting, None)) is not None:
            getattr(writer, method)(float(value))
    if window and traits.window_step:
        _write_window(writer, config, window, traits.window_step)


def _epsilon(config: "PretrainedConfig") -> float:
    names = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon", "norm_eps")
    return float(next(getattr(config, name) for name in names if getattr(config, name, None) is not None))


# windows


def _window(config: "PretrainedConfig") -> int:
    """Return how many tokens a layer with a window sees; 0 where every layer sees all."""
    types = getattr(config, "layer_types", None)
    return int(getattr(config, "sliding_window", None) or 0) if types is None or "sliding_attention" in types else 0


def _write_window(writer: "GGUFWriter", config: "PretrainedConfig", window: int, step: int) -> None:
    """Write the window, and which layers have it where that is not every layer but each `step`th."""
    near = [one == "sliding_attention" for one in config.layer_types]
    writer.add_sliding_window(window)
    if near != [bool((layer + 1) % step) for layer in range(len(near))]:
        writer.add_sliding_window_pattern(near)


# rotary positions


def rope_parameters(config: "PretrainedConfig") -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the rotary settings of layers that see all tokens, and of those with a window; empty where there are none."""
    found = getattr(config, "rope_parameters", None) or {}
    if "full_attention" in found or "sliding_attention" in found:
        return found.get("full_attention") or {}, found.get("sliding_attention") or {}
    return found, {}


def _check_rope(rope: Mapping[str, Any], traits: Traits) -> None:
    kind = str(rope.get("rope_type") or "default")
    known = {"default", "linear", "yarn"} | ({"llama3"} if traits.rope_tensor else set())
    odd = kind == "yarn" and (rope.get("mscale") or rope.get("mscale_all_dim") or rope.get("truncate") is False)
    if kind not in known or odd:
        raise AdapterError("gguf.error.rope", kind=kind[:40])


def _write_rope(writer: "GGUFWriter", config: "PretrainedConfig", head_dim: int) -> None:
    """Write bases, the turned share of a head, and a scaling that is not a tensor of factors."""
    from gguf import RopeScalingType

    full, near = rope_parameters(config)
    share = full.get("partial_rotary_factor") or getattr(config, "partial_rotary_factor", None) or 1.0
    writer.add_rope_dimension_count(int(head_dim * share))
    writer.add_rope_freq_base(float(full["rope_theta"]))
    if near:
        if near.get("rope_type", "default") != "default":
            raise AdapterError("gguf.error.rope", kind=str(near["rope_type"])[:40])
        writer.add_rope_freq_base_swa(float(near["rope_theta"]))
    kind = full.get("rope_type")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(RopeScalingType(kind))
        writer.add_rope_scaling_factor(float(full["factor"]))
    if kind == "yarn":
        original = full.get("original_max_position_embeddings") or config.max_position_embeddings
        writer.add_rope_scaling_orig_ctx_len(int(original))
        writer.add_rope_scaling_yarn_beta_fast(float(full.get("beta_fast") or 32))
        writer.add_rope_scaling_yarn_beta_slow(float(full.get("beta_slow") or 1))
        if attention := full.get("attention_factor"):  # llama.cpp multiplies its own, 1 + 0.1 ln(factor), with this
            writer.add_rope_scaling_attn_factors(float(attention) / (1 + 0.1 * math.log(full["factor"])))


def rope_tensors(description: ModelDescription) -> Iterator[tuple[str, "torch.Tensor"]]:
    """Yield the factors of the rotary frequencies of Llama 3, as transformers computes them."""
    import torch

    config = network_config(description)
    full, _ = rope_parameters(config)
    if full.get("rope_type") == "llama3":
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
        width = 2 * len(scaled)
        plain = 1.0 / (full["rope_theta"] ** (torch.arange(0, width, 2, dtype=torch.float32) / width))
        yield ROPE_TENSOR, plain / scaled
