"""Dense decoders of transformers' causal-LM table: Llama, Mistral, Qwen, Gemma 3, Phi-3, Hunyuan, ERNIE, SmolLM3, OLMo 2, Granite.

They differ in a few facts (`Kind`), from which sizes and names follow without torch. No code of a folder is run: the
network is transformers' own for the `model_type`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glm_core.models.architectures import checks
from glm_core.models.architectures.base import Config, Dimensions, Settings, StepCache
from glm_core.models.architectures.decoder import SIZES, RotaryDecoder, cache_argument

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NOT_SETTINGS = {
    "architectures",
    "auto_map",
    "model_type",
    "torch_dtype",
    "dtype",
    "transformers_version",
    "quantization_config",
    "attn_implementation",
    "experts_implementation",
    "use_cache",
    "id2label",
    "label2id",
}
"Keys of a `config.json` that say nothing about the network, or that must not be obeyed."


@dataclass(frozen=True)
class Kind:
    """Facts of one `model_type`.

    Attributes:
        bias: "none"; "qkv"; or the setting that gives attention (and for ERNIE everything) a bias.
        heads_normalized: "" or what each norm of query and key spans: "head", or "all" heads.
        norms: normalizations of the residual stream in a layer.
        tied: the library's default for `tie_word_embeddings`.
        head_dim: the library's default where it is not hidden size / heads.
        fused: query, key and value are one module, gate and up another.
        plain: the layers are those of Llama or Qwen, which the kernels of `decoder_step` compute.
    """

    bias: str = "attention_bias"
    heads_normalized: str = ""
    norms: int = 2
    tied: bool = False
    head_dim: int | None = None
    fused: bool = False
    plain: bool = False


KINDS: Mapping[str, Kind] = {
    "llama": Kind(plain=True),
    "mistral": Kind(bias="none", plain=True),
    "qwen2": Kind(bias="qkv", plain=True),
    "qwen3": Kind(heads_normalized="head", head_dim=128, plain=True),
    "gemma3_text": Kind(heads_normalized="head", norms=4, tied=True, head_dim=256),
    "phi3": Kind(bias="none", fused=True),
    "hunyuan_v1_dense": Kind(heads_normalized="head"),
    "ernie4_5": Kind(bias="use_bias", tied=True, head_dim=128, plain=True),
    "smollm3": Kind(tied=True),
    "olmo2": Kind(heads_normalized="all"),
    "granite": Kind(),
}


class CausalLM(RotaryDecoder):
    """The architecture of one `model_type`."""

    def __init__(self, model_type: str):
        self.name, self._kind = model_type, KINDS[model_type]

    def recognizes(self, config: Config) -> bool:
        """By `model_type`; quantized files of other programs are not read."""
        return config.get("model_type") == self.name and not config.get("quantization_config")

    def settings(self, config: Config) -> Settings:
        """Every published key of the network, its sizes checked; the library checks the rest when it is built."""
        known = dict(config)
        if known.get("head_dim") is None and self._kind.head_dim:
            known["head_dim"] = self._kind.head_dim
        known = checks.spelled_out(known)
        kept = [key for key in known if key not in NOT_SETTINGS and not key.startswith("_")]
        settings = checks.select(known, SIZES, kept)
        settings.setdefault("tie_word_embeddings", self._kind.tied)
        settings.setdefault("pad_token_id", None)
        heads, groups = settings["num_attention_heads"], settings["num_key_value_heads"]
        if heads % groups or settings["head_dim"] % 2:
            raise checks.refusal("num_key_value_heads", groups)
        _check_layer_types(settings)
        return settings

    def context_length(self, config: Config) -> int:
        """See `Architecture.context_length`."""
        return checks.context(config, 2048)

    def dimensions(self, settings: Config) -> Dimensions:
        """Computed from the facts of the kind."""
        hidden, inner = settings["hidden_size"], settings["intermediate_size"]
        width, kind = settings["head_dim"], self._kind
        query, key = settings["num_attention_heads"] * width, settings["num_key_value_heads"] * width
        own_norms = {"": 0, "head": 2 * width, "all": query + key}[kind.heads_normalized]
        return Dimensions(
            hidden=hidden,
            inner=inner,
            layers=settings["num_hidden_layers"],
            heads=settings["num_attention_heads"],
            kv_heads=settings["num_key_value_heads"],
            head_dim=width,
            vocabulary=settings["vocab_size"],
            tied=settings.get("tie_word_embeddings", kind.tied),
            linears=_linears(kind.fused, hidden, inner, query, key),
            groups=FUSED_GROUPS if kind.fused else GROUPS,
            biases=self._biases(settings, hidden, inner, query + 2 * key),
            norms=kind.norms,
            norm_parameters=kind.norms * hidden + own_norms,
            final_parameters=hidden,
            prefix_copies=2 * (query - key),
            fusable=kind.plain and not _slides(settings),
        )

    def _biases(self, settings: Config, hidden: int, inner: int, qkv: int) -> int:
        """Numbers in the biases of a layer."""
        mlp = 2 * inner + hidden
        if self._kind.bias == "none":
            return 0
        if self._kind.bias == "qkv":
            return qkv
        given = bool(settings.get(self._kind.bias))
        with_mlp = given if self._kind.bias == "use_bias" else bool(settings.get("mlp_bias"))
        return given * (qkv + hidden) + with_mlp * mlp

    def build(self, settings: Config) -> "PreTrainedModel":
        """transformers' own network of this `model_type`."""
        from transformers import AutoConfig, AutoModelForCausalLM

        return AutoModelForCausalLM.from_config(AutoConfig.for_model(self.name, **settings), trust_remote_code=False)

    def head_inputs(self, model: "PreTrainedModel", hidden: "torch.Tensor") -> "torch.Tensor":
        """The hidden states, divided by what Granite divides its logits by."""
        scale = getattr(model.config, "logits_scaling", 1.0)
        return hidden if scale == 1.0 else hidden / scale

    def decode_step(
        self, model: "PreTrainedModel", ids: "torch.Tensor", positions: "torch.Tensor", cache: StepCache
    ) -> "torch.Tensor":
        """As of every rotary decoder; layers that see a window of tokens get a mask of their own."""
        window = getattr(model.config, "sliding_window", None)
        types = getattr(model.config, "layer_types", None) or []
        if not window or (types and "sliding_attention" not in types):
            return super().decode_step(model, ids, positions, cache)
        from torch.nn.attention import sdpa_kernel

        from glm_core.models.kernels.dispatch import REPEATABLE

        dtype = model.get_input_embeddings().weight.dtype
        near = window_mask(cache, window, dtype)  # (B, 1, 1, columns)
        mask: Any = {"full_attention": cache.visible(dtype), "sliding_attention": near} if types else near
        inputs = {"attention_mask": mask, "position_ids": positions, "use_cache": True}
        inputs[cache_argument(model.__class__)] = cache
        with sdpa_kernel(REPEATABLE):
            return model(ids, **inputs).logits[:, -1]


