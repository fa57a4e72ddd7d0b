"""P-Tuning v2 prefixes: extra keys and values, learned per layer, that every token sees before its own context.

The encoder, and which prefix each row of a batch sees. They reach the attention as explicit tensors beside the cache
(`Architecture.attach_prefixes`), so that they work with gradient checkpointing (`use_reentrant=False`), padding and
caching, never shift a position, and can be switched at any step. Not here: training them (`glm_core.adapters.attach`),
or their files (`glm_core.adapters.files`).

A prefix acts at a strength s: its unnormalized attention weights exp(q k) are multiplied by s, which adds log s to the
scores of its columns. 1 is as trained, 0 is the model without it, both exactly; between them every head's output lies
between the two, on the line that its own softmax draws.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel

from glm_core.models.architectures.base import Architecture
from glm_core.models.errors import ModelError
from glm_core.models.registry import Family

DROPOUT = 0.1


class PrefixEncoder(nn.Module):
    """Holds `length` virtual tokens and turns them into a key and a value for every layer.

    Tensor names and initial values are the published ones: `embedding.weight`, and with a projection `trans.0` and
    `trans.2` (`trans.1` is a tanh).

    Args:
        layers, kv_heads, head_dim: of the model.
        length: virtual tokens (the published `pre_seq_len`).
        projection_size: inner width of the projection; None stores keys and values themselves.
        embedding_size: width of the embedding under a projection; default `projection_size`, as ChatGLM-6B has it.
    """

    def __init__(
        self,
        layers: int,
        kv_heads: int,
        head_dim: int,
        length: int,
        projection_size: int | None = None,
        embedding_size: int | None = None,
    ):
        super().__init__()
        self.strength = 1.0
        self.shape = (length, 2 * layers, kv_heads, head_dim)
        width = 2 * layers * kv_heads * head_dim
        self.embedding = nn.Embedding(length, (embedding_size or projection_size) if projection_size else width)
        self.trans = None
        if projection_size:
            inner = nn.Linear(self.embedding.embedding_dim, projection_size)
            self.trans = nn.Sequential(inner, nn.Tanh(), nn.Linear(projection_size, width))

    @property
    def length(self) -> int:
        """Virtual tokens."""
        return self.shape[0]

    @property
    def log_scale(self) -> float:
        """Return what the strength adds to the scores of the prefix's columns; minus infinity at strength 0."""
        return math.log(self.strength) if self.strength > 0 else -math.inf

    def forward(self, dtype: torch.dtype) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Key and value of every layer, each (1, kv_heads, length, head_dim).

        In training a tenth is dropped, the same for all rows of a batch.
        """
        weight = self.embedding.weight
        states = weight if self.trans is None else self.trans(weight)  # (P, 2 layers x heads x D)
        states = F.dropout(states.to(dtype), DROPOUT, self.training)
        states = states.view(self.shape).permute(1, 2, 0, 3)[:, None]  # (2 layers, 1, heads, P, D)
        return list(zip(states[0::2], states[1::2], strict=True))


@dataclass
class Prefix:
    """The prefix that one forward sees: key and value of every layer, each (B or 1, kv_heads, P, D), and which rows see them.

    `visible` (B, P) is None when every row sees every column; `log_scale` (B or 1, P), in the type of the scores, is added to
    those of its columns, None where all prefixes act as trained.
    """

    layers: list[tuple[torch.Tensor, torch.Tensor]]
    visible: torch.Tensor | None = None
    log_scale: torch.Tensor | None = None

    @property
    def masks(self) -> bool:
        """Return whether attention needs a mask for its sake."""
        return self.visible is not None or self.log_scale is not None

    def without_graph(self) -> "Prefix":
        """The same values without what they were computed from: enough to compute a layer again in the backward."""
        layers = [tuple(one.detach().requires_grad_(one.requires_grad) for one in layer) for layer in self.layers]
        return replace(self, layers=layers)

    def join(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """This layer's prefix before `key` and `value` (B, kv_heads, S, D)."""
        return tuple(
            torch.cat([extra.to(own.dtype).expand(own.shape[0], -1, -1, -1), own], 2)
            for extra, own in zip(self.layers[layer], (key, value), strict=True)
        )

    def widen(self, mask: torch.Tensor) -> torch.Tensor:
        """`mask` (B, 1, S, K), boolean (True where visible) or additive, with the prefix's columns at its left."""
        if self.log_scale is not None:
            return self._shifted(mask)
        boolean = mask.dtype == torch.bool
        if self.visible is None:
            return F.pad(mask, (self.layers[0][0].shape[2], 0), value=True if boolean else 0.0)
        columns = self.visible[:, None, None].expand(-1, *mask.shape[1:3], -1)  # (B, 1, S, P)
        if not boolean:
            lowest = torch.finfo(mask.dtype).min
            columns = torch.zeros(columns.shape, dtype=mask.dtype, device=mask.device).masked_fill(~columns, lowest)
        return torch.cat([columns, mask.expand(columns.shape[0], -1, -1, -1)], -1)  # (B, 1, S, P + K)

    def _shifted(self, mask: torch.Tensor) -> torch.Tensor:
        """The same as an additive mask, with the scores of the prefix's columns shifted."""
        if mask.dtype == torch.bool:
            lowest = torch.finfo(self.log_scale.dtype).min
            mask = torch.zeros(mask.shape, dtype=self.log_scale.dtype, device=mask.device).masked_fill_(~mask, lowest)
        rows = max(mask.shape[0], self.log_scale.shape[0])
        columns = self.log_scale.to(mask.dtype)[:, None, None].expand(rows, *mask.shape[1:3], -1)
        return torch.cat([columns, mask.expand(rows, -1, -1, -1)], -1)  # (B, 1, S, P + K)


