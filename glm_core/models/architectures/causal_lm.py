"""Dense decoders with rotary positions of transformers' causal-LM table: Llama, Qwen, Gemma, Phi, Cohere, OLMo and the like.

They differ in a few facts (`Kind`), from which sizes and names follow without torch. No code of a folder is run: the
network is transformers' own for the `model_type`.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from glm_core.models.architectures import checks
from glm_core.models.architectures.base import Config, Dimensions, Settings, StepCache
from glm_core.models.architectures.causal_lm_kinds import ALWAYS, KINDS, NEVER, Kind
from glm_core.models.architectures.decoder import SIZES, RotaryDecoder, cache_argument, supply_prefix

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from glm_core.models.prefix_tuning import Prefix


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
}
"Keys of a `config.json` that say nothing about the network, or that must not be obeyed."


class CausalLM(RotaryDecoder):
    """The architecture of one `model_type`."""

    def __init__(self, model_type: str):
        self.name, self._kind = model_type, KINDS[model_type]
        self._stepped: set[str] = set()  # configurations that can take a step

    def recognizes(self, config: Config) -> bool:
        """By `model_type`; quantized files of other programs are not read."""
        return config.get("model_type") == self.name and not config.get("quantization_config")

    def settings(self, config: Config) -> Settings:
        """Every published key of the network, its sizes checked; the library checks the rest when it is built."""
        renamed = dict(self._kind.spellings)
        known = {renamed.get(key, key): value for key, value in config.items()}
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
        linears = _linears(kind, hidden, inner, query, key)
        norm = kind.norm_width * hidden
        norms = kind.norms - bool(settings.get("use_parallel_residual"))
        norms += 2 * bool(kind.post_norms and settings.get(kind.post_norms, True))
        return Dimensions(
            hidden=hidden,
            inner=inner,
            layers=settings["num_hidden_layers"],
            heads=settings["num_attention_heads"],
            kv_heads=settings["num_key_value_heads"],
            head_dim=width,
            vocabulary=settings["vocab_size"],
            tied=settings.get("tie_word_embeddings", kind.tied),
            linears=linears,
            groups=_groups(kind),
            biases=self._biases(settings, linears) + kind.extra,
            norms=norms,
            norm_parameters=norms * norm + self._head_norms(settings, width, query + key),
            final_parameters=norm + kind.head_bias * settings["vocab_size"],
            gated=len(kind.mlp) == 3,
            rms_norm=kind.rms,
            prefix_copies=2 * (query - key),
            fusable=kind.plain and not _slides(settings) and settings.get("hidden_act", "silu") in ("silu", "swish"),
            dropout=bool(settings.get("attention_dropout")),
        )

    def _head_norms(self, settings: Config, width: int, all_heads: int) -> int:
        """Numbers in a layer's norms of query and key."""
        kind = self._kind
        if kind.heads_setting and not settings.get(kind.heads_setting):
            return 0
        biased = 2 if kind.heads_setting and kind.heads_normalized == "head" else 1
        return {"": 0, "head": 2 * width * biased, "all": all_heads}[kind.heads_normalized]

    def _biases(self, settings: Config, linears: Mapping[str, tuple[int, int]]) -> int:
        """Numbers in the biases of a layer."""
        given = [
            name == ALWAYS or (name != NEVER and bool(settings.get(name, name in self._kind.biased)))
            for name in self._kind.bias
        ]
        parts = dict.fromkeys(linears, given[0]) | {self._kind.output: given[1]}
        parts |= dict.fromkeys(self._kind.mlp, given[2])
        return sum(outputs for name, (_, outputs) in linears.items() if parts[name])

    def build(self, settings: Config) -> "PreTrainedModel":
        """transformers' own network of this `model_type`, whose configuration has shown that it can take a step.

        A configuration can be possible number by number and still not fit together, or say something that only a step looks
        at (a dropout below 0, a rotation of more than a head). Without weights (on the meta device) that takes milliseconds a
        layer, which a configuration is asked for once.
        """
        from transformers import AutoConfig, AutoModelForCausalLM

        config = AutoConfig.for_model(self.name, **settings)
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        asked = json.dumps(dict(settings), sort_keys=True, default=str)
        if asked not in self._stepped:
            self._take_step(model)
            self._stepped.add(asked)
        return model

    def _take_step(self, model: "PreTrainedModel") -> None:
        """Compute one step without values.

        Raises:
            RuntimeError, and what else transformers may raise: the network cannot.
        """
        import torch

        places = torch.zeros(1, 2, dtype=torch.int64)  # (B, T)
        mask = torch.zeros(1, 1, 2, 2)  # (B, 1, T, T), given, since none can be made without values
        try:
            with torch.no_grad():
                model.eval()(places, mask, places, use_cache=False)
        except RuntimeError as error:
            if "meta tensor" not in str(error):
                raise  # else the network looks at values, as dynamic rotation does: the first real step tells

    def head_inputs(self, model: "PreTrainedModel", hidden: "torch.Tensor") -> "torch.Tensor":
        """The hidden states times what Cohere multiplies its logits with and Granite divides them by."""
        name = self._kind.logits
        scale = getattr(model.config, name.removeprefix("/")) if name else 1.0
        scale = 1 / scale if name.startswith("/") else scale
        return hidden if scale == 1.0 else hidden * scale

    def attach_prefixes(self, model: "PreTrainedModel", current: "Callable[[], Prefix | None]") -> None:
        """As of every rotary decoder; where a layer would drop the prefix, its attention gets it."""
        super().attach_prefixes(model, current)
        if self._kind.drops_arguments:
            for layer in model.base_model.layers:
                supply_prefix(layer.self_attn, current)

    def caps(self, model: "PreTrainedModel") -> bool:
        """Where the settings name a bound of logits, as those of Gemma 2."""
        return getattr(model.config, "final_logit_softcapping", None) is not None

    def cap_logits(self, model: "PreTrainedModel", logits: "torch.Tensor") -> "torch.Tensor":
        """Logits pressed between two bounds."""
        cap = model.config.final_logit_softcapping
        return (logits / cap).tanh() * cap

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


