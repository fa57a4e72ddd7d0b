"""The adapters of one loaded base: read on first use, chosen row by row, the longest unused forgotten."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from glm_core import i18n, models
from glm_core.adapters import attach, scale
from glm_core.errors import EasyError
from glm_core.models.prefix_tuning import activate_prefix
from glm_core.serving.batching.batched_lora import RowLora
from glm_core.serving.errors import EngineUnavailable, RequestError
from glm_core.serving.served_models import ServedModel

log = logging.getLogger(__name__)

_UNKNOWN = object()
MOST_LOADED = 16
"Adapters kept in memory; a LoRA of ChatGLM-6B at rank 8 is 15 MB."


class Adapters:
    """The adapters on `loaded` by slot: a run's id, with its strength where that is not 1. No slot = the base."""

    def __init__(self, loaded: models.LoadedModel):
        self._loaded = loaded
        self._versions: OrderedDict[str, float] = OrderedDict()
        self._unmixable: set[str] = set()
        self._factors: dict[str, dict] = {}
        self.side_by_side = RowLora(loaded.model, self.factors)
        self._active: object = (
            None  # what the model is set to: a slot, or the prefixes of a step; _UNKNOWN after a mixture
        )

    def need(self, choice: ServedModel, strength: float = 1.0, busy: frozenset[str] = frozenset()) -> str | None:
        """The slot of the adapter of `choice` at `strength`, loaded now unless it is there in the version on disk.

        Args:
            busy: slots that rows are using; they are neither replaced nor forgotten.

        Raises:
            RequestError: this adapter has no strength other than 1.
            EngineUnavailable: its files are gone, cannot be read, or do not fit this base.
        """
        if not choice.tuned:
            return None
        # two strengths of one adapter are two slots, since rows of one batch may want both
        slot = choice.name if strength == 1.0 else f"{choice.name}@{round(100 * strength)}"
        try:
            version = _version(choice.adapter)
        except OSError as error:  # deleted since it was found
            raise EngineUnavailable("serving.adapter_gone", name=choice.title) from error
        if slot not in busy and self._versions.get(slot) != version:
            self.forget(slot)
            self._read(choice, slot, strength)
            self._versions[slot] = version
        self._versions.move_to_end(slot)
        idle = [name for name in self._versions if name not in busy and name != slot]
        for name in idle[: max(0, len(self._versions) - MOST_LOADED)]:
            self.forget(name)
        return slot

    def identity(self, slot: str | None) -> tuple[str | None, float | None]:
        """Return what tells `slot` from every other adapter, strength and version of its files."""
        return slot, None if slot is None else self._versions.get(slot)

    def mixable(self, slot: str | None) -> bool:
        """Return whether rows of this slot can share a forward with rows of others; PEFT cannot mix DoRA."""
        return slot not in self._unmixable

    @contextmanager
    def using(self, slots: Sequence[str | None]) -> Iterator[None]:
        """Forwards within the block answer row i through slot `slots[i]`."""
        if len(set(slots)) == 1:
            if slots[0] != self._active:
                attach.activate(self._loaded, slots[0])
                self._active = slots[0]
            yield
        else:
            self._active = _UNKNOWN
            with scale.rows(self._loaded, slots):
                yield

    def set_step(self, slot: str | None, prefixes: Sequence[str | None] | None) -> None:
        """Let the next forwards use the LoRA in `slot`, or none, and these prefixes row by row, None for none at all."""
        wanted = (slot, None if prefixes is None else tuple(prefixes))
        if wanted != self._active:
            attach.activate(self._loaded, slot)
            activate_prefix(self._loaded.model, prefixes if any(prefixes or ()) else None)
            self._active = wanted

    def factors(self, slot: str) -> dict[str, tuple[torch.Tensor, torch.Tensor, float]]:
        """`glm_core.adapters.scale.factors` of the adapter in `slot`; the same object until it is forgotten."""
        if slot not in self._factors:
            self._factors[slot] = scale.factors(self._loaded, slot)
        return self._factors[slot]

    def prefix(self, slot: str | None) -> str | None:
        """The prefix that rows of this slot see."""
        return scale.prefix_of(self._loaded, slot)

    def prefix_states(self, slot: str | None) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
        """Key and value (1, kv_heads, P, D) of every layer of that prefix; None where there is none."""
        name = self.prefix(slot)
        dtype = self._loaded.model.get_input_embeddings().weight.dtype
        return None if name is None else self._loaded.model.prefixes.states(name, dtype)

    def prefix_log_scale(self, slot: str | None) -> tuple[int, float]:
        """Number of the prefix's columns, and the summand of their scores by its strength."""
        name = self.prefix(slot)
        encoder = None if name is None else self._loaded.model.prefixes[name]
        return (0, 0.0) if encoder is None else (encoder.length, encoder.log_scale)

    def forget(self, slot: str) -> None:
        """Free the adapter in `slot`, if there is one."""
        if self._versions.pop(slot, None) is not None:
            attach.unload_adapter(self._loaded, slot)
            self._unmixable.discard(slot)
            self._factors.pop(slot, None)
            self._active = _UNKNOWN

    def _read(self, choice: ServedModel, slot: str, strength: float) -> None:
        self._active = _UNKNOWN  # loading switches every adapter off
        if choice.outdated:
            log.warning("%s: %s", choice.title, i18n.t("models.outdated", base=choice.base.name))
        try:
            method = attach.load_adapter(self._loaded, choice.adapter, slot)["method"]
        except (EasyError, OSError, ValueError, RuntimeError, KeyError) as error:  # files of anybody's making
            raise EngineUnavailable("serving.no_adapter", name=choice.title, why=error) from error
        self._loaded.model.eval()
        scalable = scale.is_scalable(self._loaded, slot)
        if not scalable and strength != 1.0:
            attach.unload_adapter(self._loaded, slot)
            raise RequestError("serving.not_scalable", "strength", name=choice.title)
        if strength != 1.0:
            scale.set_strength(self._loaded, slot, strength)
        if method == "lora" and not scalable:
            self._unmixable.add(slot)


def _version(folder: Path) -> float:
    """Time at which the adapter was last written: a resumed run saves a new one in the same place."""
    return max((path.stat().st_mtime for path in folder.iterdir() if path.is_file()), default=0.0)