class PrefixAdapters(nn.Module):
    """The prefixes attached to one model, and which is on: none, one for all rows, or one a row."""

    def __init__(self):
        super().__init__()
        self.encoders = nn.ModuleDict()
        self.active: str | tuple[str | None, ...] | None = None
        self._kept: dict = {}

    @staticmethod
    def key(name: str) -> str:
        """Module names cannot have dots."""
        return name.replace("%", "%25").replace(".", "%2E")

    def __getitem__(self, name: str) -> PrefixEncoder:
        return self.encoders[self.key(name)]

    def current(self, dtype: torch.dtype) -> Prefix | None:
        """Return what the next forward sees. Without gradients the tensors are kept until a weight changes."""
        if self.active is None or not any(self.active):
            return None
        names = sorted({name for name in self.active if name}) if isinstance(self.active, tuple) else [self.active]
        if len(names) == 1 and all(self.active):
            layers, encoder = self.states(names[0], dtype), self[names[0]]
            log_scale = None if encoder.strength == 1 else layers[0][0].new_full((1, encoder.length), encoder.log_scale)
            return Prefix(layers, None, log_scale)
        return self._mix({name: self.states(name, dtype) for name in names})

    def states(self, name: str, dtype: torch.dtype) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Key and value of every layer, each (1, kv_heads, P, D), of one prefix."""
        encoder = self[name]
        if torch.is_grad_enabled() or encoder.training:
            return encoder(dtype)
        provenance = (dtype, *((id(weight), weight._version, weight.device) for weight in encoder.parameters()))
        if self._kept.get(name, (None,))[0] != provenance:
            self._kept[name] = (provenance, encoder(dtype))
        return self._kept[name][1]

    def _mix(self, states: dict[str, list]) -> Prefix:
        """Rows with different prefixes, or none: shorter ones are filled up with columns that the row does not see."""
        longest = max(layers[0][0].shape[2] for layers in states.values())
        some = next(iter(states.values()))
        visible = torch.zeros(len(self.active), longest, dtype=torch.bool, device=some[0][0].device)
        for row, name in enumerate(self.active):
            visible[row, : states[name][0][0].shape[2] if name else 0] = True
        layers = []
        for layer, (key, value) in enumerate(some):
            mixed = tuple(
                like.new_zeros(len(self.active), like.shape[1], longest, like.shape[3]) for like in (key, value)
            )
            for row, name in enumerate(self.active):
                for side in (0, 1) if name else ():
                    own = states[name][layer][side]
                    mixed[side][row, :, : own.shape[2]] = own[0]
            layers.append(mixed)
        return Prefix(layers, visible, self._shift(visible, some[0][0].dtype))

    def _shift(self, visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor | None:
        """(B, P) of mixed rows, minus infinity where a row sees nothing; None where all prefixes act as trained."""
        log_scales = [self[name].log_scale if name else 0.0 for name in self.active]
        if not any(log_scales):
            return None
        column = torch.tensor(log_scales, dtype=dtype, device=visible.device)[:, None]
        return column.expand(visible.shape).masked_fill(~visible, -torch.inf)


def new_encoder(family: Family, settings: dict, length: int, projection: bool) -> PrefixEncoder:
    """A fresh prefix of the published shape for a model of `family` with native `settings`."""
    dims = family.architecture.dimensions(settings)
    if not projection:
        return PrefixEncoder(dims.layers, dims.kv_heads, dims.head_dim, length)
    embedding = 2 * dims.layers * dims.key if family.separate_prefix_width else dims.hidden
    return PrefixEncoder(dims.layers, dims.kv_heads, dims.head_dim, length, dims.hidden, embedding)


def from_state(family: Family, settings: dict, length: int, state: dict[str, torch.Tensor]) -> PrefixEncoder:
    """A prefix with the published tensors `state` (`embedding.weight`, `trans.0.weight`, ...).

    Raises:
        ModelError: tensors are missing or have other shapes than the model asks for.
    """
    if "embedding.weight" not in state:
        raise ModelError("models.prefix_missing", length=length)
    encoder = new_encoder(family, settings, length, "trans.0.weight" in state)
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError("models.prefix_shape", why=str(error).splitlines()[-1].strip()) from error
    return encoder.float().eval()


def attach_prefix(
    model: PreTrainedModel, architecture: Architecture, encoder: PrefixEncoder, name: str = "default"
) -> None:
    """Add a prefix to `model` and switch it on for all rows; it stays in float32 whatever the model is in.

    Raises:
        ModelError: the encoder was made for a model of another shape.
    """
    dims = architecture.dimensions(model.config.to_dict())
    wanted = (2 * dims.layers, dims.kv_heads, dims.head_dim)
    if encoder.shape[1:] != wanted:
        raise ModelError("models.prefix_shape", why=f"{encoder.shape[1:]} / {wanted}")
    switch = getattr(model, "prefixes", None)
    if switch is None:
        switch = model.prefixes = PrefixAdapters()
        architecture.attach_prefixes(model, lambda: model.prefixes.current(model.get_input_embeddings().weight.dtype))
    switch.encoders[switch.key(name)] = encoder
    switch.active = name


def activate_prefix(model: PreTrainedModel, choice: str | Sequence[str | None] | None) -> None:
    """Choose what the next forwards see: a name for all rows, a list with one name or None a row, or None for none.

    Raises:
        KeyError: no prefix of that name is attached.
    """
    switch = getattr(model, "prefixes", None)
    names = [choice] if isinstance(choice, str) or choice is None else list(choice)
    for name in filter(None, names):
        if switch is None or switch.key(name) not in switch.encoders:
            raise KeyError(name)
    if switch is not None:
        switch.active = choice if isinstance(choice, str) or choice is None else tuple(choice)


def detach_prefix(model: PreTrainedModel, name: str = "default") -> PrefixEncoder:
    """Take the prefix `name` off again; returns it.

    Raises:
        KeyError: it is not attached.
    """
    switch = model.prefixes
    encoder = switch.encoders.pop(switch.key(name))
    switch._kept.pop(name, None)
    if switch.active == name or (isinstance(switch.active, tuple) and name in switch.active):
        switch.active = None
    return encoder
