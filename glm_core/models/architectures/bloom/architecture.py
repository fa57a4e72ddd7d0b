"""BLOOM as an architecture: ALiBi in place of positions, so its prefixes stand beside the cache, not in it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glm_core.models.architectures import checks
from glm_core.models.architectures.base import Config, Dimensions, Renamer, Settings, StepCache
from glm_core.models.architectures.chatglm.architecture import biased_dimensions
from glm_core.models.architectures.decoder import cache_argument, count_tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from glm_core.models.prefix_tuning import Prefix

CONTEXT = 2048
SIZES = ("vocab_size", "hidden_size", "n_layer", "n_head")
OPTIONAL = (
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
)


class Bloom:
    """transformers' BLOOM, with the processor's work in a training step taken out (modeling.py)."""

    name = "bloom"
    position_shape: tuple[int, ...] = (1,)
    recordable = False
    caches_prefix = False

    def recognizes(self, config: Config) -> bool:
        """By `model_type`."""
        return config.get("model_type") == "bloom"

    def settings(self, config: Config) -> Settings:
        """See `Architecture.settings`."""
        settings = checks.select(checks.spelled_out(config), SIZES, OPTIONAL)
        if settings["hidden_size"] % settings["n_head"]:
            raise checks.refusal("num_attention_heads", settings["n_head"])
        return settings

    def context_length(self, config: Config) -> int:
        """Its files do not say: what it was trained for."""
        return checks.context(config, CONTEXT)

    def dimensions(self, settings: Config) -> Dimensions:
        """Query, key and value fused; every linear module and norm has a bias; the embedding is normalized too."""
        hidden = settings["hidden_size"]
        return biased_dimensions(
            hidden,
            4 * hidden,
            settings["n_layer"],
            settings["n_head"],
            settings,
            final_parameters=2 * 2 * hidden,
            keeps_scores=True,
            prefix_copies=2 * hidden,  # all of query_key_value stays
        )

    def control_ids(self, settings: Config) -> Mapping[str, int]:
        """None."""
        return {}

    def build(self, settings: Config) -> "PreTrainedModel":
        """A `BloomForCausalLM` with kept slopes."""
        from transformers import BloomConfig

        from glm_core.models.architectures.bloom.modeling import RecordableBloom

        return RecordableBloom(BloomConfig(**settings))

    def renamer(self, settings: Config) -> Renamer:
        """The first files name the bare network."""
        return _rename

    def prompt_inputs(self, model, ids: "torch.Tensor", mask: "torch.Tensor | None") -> dict:
        """The mask, whose columns ALiBi counts."""
        return {} if mask is None else {"attention_mask": mask}

    def next_positions(self, model, ids: "torch.Tensor", mask: "torch.Tensor | None"):
        """The number of tokens of each row, which nothing looks at."""
        return count_tokens(ids, mask)

    def undivided(self, model, ids: Sequence[int]) -> int:
        """None: every token sees only those before it."""
        return 0

    def piece_inputs(self, model, ids: "torch.Tensor", start: int, stop: int) -> dict:
        """The mask (1, stop), whose columns ALiBi counts."""
        return {"attention_mask": ids.new_ones(1, stop)}

    def decode_step(self, model, ids: "torch.Tensor", positions: "torch.Tensor", cache: StepCache):
        """Logits (B, V): the model's forward with the columns that each row has, which ALiBi counts."""
        seen = cache.seen()  # (B, columns)
        mask = None if seen is None else seen.long()
        return model(ids, attention_mask=mask, use_cache=True, **{cache_argument(model.__class__): cache}).logits[:, -1]

    def training_inputs(self, model, ids: "torch.Tensor", mask: "torch.Tensor") -> dict:
        """An additive mask (B, 1, S, S)."""
        from glm_core.models.architectures.bloom.modeling import spread

        return {"attention_mask": spread(mask, model.dtype)}

    def head_inputs(self, model, hidden: "torch.Tensor") -> "torch.Tensor":
        """The hidden states as they are."""
        return hidden

    def attach_prefixes(self, model, current: Callable[[], "Prefix | None"]) -> None:
        """Lay the prefix where the blocks look for it, as their forward passes no argument on."""
        from glm_core.models.architectures.bloom.modeling import let_blocks_see

        let_blocks_see(model, current)


def _rename(name: str, tensor: Any) -> Iterator[tuple[str, Any]]:
    bare = re.match(r"(word_embeddings|word_embeddings_layernorm|h|ln_f)\.", name)
    yield (f"transformer.{name}" if bare else name), tensor