def window_mask(cache: StepCache, window: int, dtype: "torch.dtype") -> "torch.Tensor":
    """Return a mask to add to scores, (rows, 1, 1, columns): each row's last `window` tokens, and its prefix."""
    import torch

    rows, count = cache.rows, cache.columns
    columns = torch.arange(count, device=cache.lengths.device)
    far = (columns <= cache.lengths[:rows, None] - window) & (columns >= cache.ahead[:rows, None])
    mask = cache.visible(dtype)
    if mask is None:
        mask = torch.zeros(rows, 1, 1, count, dtype=dtype, device=cache.lengths.device)
    return mask.masked_fill(far[:, None, None], -torch.inf)


GROUPS = {
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
    # what other families call the same
    "query_key_value": ("q_proj", "k_proj", "v_proj"),
    "dense": ("o_proj",),
    "dense_h_to_4h": ("gate_proj", "up_proj"),
    "dense_4h_to_h": ("down_proj",),
}
FUSED_GROUPS = {
    "qkv": ("qkv_proj",),
    "attention": ("qkv_proj", "o_proj"),
    "mlp": ("gate_up_proj", "down_proj"),
    "query_key_value": ("qkv_proj",),
    "dense": ("o_proj",),
    "dense_h_to_4h": ("gate_up_proj",),
    "dense_4h_to_h": ("down_proj",),
}


def _linears(fused: bool, hidden: int, inner: int, query: int, key: int) -> dict[str, tuple[int, int]]:
    if fused:
        first = {"qkv_proj": (hidden, query + 2 * key), "o_proj": (query, hidden), "gate_up_proj": (hidden, 2 * inner)}
        return first | {"down_proj": (inner, hidden)}
    return {
        "q_proj": (hidden, query),
        "k_proj": (hidden, key),
        "v_proj": (hidden, key),
        "o_proj": (query, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }


def _slides(settings: Config) -> bool:
    """Return whether a layer sees a window of tokens only."""
    types = settings.get("layer_types") or []
    return bool(settings.get("sliding_window")) and (not types or "sliding_attention" in types)


def _check_layer_types(settings: Settings) -> None:
    """Refuse layers that keep something else than keys and values of tokens."""
    types = settings.get("layer_types")
    known = {"full_attention", "sliding_attention"}
    if types is not None and not (isinstance(types, list) and set(map(str, types)) <= known):
        raise checks.refusal("layer_types", types)


def refusal_key(config: Config) -> str | None:
    """Return the text key of why a model of an unknown kind cannot be served, None where nothing special is seen."""
    text = " ".join(map(str, config))
    types = config.get("layer_types")
    if config.get("quantization_config"):
        return "models.refused.quantized"
    if "vision_config" in config or "audio_config" in config:
        return "models.refused.vision"
    if any(word in text for word in ("num_experts", "n_routed_experts", "num_local_experts", "moe_")):
        return "models.refused.experts"
    linear = isinstance(types, list) and any("linear" in str(one) or "mamba" in str(one) for one in types)
    if linear or any(word in text for word in ("linear_key_head_dim", "ssm_", "mamba_", "state_size")):
        return "models.refused.linear"
    return "models.refused.remote" if config.get("auto_map") else None
