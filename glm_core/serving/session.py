"""One base in memory: weights, adapters on them, the batch being computed. Belongs to the engine's thread."""

import ctypes
import gc
import sys
import time
from collections import abc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from glm_core import models
from glm_core.serving.adapter_slots import Adapters
from glm_core.serving.batch import Batch, Sequence, first_token, fit_prompt, group_by_length
from glm_core.serving.request import EngineUnavailable, Provenance, RequestHandle, ServingError
from glm_core.serving.sampling import resolve
from glm_core.serving.served_models import ServedModel


@dataclass(frozen=True)
class Loaded:
    """The model in memory, for people to see."""

    name: str
    path: Path
    family: str
    context_length: int
    sampling: dict
    "The family's official defaults."
    seconds: float
    "How long it took to load."


class Session:
    """The state of the engine while one base is loaded."""

    def __init__(self, loaded: models.LoadedModel, info: Loaded):
        self.loaded = loaded
        self.info = info
        self.adapters = Adapters(loaded)
        self._batches: dict[
            str | None, Batch
        ] = {}  # one for all that can be mixed (None), one for each slot that cannot
        self._prepared: list[Sequence] = []  # that have not joined yet

    @classmethod
    def load(cls, path: Path, progress: Callable[[str, float | None], None]) -> "Session":
        """Load the base in folder `path`.

        Raises:
            ModelError: the folder holds no model that can be loaded.
            EngineUnavailable: it has no tokenizer, so it cannot answer.
        """
        started = time.monotonic()
        description = models.describe(path)
        loaded = models.load(path, progress=progress)
        if loaded.tokenizer is None:
            raise EngineUnavailable("serving.no_tokenizer", name=description.name)
        loaded.model.eval()
        limit_cpu_threads(loaded.model)
        freeze_loaded_objects()
        family, seconds = loaded.family, time.monotonic() - started
        context = description.context_length
        return cls(loaded, Loaded(description.name, path, family.name, context, dict(family.sampling), seconds))

    @property
    def held(self) -> int:
        """Bytes of a card that are free again once this is unloaded; 0 where the model is on no card."""
        return reserved_gpu_bytes(self.loaded.model)

    @property
    def rows(self) -> list[Sequence]:
        """The answers that are being computed."""
        return [row for batch in self._batches.values() for row in batch.rows]

    def begin(self, handle: RequestHandle) -> None:
        """`prepare` and `join` of one handle alone."""
        self.join([self.prepare(handle)])

    def prepare(self, handle: RequestHandle) -> Sequence:
        """Load the handle's adapter where it is not there yet and fit its prompt into the context.

        Raises:
            ServingError: the prompt is too long, or the adapter cannot be read.
        """
        busy = frozenset(row.slot for row in (*self.rows, *self._prepared))
        row = self._row(handle, self.adapters.need(handle.choice, handle.request.strength, busy))
        self._prepared.append(row)
        return row

    def groups(self, rows: abc.Sequence[Sequence]) -> list[list[Sequence]]:
        """Prepared rows as groups that can `join` together, in one forward."""
        keys = dict.fromkeys(self._key(row) for row in rows)
        return [group for key in keys for group in group_by_length([row for row in rows if self._key(row) == key])]

    def join(self, group: abc.Sequence[Sequence]) -> None:
        """Compute the prompts of one of `groups` and their first tokens; their answers run from now on."""
        self._prepared = [row for row in self._prepared if row not in group]
        key = self._key(group[0])
        for row in group:
            row.handle.begin()
        batch = self._batches.get(key) or Batch(self.loaded, self.adapters, key)
        batch.join(group)
        self._batches[key] = batch
        self._tidy()

    def _key(self, row: Sequence) -> str | None:
        return None if self.adapters.mixable(row.slot) else row.slot

    def step(self) -> None:
        """One token for every row."""
        for batch in self._batches.values():
            if batch.rows:
                batch.step()
        self._tidy()

    def drop(self) -> None:
        """End the rows that nobody wants any more or whose time is over."""
        for row in self.rows:
            if row.handle.cancelled or row.handle.overdue():
                row.end("cancelled" if row.handle.cancelled else "length")
        for batch in self._batches.values():
            batch.sweep()
        self._tidy()

    def distance(self, question: str, choice: ServedModel) -> float:
        """Total variation between the first-token distributions of the base and of `choice`, from 0 to 1."""
        busy = frozenset(row.slot for row in self.rows)
        ids, _ = fit_prompt(self.loaded, [{"role": "user", "content": question}], self.info.context_length, 1)
        one, other = (
            first_token(self.loaded, self.adapters, slot, ids) for slot in (None, self.adapters.need(choice, 1.0, busy))
        )
        return 0.5 * (one - other).abs().sum().item()

    def clear(self, reason: str, error: ServingError | None = None) -> None:
        """End every row."""
        for row in self.rows:
            row.end(reason, error)
        self._batches.clear()

    def _tidy(self) -> None:
        self._batches = {key: batch for key, batch in self._batches.items() if batch.rows or batch.ready}

    def _row(self, handle: RequestHandle, slot: str | None) -> Sequence:
        request, info = handle.request, self.info
        wanted = request.max_new_tokens
        prompt, handle.dropped_turns = fit_prompt(
            self.loaded, request.messages, info.context_length, wanted, request.beginning
        )
        sampling = resolve(vars(request), info.sampling)
        handle.provenance = self._stamp(handle.choice, request.strength, sampling.to_dict())
        return Sequence(handle, self.loaded, slot, prompt, sampling, min(wanted, info.context_length - len(prompt)))

    def _stamp(self, choice: ServedModel, strength: float, sampling: dict) -> Provenance:
        if not choice.tuned:
            return Provenance(self.info.name, sampling=sampling)
        return Provenance(self.info.name, choice.name, choice.title, choice.step, strength, sampling)


SMALL_MODEL = 100_000_000
"Parameters below which decoding is not faster on more than one core (measured with 19 M: 201 against 210 tokens/s)."


def freeze_loaded_objects() -> None:
    """After loading: free what loading left, and keep the model's objects out of every later collection.

    Streamlit collects after every script run; without the freeze each would walk the whole model.
    """
    gc.collect()
    gc.freeze()


def release_memory() -> None:
    """After the last reference to a model has gone: free its cycles and hand the pages to the system."""
    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def reserved_gpu_bytes(model: nn.Module) -> int:
    """Bytes of its card that `give_back` frees after `model` has gone; 0 where it is on none."""
    device = next(model.parameters()).device
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def limit_cpu_threads(model: nn.Module) -> None:
    """One core for a small model on the CPU: more gain nothing, and their spinning would slow a training run."""
    count = sum(parameter.numel() for parameter in model.parameters())
    on_cpu = next(model.parameters()).device.type == "cpu"
    torch.set_num_threads(1 if on_cpu and count < SMALL_MODEL else _ALL_CORES)


_ALL_CORES = torch.get_num_threads()