def _groups(kind: Kind) -> dict[str, tuple[str, ...]]:
    """Names that stand for several linear modules, those that other families call the same among them."""
    qkv = ("qkv_proj",) if kind.fused else ("q_proj", "k_proj", "v_proj")
    inward = ("gate_up_proj",) if kind.fused else kind.mlp[:-1]
    outward = (kind.mlp[-1],)
    return {
        "qkv": qkv,
        "attention": (*qkv, kind.output),
        "mlp": (*inward, *outward),
        "query_key_value": qkv,
        "dense": (kind.output,),
        "dense_h_to_4h": inward,
        "dense_4h_to_h": outward,
    }


def _linears(kind: Kind, hidden: int, inner: int, query: int, key: int) -> dict[str, tuple[int, int]]:
    if kind.fused:
        first = {"qkv_proj": (hidden, query + 2 * key), "o_proj": (query, hidden), "gate_up_proj": (hidden, 2 * inner)}
        return first | {"down_proj": (inner, hidden)}
    attention = {"q_proj": (hidden, query), "k_proj": (hidden, key), "v_proj": (hidden, key)}
    inward = dict.fromkeys(kind.mlp[:-1], (hidden, inner))
    return attention | {kind.output: (query, hidden)} | inward | {kind.mlp[-1]: (inner, hidden)}


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


_RECURRENT = ("linear_key_head_dim", "ssm_", "mamba_", "state_size", "lru_width", "conv_L_cache")


def refusal_key(config: Config) -> str | None:
    """Return the text key of why a model of an unknown kind cannot be served, None where nothing special is seen."""
    text = " ".join(str(key) for key, value in config.items() if value not in (None, False, 0, [], {}))
    types = config.get("layer_types")
    if config.get("quantization_config"):
        return "models.refused.quantized"
    if "vision_config" in config or "audio_config" in config:
        return "models.refused.vision"
    if any(word in text for word in ("num_experts", "n_routed_experts", "num_local_experts", "moe_")):
        return "models.refused.experts"
    known = {"full_attention", "sliding_attention", "chunked_attention"}
    linear = isinstance(types, list) and not set(map(str, types)) <= known
    if linear or any(word in text for word in _RECURRENT) or config.get("model_type") in ("rwkv", "xlstm"):
        return "models.refused.linear"
    return "models.refused.remote" if config.get("auto_map") else None
