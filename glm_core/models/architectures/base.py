"""The interface of an architecture: all that differs between networks, and nothing else.

The rest of the program never asks which architecture a model has. It asks the architecture: which `config.json` it
recognizes, how large the model is, how tensors are named, what a forward needs beside token ids. Implementations import
torch inside their methods, so that a model can be described without it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from glm_core.models.kernels.block_sizes import fits_block

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from glm_core.models.prefix_tuning import Prefix

PREFIX = "transformer.prefix_encoder."
"Start of the names of a prefix's tensors in every published checkpoint."

Config = Mapping[str, Any]
Settings = dict[str, Any]
Renamer = Callable[[str, Any], Iterator[tuple[str, Any]]]
"""(published name, tensor) -> the native (name, tensor) pairs it becomes; none for what is not stored natively."""


MANY_TOKENS = 1024
"Tokens of a batch from which on `fused_layers` computes parts of a layer again: of fewer, weights fill the memory, and reading them takes the time."
GATES_AGAIN = 2, 5
"So many layers of so many compute their gates again then: these are the most of a layer's memory, but also of its work."


@dataclass(frozen=True)
class Dimensions:
    """The sizes of a model. Parameters, memory, LoRA targets and reading floors are computed from them.

    Attributes:
        hidden, inner: widths of the residual stream and of the MLP.
        layers, heads, kv_heads, head_dim: of the attention.
        vocabulary: rows of the embedding.
        tied: the head is the embedding.
        linears: the linear modules of one layer by name: (inputs, outputs).
        groups: names that stand for several of `linears`; "qkv", "attention" and "mlp" are always there. Names that
            published code uses for fused modules are groups too.
        biases: numbers in the biases of one layer.
        norms: normalizations of the residual stream in one layer.
        norm_parameters: numbers in all normalizations of one layer.
        final_parameters: numbers outside the layers beside embedding and head.
        gated: the MLP has a gate, so its first product is twice `inner` wide.
        rms_norm: the normalization keeps a float32 copy of its input for the backward.
        keeps_scores: the attention keeps its scores for the backward.
        fusable: the layers are built as `decoder_step` computes them, so that a GPU trains and decodes in few kernels.
        dropout: the network drops at random itself, so that no part of a layer is computed again.
        prefix_copies: numbers a token and layer that attention keeps only because a prefix is ahead of its keys.
    """

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    linears: Mapping[str, tuple[int, int]]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    biases: int = 0
    norms: int = 2
    norm_parameters: int = 0
    final_parameters: int = 0
    gated: bool = True
    rms_norm: bool = True
    keeps_scores: bool = False
    prefix_copies: int = 0
    fusable: bool = True
    dropout: bool = False

    @property
    def query(self) -> int:
        """Width of all query heads."""
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Width of all key heads, or of all value heads."""
        return self.kv_heads * self.head_dim

    @property
    def mlp_outputs(self) -> int:
        """Width of the MLP's first product."""
        return 2 * self.inner if self.gated else self.inner

    @property
    def fuses(self) -> bool:
        """Return whether a GPU trains the layers in the kernels of `fused_layers`, which keep less for the backward."""
        return self.fusable and fits_block(self.head_dim) and self.gated and self.rms_norm and not self.keeps_scores

    @property
    def mlp_saved(self) -> int:
        """Numbers a token that the backward of the MLP needs."""
        return 3 * self.inner if self.gated else self.inner

    def layer_parameters(self) -> int:
        """Parameters of one layer's linear modules, without biases."""
        return sum(inputs * outputs for inputs, outputs in self.linears.values())

    def other_parameters(self) -> int:
        """Parameters of embedding, head, biases and normalizations."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (self.biases + self.norm_parameters) + self.final_parameters

    def parameters(self) -> int:
        """All parameters; a tied head counts once."""
        return self.layers * self.layer_parameters() + self.other_parameters()


class StepCache(Protocol):
    """The KV cache of a decoding step, as far as a network sees it: a transformers `Cache` that knows each row's length.

    Attributes:
        rows, columns: of the step's window, its own column included.
        layers: each with `keys` and `values` (R, kv_heads, capacity, D).
        lengths: (R,), tokens of each row so far, the column that its next one writes.
        ahead, log_scale: (R,), what is added to the scores of how many first columns, those of a prefix.
    """

    rows: int
    columns: int
    layers: list
    lengths: "torch.Tensor"
    ahead: "torch.Tensor"
    log_scale: "torch.Tensor"

    def seen(self) -> "torch.Tensor | None":
        """Return which columns each row has, boolean (rows, columns); None for all."""
        ...

    def visible(self, dtype: "torch.dtype") -> "torch.Tensor | None":
        """Return the same as a mask to add to scores, (rows, 1, 1, columns)."""
        ...


class Architecture(Protocol):
    """A network that checkpoints load into. An object without state: one instance serves all models of its kind.

    `settings` below is always the result of `Architecture.settings`, or `to_dict()` of the configuration of a model
    that was built from it. B rows, S tokens a row, V vocabulary, H hidden size, P columns of a prefix.
    """

    name: str
    position_shape: tuple[int, ...]
    """Shape of the position of one token: (1,), or (2, 1) where a token has two."""
    recordable: bool
    """Whether a decoding step has a fixed shape and never waits for the device, so that a CUDA graph can hold it."""
    caches_prefix: bool
    """Whether a prefix can stand in the KV cache as ordinary columns; else it is handed to every forward."""

    def recognizes(self, config: Config) -> bool:
        """Return whether a parsed `config.json` describes this network."""
        ...

    def settings(self, config: Config) -> Settings:
        """Return the checked arguments of the network's configuration for a published `config`.

        Raises:
            ModelError: a size is missing, of the wrong kind or impossible.
        """
        ...

    def context_length(self, config: Config) -> int:
        """Return the most tokens that a prompt and its answer may have together."""
        ...

    def dimensions(self, settings: Config) -> Dimensions:
        """Return the sizes of the network."""
        ...

    def control_ids(self, settings: Config) -> Mapping[str, int]:
        """Return the ids by which the network finds its context; a tokenizer must have the same under these names."""
        ...

    def build(self, settings: Config) -> "PreTrainedModel":
        """Return a new model; the caller chooses the device, usually "meta"."""
        ...

    def renamer(self, settings: Config) -> Renamer:
        """Return how published tensors become the model's: renamed, split, unpacked."""
        ...

    def prompt_inputs(self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor | None") -> dict:
        """Return what a forward of prompts needs beside `ids` (B, S) and the cache.

        Args:
            mask: (B, S), 0 for the padding at the left; None where no row is padded.
        """
        ...

    def next_positions(
        self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor | None"
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Return the positions (B, *position_shape) of the tokens after `ids` (B, S), and the step to the ones after."""
        ...

    def decode_step(
        self, model: "PreTrainedModel", ids: "torch.Tensor", positions: "torch.Tensor", cache: "StepCache"
    ) -> "torch.Tensor":
        """Return the logits (B, V) after `ids` (B, 1) at `positions` (B, *position_shape)."""
        ...

    def training_inputs(self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor") -> dict:
        """Return what a training forward needs beside `ids` (B, S), as tensors; it may wait for the device.

        Args:
            mask: (B, S), 0 for the padding at the right.
        """
        ...

    def head_inputs(self, model: "PreTrainedModel", hidden: "torch.Tensor") -> "torch.Tensor":
        """Return what the head is applied to, of the network's last hidden states (B, S, H)."""
        ...

    def attach_prefixes(self, model: "PreTrainedModel", current: Callable[[], "Prefix | None"]) -> None:
        """Let every later forward of `model` see the prefix that `current()` returns."""
        ...


@runtime_checkable
class ResumablePrompts(Protocol):
    """An architecture whose prompts can be computed in pieces, each behind the keys and values of those before it.

    One that lacks these methods has every prompt computed whole.
    """

    def undivided(self, model: "PreTrainedModel", ids: Sequence[int]) -> int:
        """Return how many first tokens of the prompt `ids` see each other, so that only a whole piece holds them."""
        ...

    def piece_inputs(self, model: "PreTrainedModel", ids: "torch.Tensor", start: int, stop: int) -> dict:
        """Return what a forward of columns `start` to `stop` of a prompt `ids` (1, S) needs beside them and the cache."""
        ...


@runtime_checkable
class PackedRows(Protocol):
    """An architecture that trains on rows one behind the other, without padding (`packing.py`)."""

    def packs(self, model: "PreTrainedModel") -> bool:
        """Return whether this model can, and prepare its attention for it."""
        ...

    def packed_inputs(
        self, model: "PreTrainedModel", ids: "torch.Tensor", mask: "torch.Tensor", packed: "torch.Tensor"
    ) -> dict:
        """Return what a training forward of the packed tokens (1, T) needs beside them and their `packing`, as tensors.

        Args:
            ids, mask: of the padded rows, (B, S), see `Architecture.training_inputs`.
            packed: (T,), the place of each token among the B * S padded ones.
        """
        ...


@runtime_checkable
class CappedLogits(Protocol):
    """An architecture some of whose models change logits after the head."""

    def caps(self, model: "PreTrainedModel") -> bool:
        """Return whether this model does."""
        ...

    def cap_logits(self, model: "PreTrainedModel", logits: "torch.Tensor") -> "torch.Tensor":
        """Return `logits` (..., V) as the network gives them out."""
        ...
