"""One more token of a pre-normalized decoder for every row of a batch, in as few kernels as it takes.

For networks built as transformers builds Llama: RMSNorm, rotary positions, grouped queries, a gated MLP (ChatGLM2/3, GLM-4,
GLM-4-0414, GLM-Edge, Llama, Qwen2, Qwen3). The arithmetic is that of the network's own forward, which stays the reference
and computes wherever the kernels do not serve. It never waits for the device, so it can be recorded as a CUDA graph.
"""

import sys
from types import ModuleType

import torch
from torch import nn

from glm_core.models.architectures.rotation import rotate
from glm_core.models.kernels.block_sizes import fits_block
from glm_core.models.kernels.dispatch import decode_kernels, kernels_for
from glm_core.models.kernels.processor import side_by_side

PARTS = ("q_proj", "k_proj", "v_proj", "o_proj")


def rotation_of(model: nn.Module) -> bool | None:
    """Return `rotates_pairs` of `model` where every layer has exactly the parts that `step` computes, else None.

    Found once and kept on the model.
    """
    kept = vars(model)
    if "rotates_pairs" not in kept:
        kept["rotates_pairs"] = _examine(model)
    return kept["rotates_pairs"]


def _examine(model: nn.Module) -> bool | None:
    network = getattr(model, "model", None)
    layers = getattr(network, "layers", None)
    if not layers or not hasattr(network, "rotary_emb") or not hasattr(network, "embed_tokens"):
        return None
    if not all(map(_fits, layers)) or not is_rms(network.norm):
        return None
    if getattr(model.config, "sliding_window", None) and not getattr(model.config, "layer_types", None):
        return None  # Mistral: every layer sees a window, and only its mask says so
    if (getattr(model.config, "rope_parameters", None) or {}).get("llama_4_scaling_beta") is not None:
        return None  # Ministral 3 scales far queries
    return rotates_pairs(layers[0].self_attn, network.rotary_emb)


def _fits(layer: nn.Module) -> bool:
    attention, mlp = getattr(layer, "self_attn", None), getattr(layer, "mlp", None)
    if attention is None or not all(hasattr(attention, name) for name in PARTS) or not hasattr(mlp, "down_proj"):
        return False
    if getattr(attention, "sliding_window", None) or getattr(attention, "is_causal", True) is not True:
        return False
    if hasattr(layer, "residual_multiplier") or not getattr(attention, "use_rope", True):
        return False  # Granite scales what it adds, layers of SmolLM3 rotate nothing
    if not hasattr(layer, "input_layernorm"):
        return False  # OLMo 2 normalizes only what it adds
    norms = [name for name, module in layer.named_modules() if name.endswith("norm")]
    known = {"input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm"}
    return (
        fits_block(attention.head_dim)
        and layer.input_layernorm.weight.shape[0] == attention.q_proj.in_features
        and set(norms) <= known | {"self_attn.q_norm", "self_attn.k_norm"}
        and all(is_rms(layer.get_submodule(name)) for name in norms)
        and _activation(mlp) in ("silu", "SiLUActivation", "SiLU")
    )


def is_rms(norm: nn.Module) -> bool:
    """Return whether this is an RMSNorm that multiplies by its weight; Gemma's, which multiplies by one more, is another."""
    return hasattr(norm, "variance_epsilon") and norm.weight.dim() == 1


def _activation(mlp: nn.Module) -> str:
    found = getattr(mlp, "activation_fn", None) or getattr(mlp, "act_fn", None)
    return type(found).__name__


def rotates_pairs(attention: nn.Module, rotary: nn.Module) -> bool | None:
    """Return how a network rotates its heads, found by trying its own function.

    True: an entry together with its neighbor (ChatGLM, GLM). False: the first half with the second (Llama). None: another way.
    """
    apply = getattr(sys.modules[type(attention).__module__], "apply_rotary_pos_emb", None)
    if apply is None:
        return None
    device = next(attention.parameters()).device
    with torch.no_grad():
        heads = torch.linspace(-1, 2, attention.head_dim, device=device).view(1, 1, 1, -1)
        cosine, sine = rotary(heads, torch.full((1, 1), 3, device=device))  # (1, 1, R)
        found = apply(heads, heads, cosine, sine)[0]
        for pairs in (True, False):
            if torch.allclose(found, rotate(heads, cosine, sine, pairs), atol=1e-5):
                return pairs
    return None


