"""ChatGLM-6B as an architecture: settings, sizes, packed embeddings, two positions a token, its own decoding step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glm_core.models.architectures import checks
from glm_core.models.architectures.base import Config, Dimensions, Renamer, Settings, StepCache
from glm_core.models.architectures.decoder import hand_prefix_in, keep_name

if TYPE_CHECKING:
    import torch

    from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration
    from glm_core.models.prefix_tuning import Prefix

SIZES = ("vocab_size", "hidden_size", "num_layers", "num_attention_heads", "inner_hidden_size")
OPTIONAL = (
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
)
CONTROLS = {"bos_token_id": 130004, "gmask_token_id": 130001, "mask_token_id": 130000}
"Published ids of the tokens by which the network finds its context."


class ChatGLM:
    """The network of ChatGLM-6B (modeling.py): a prefix language model with two positions a token."""

    name = "chatglm"
    position_shape: tuple[int, ...] = (2, 1)
    recordable = True
    caches_prefix = True

    def recognizes(self, config: Config) -> bool:
        """By a key that only its `config.json` has."""
        return config.get("model_type") == "chatglm" and "inner_hidden_size" in config

    def settings(self, config: Config) -> Settings:
        """See `Architecture.settings`; the control tokens must be in the vocabulary."""
        settings = checks.select(checks.spelled_out(config), SIZES, OPTIONAL)
        heads, width = settings["num_attention_heads"], settings["hidden_size"]
        if width % heads or width // heads % 4:
            raise checks.refusal("num_attention_heads", heads)
        for key, published in CONTROLS.items():
            settings.setdefault(key, published)
            if checks.size(settings, key) >= settings["vocab_size"]:
                raise checks.refusal(key, settings[key])
        return settings

    def context_length(self, config: Config) -> int:
        """See `Architecture.context_length`."""
        return checks.context(config, 2048)

    def dimensions(self, settings: Config) -> Dimensions:
        """Query, key and value fused; every linear module and norm has a bias."""
        hidden = settings["hidden_size"]
        return biased_dimensions(
            hidden,
            settings["inner_hidden_size"],
            settings["num_layers"],
            settings["num_attention_heads"],
            settings,
            final_parameters=2 * hidden,
            prefix_copies=hidden,  # the key's first place too
        )

    def control_ids(self, settings: Config) -> Mapping[str, int]:
        """<sop>, [gMASK] and [MASK]."""
        return {key: settings[key] for key in CONTROLS}

    def build(self, settings: Config) -> "ChatGLMForConditionalGeneration":
        """Our own implementation."""
        from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig
        from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration

        return ChatGLMForConditionalGeneration(ChatGLMConfig(**settings))

    def renamer(self, settings: Config) -> Renamer:
        """Published names; the first int4 checkpoints packed the embeddings too."""
        if not (settings.get("quantization_bit") and settings.get("quantization_embeddings")):
            return keep_name
        return _EmbeddingUnpacker(settings["quantization_bit"])

    def prompt_inputs(self, model, ids: "torch.Tensor", mask: "torch.Tensor | None") -> dict:
        """The mask; the network counts positions from its control tokens."""
        return {} if mask is None else {"attention_mask": mask}

    def next_positions(self, model, ids: "torch.Tensor", mask: "torch.Tensor | None"):
        """Positions (B, 2, 1) of the next token and their strides: only the block position goes on."""
        import torch

        longer = torch.cat([ids, ids[:, -1:]], dim=1)  # (B, S + 1)
        seen = None if mask is None else torch.cat([mask, mask[:, -1:]], dim=1)
        last, following = model.positions(longer, seen)[:, :, -2:].split(1, dim=2)
        return following, following - last

    def undivided(self, model, ids: Sequence[int]) -> int:
        """The context, whose tokens see each other, with the <sop> behind it; all of a prompt without one."""
        sop = model.config.bos_token_id
        return list(ids).index(sop) + 1 if sop in ids else len(ids)

    def piece_inputs(self, model, ids: "torch.Tensor", start: int, stop: int) -> dict:
        """Positions (1, 2, stop - start), counted in the whole prompt."""
        return {"position_ids": model.positions(ids)[:, :, start:stop]}

    def decode_step(self, model, ids: "torch.Tensor", positions: "torch.Tensor", cache: StepCache):
        """Logits (B, V), by the network's own step in few kernels."""
        from glm_core.models.architectures.chatglm import decode_step

        return decode_step.step(model, ids, positions, cache)

    def training_inputs(self, model, ids: "torch.Tensor", mask: "torch.Tensor") -> dict:
        """Positions (B, 2, S) and an additive mask (B, 1, S, S)."""
        return model.base_model.lay_out(ids, mask)

    def packs(self, model) -> bool:
        """Always: the mask stays that of the padded rows."""
        return True

    def packed_inputs(self, model, ids: "torch.Tensor", mask: "torch.Tensor", packed: "torch.Tensor") -> dict:
        """Positions (1, 2, T) and the additive mask (B, 1, S, S) of the padded rows."""
        inputs = model.base_model.lay_out(ids, mask)
        positions = inputs["position_ids"].transpose(0, 1).flatten(1)  # (2, B S)
        return inputs | {"position_ids": positions[:, packed][None]}

    def head_inputs(self, model, hidden: "torch.Tensor") -> "torch.Tensor":
        """The hidden states as they are."""
        return hidden

    def attach_prefixes(self, model, current: Callable[[], "Prefix | None"]) -> None:
        """The network takes a prefix as an argument."""
        hand_prefix_in(model, current)


FUSED_GROUPS = {
    "qkv": ("query_key_value",),
    "attention": ("query_key_value", "dense"),
    "mlp": ("dense_h_to_4h", "dense_4h_to_h"),
}


def biased_dimensions(hidden: int, inner: int, layers: int, heads: int, settings: Config, **more: Any) -> Dimensions:
    """Return the sizes of a network whose layers are named as those of ChatGLM-6B and BLOOM, each module with a bias.

    Args:
        settings: with `vocab_size`, and `tie_word_embeddings` where the head is not the embedding.
        more: fields of `Dimensions` in which the networks differ.
    """
    linears = {
        "query_key_value": (hidden, 3 * hidden),
        "dense": (hidden, hidden),
        "dense_h_to_4h": (hidden, inner),
        "dense_4h_to_h": (inner, hidden),
    }
    return Dimensions(
        hidden=hidden,
        inner=inner,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        vocabulary=settings["vocab_size"],
        tied=settings.get("tie_word_embeddings", True),
        linears=linears,
        groups=FUSED_GROUPS,
        biases=sum(outputs for _, outputs in linears.values()),
        norm_parameters=2 * 2 * hidden,
        gated=False,
        rms_norm=False,
        **more,
    )


class _EmbeddingUnpacker:
    """Renamer that waits for both halves of a packed embedding, weight and scale, and yields it dense."""

    OWNERS = ("transformer.word_embeddings", "lm_head")

    def __init__(self, bits: int):
        self._bits = bits
        self._halves: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str, tensor: Any) -> Iterator[tuple[str, Any]]:
        import torch

        from glm_core.models.quantization import unpack

        owner, _, leaf = name.rpartition(".")
        if owner not in self.OWNERS or (leaf == "weight" and tensor.is_floating_point()):
            yield from keep_name(name, tensor)
            return
        pair = self._halves.setdefault(owner, {})
        pair[leaf] = tensor.clone()
        if len(pair) == 2:
            yield f"{owner}.weight", unpack(pair["weight"], pair["weight_scale"], self._bits, torch.float32)
