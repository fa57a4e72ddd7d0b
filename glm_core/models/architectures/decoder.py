"""The behaviour that causal decoders of transformers with rotary positions share: inputs, decoding step, prefixes.

Glm, Glm4 and the dense decoders of the causal-LM table build on it; it leaves settings, sizes and names to them.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glm_core.models.architectures.base import Config, Renamer, StepCache

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

    from glm_core.models.prefix_tuning import Prefix

SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
)


@functools.cache
def cache_argument(kind: Any) -> str:
    """Return the name of the cache in the forward of models of a kind: newer transformers have a shorter one."""
    return "cache" if "cache" in inspect.signature(kind.forward).parameters else "past_key_values"


def keep_name(name: str, tensor: Any) -> Iterator[tuple[str, Any]]:
    """Yield a tensor under its own name; tables of rotary frequencies are computed anew."""
    if not name.endswith(".inv_freq"):
        yield name, tensor


class RotaryDecoder:
    """Causal attention, one position a token, RMSNorm, attention through transformers' interface of functions."""

    position_shape: tuple[int, ...] = (1,)
    recordable = True
    caches_prefix = True

    def control_ids(self, settings: Config) -> Mapping[str, int]:
        """None: a causal network needs no mark of where its context ends."""
        return {}

    def renamer(self, settings: Config) -> Renamer:
        """Published names are transformers' own."""
        return keep_name

    def prompt_inputs(self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor | None") -> dict:
        """Mask and positions, both (B, S); padding at the left shifts no position."""
        if mask is None:
            return {}
        return {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}

    def next_positions(
        self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor | None"
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        """The number of real tokens of each row (B, 1), and 1."""
        return count_tokens(ids, mask)

    def undivided(self, model: "PreTrainedModel", ids: Sequence[int]) -> int:
        """None: every token sees only those before it."""
        return 0

    def piece_inputs(self, model: "PreTrainedModel", ids: "torch.Tensor", start: int, stop: int) -> dict:
        """Nothing: the network counts positions and masks columns by its cache."""
        return {}

    def decode_step(
        self, model: "PreTrainedModel", ids: "torch.Tensor", positions: "torch.Tensor", cache: StepCache
    ) -> "torch.Tensor":
        """Logits (B, V) after `ids` (B, 1): in few kernels where they serve, else the network's own forward.

        That takes an additive mask of the cache's columns.
        """
        from torch.nn.attention import sdpa_kernel

        from glm_core.models.architectures import decoder_step
        from glm_core.models.kernels.dispatch import REPEATABLE, decode_kernels, kernels_for

        logits = decoder_step.step(model, ids, positions, cache)
        if logits is not None:
            return logits
        mask = cache.visible(model.get_input_embeddings().weight.dtype)  # (B, 1, 1, columns)
        inputs = {"attention_mask": mask, "position_ids": positions, "use_cache": True}
        inputs[cache_argument(model.__class__)] = cache
        with sdpa_kernel(REPEATABLE), decode_kernels(kernels_for(ids), ids.shape[0]):
            return model(ids, **inputs).logits[:, -1]

    def training_inputs(self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor") -> dict:
        """No token attends to the padding behind it, so no mask is needed: none, or the mark of that for layers that know it.

        Without it transformers makes a mask wherever a step is recorded, and attention computes what is masked.
        """
        from glm_core.models.architectures import fused_layers

        return {"attention_mask": fused_layers.causal_mark(ids)} if fused_layers.is_fused(model) else {}

    def packs(self, model: "PreTrainedModel") -> bool:
        """Where every layer is plainly causal; its attention function is ours from then on."""
        from glm_core.models.architectures import decoder_step, prefixed_attention

        if decoder_step.rotation_of(model) is None:
            return False
        model.set_attn_implementation(prefixed_attention.NAME)
        return True

    def packed_inputs(
        self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor", packed: "torch.Tensor"
    ) -> dict:
        """Positions (1, T) that begin anew in every row; a mask in four dimensions, which the network hands on as it is."""
        from glm_core.models.architectures.fused_layers import causal_mark

        return {"position_ids": (packed % ids.shape[1])[None], "attention_mask": causal_mark(ids)}

    def head_inputs(self, model, hidden: "torch.Tensor") -> "torch.Tensor":
        """The hidden states as they are."""
        return hidden

    def attach_prefixes(self, model: "PreTrainedModel", current: Callable[[], "Prefix | None"]) -> None:
        """Let the attention function of every layer join the prefix to its keys and values."""
        from glm_core.models.architectures import prefixed_attention

        model.set_attn_implementation(prefixed_attention.NAME)
        hand_prefix_in(model, current)


def count_tokens(ids: "torch.Tensor", mask: "torch.Tensor | None") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return the number of real tokens in each row of `ids` (B, S), and ones; both (B, 1)."""
    import torch

    if mask is None:
        lengths = torch.full((ids.shape[0], 1), ids.shape[1], device=ids.device)
    else:
        lengths = mask.sum(1, keepdim=True)
    return lengths, torch.ones_like(lengths)


def hand_prefix_in(model: "PreTrainedModel", current: Callable[[], "Prefix | None"]) -> None:
    """Call the network under the head with `prefix=current()` from now on."""
    supply_prefix(model.base_model, current)


def supply_prefix(module: "nn.Module", current: Callable[[], "Prefix | None"]) -> None:
    """Call `module` with `prefix=current()` from now on."""

    def supply(_module, arguments, named):
        return arguments, {**named, "prefix": current()}

    module.register_forward_pre_hook(supply, with_kwargs=True)