def step(model: nn.Module, ids: torch.Tensor, positions: torch.Tensor, cache) -> torch.Tensor | None:
    """Logits (B, V) after `ids` (B, 1) at `positions` (B, 1); None where the kernels do not serve.

    Args:
        cache: as of `chatglm.decode_step.step`; prefixes are in it.
    """
    pairs = rotation_of(model)
    if pairs is None:
        return None
    launched, network = kernels_for(ids), model.model  # ids are (B, 1), which the hidden states are like
    kernels = _step_kernels(launched, cache, network.embed_tokens.weight)
    if kernels is None:
        return None
    hidden = network.embed_tokens(ids[:, 0])  # (B, H)
    cosine, sine = network.rotary_emb(hidden, positions)  # (B, 1, R) each
    rotary = cosine[:, 0].contiguous(), sine[:, 0].contiguous()
    with decode_kernels(launched, len(ids)):
        return model.lm_head(_blocks(network, hidden, rotary, cache, kernels, pairs))


def _step_kernels(launched: ModuleType | None, cache, weight: torch.Tensor):
    """The functions that compute a step: a GPU's kernels, torch's own operations on a processor, None elsewhere."""
    if launched is not None:
        from glm_core.models.kernels import decoder

        return decoder
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or torch.is_grad_enabled():
        return None
    from glm_core.models.kernels.torch_step import PlainStep

    return PlainStep(cache, weight.dtype)


def _blocks(network: nn.Module, hidden: torch.Tensor, rotary, cache, kernels, pairs: bool) -> torch.Tensor:
    """All layers and the last norm, (B, H) -> (B, H)."""
    residual, normed = hidden, network.layers[0].input_layernorm(hidden)
    norms = [*(layer.input_layernorm for layer in network.layers[1:]), network.norm]
    for layer, following in zip(network.layers, norms, strict=True):
        mixed = _attend(layer.self_attn, normed, rotary, cache, kernels, pairs)
        residual, normed = _add_norm(mixed, residual, layer.post_attention_layernorm, kernels, layer, "self_attn")
        residual, normed = _add_norm(_gated(layer.mlp, normed, kernels), residual, following, kernels, layer, "mlp")
    return normed


def _attend(attention: nn.Module, normed: torch.Tensor, rotary, cache, kernels, pairs: bool):
    """Attention of one token a row over its own columns, (B, H) -> (B, H)."""
    own, norms, parts = cache.layers[attention.layer_idx], None, attention._modules
    query, key, value = side_by_side(normed, parts["q_proj"], parts["k_proj"], parts["v_proj"])
    if "q_norm" in parts:
        norms = attention.q_norm.weight, attention.k_norm.weight, attention.q_norm.variance_epsilon
    mixed = kernels.attend_grouped(
        query,
        key,
        value,
        *rotary,
        own.keys,
        own.values,
        cache.lengths,
        cache.ahead,
        cache.log_scale,
        scale=attention.scaling,
        pairs=pairs,
        norms=norms,
    )
    return side_by_side(mixed, parts["o_proj"])[0]


def _gated(mlp: nn.Module, normed: torch.Tensor, kernels) -> torch.Tensor:
    """The gated MLP, (B, H) -> (B, H), its gate and up rows in one product or in two."""
    parts = mlp._modules
    if "gate_up_proj" in parts:
        gate, up = side_by_side(normed, parts["gate_up_proj"])[0].chunk(2, dim=-1)  # (B, F) each
    else:
        gate, up = side_by_side(normed, parts["gate_proj"], parts["up_proj"])
    return side_by_side(kernels.silu_mul(gate, up), parts["down_proj"])[0]


def _add_norm(states, residual, norm: nn.Module, kernels, layer: nn.Module, part: str):
    """The residual with `states` added, and its norm; GLM-4-0414 also normalizes what it adds."""
    before = layer._modules.get("post_self_attn_layernorm" if part == "self_attn" else "post_mlp_layernorm")
    return kernels.add_rms_norm(
        states, residual, norm.weight, norm.variance_epsilon, None if before is None else before.weight
    )
