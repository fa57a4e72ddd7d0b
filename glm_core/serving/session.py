"""One base in memory: weights, adapters on them, the batch being computed. Belongs to the engine's thread."""

import gc
import time
from collections import abc
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy
import psutil
import torch
from torch import nn

from glm_core import models
from glm_core.generation.prefill import PartialPrompt, undivided
from glm_core.generation.prompt_cache import PromptCache
from glm_core.serving import likelihood
from glm_core.serving.base import LoadedBase, LogLikelihood
from glm_core.serving.batching.adapter_slots import Adapters
from glm_core.serving.batching.batch import Batch
from glm_core.serving.batching.sequence import NO_LIMIT, TOGETHER_TOKENS, Sequence, fit_prompt, group_by_length
from glm_core.serving.errors import EngineUnavailable, PromptTooLong, ServingError
from glm_core.serving.request_encoder import RequestEncoder
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel

KEPT_SHARE, KEPT_BYTES = 16, 2**30
"Keys and values for later prompts take at most one part in so many of the memory that is free once a model is loaded, and so much."


class Session:
    """The state of the engine while one base is loaded.

    Args:
        kept: bytes of keys and values that are kept for prompts that begin like earlier ones.

    Attributes:
        batches: the running answers: one batch for all that can be mixed (None), one for each slot that cannot.
    """

    def __init__(self, loaded: models.LoadedModel, info: LoadedBase, kept: int = 2**28):
        self.loaded = loaded
        self.info = info
        self.adapters = Adapters(loaded)
        self.batches: dict[str | None, Batch] = {}
        self._prepared: list[Sequence] = []  # that have not joined yet
        self.known = PromptCache(kept)
        self._waited = False  # whether short prompts waited for a piece of a long one
        self._encoder = RequestEncoder(loaded, info)

    @classmethod
    def load(cls, path: Path, progress: Callable[[str, float | None], None]) -> "Session":
        """Load the base in folder `path`.

        Raises:
            ModelError: the folder holds no model that can be loaded.
            EngineUnavailable: it has no tokenizer, so it cannot answer.
        """
        started = time.monotonic()
        description = models.describe(path)
        freeze_libraries()
        loaded = models.load(path, progress=progress)
        if loaded.tokenizer is None:
            raise EngineUnavailable("serving.no_tokenizer", name=description.name)
        loaded.model.eval()
        limit_cpu_threads(loaded.model)
        family, seconds = loaded.family, time.monotonic() - started
        context = description.context_length
        info = LoadedBase(description.name, path, family.name, context, dict(family.sampling), seconds)
        return cls(loaded, info, min(KEPT_BYTES, free_memory(loaded.model) // KEPT_SHARE))

    @property
    def smallest_piece(self) -> int:
        """Tokens of a prompt that are worth a forward: a GPU needs as long for fewer."""
        return 256 if self.loaded.model.device.type == "cuda" else 16

    @property
    def held(self) -> int:
        """Bytes of a GPU that are free again once this is unloaded; 0 where the model is on no GPU."""
        return reserved_gpu_bytes(self.loaded.model)

    @property
    def rows(self) -> list[Sequence]:
        """The answers that are being computed."""
        return [row for batch in self.batches.values() for row in batch.rows]

    @property
    def prepared(self) -> list[Sequence]:
        """The requests that have been taken in and whose prompts are not computed yet."""
        return list(self._prepared)

    def prepare(self, handle: RequestHandle) -> None:
        """Take `handle` in: load its adapter where it is not there yet and fit its prompt into the context.

        Raises:
            ServingError: the prompt is too long, or the adapter cannot be read.
        """
        slot = self.adapters.need(handle.choice, handle.request.strength, self._busy())
        self._prepared.append(self._encoder.encode(handle, slot))

    def begin(self, handle: RequestHandle) -> None:
        """Take `handle` in and compute its prompt at once, alone; raises as `prepare`."""
        self.prepare(handle)
        self._look_up(self._prepared[-1])
        self.join(self._prepared[-1:])

    def next_group(self, room: int = NO_LIMIT) -> list[Sequence]:
        """Return those of the prepared rows whose prompts `join` computes next in one forward; often none.

        The first one's turn it is, with those of like length; after a piece of a long prompt, that of the first short one.

        Args:
            room: tokens that the forward should have at most; a longer prompt is computed in pieces.
        """
        if not self._prepared:
            return []
        short = [row for row in self._prepared if row.uncomputed <= room]
        first = short[0] if self._waited and short else self._prepared[0]
        self._look_up(first, room)
        if first.partial is not None:
            return [first]
        alike = [row for row in short if row.partial is None and self._key(row) == self._key(first)]
        groups = group_by_length(alike, min(room, TOGETHER_TOKENS))
        group = next((group for group in groups if first in group), [first])
        return [row for row in group if row is first or not self.known.match(*self._beginning(row))]

    def _look_up(self, row: Sequence, room: int = NO_LIMIT) -> None:
        """Find what is known of the prompt of `row`; without that only one that can be divided is computed in pieces."""
        if row.partial is None:
            known, whole = self.known.find(*self._beginning(row)), undivided(self.loaded, row.prompt)
            if known or (row.length > room and whole < row.length):
                row.partial = PartialPrompt(self.loaded, row.prompt, known)

    def _beginning(self, row: Sequence) -> tuple[abc.Hashable, list[int], int]:
        """The arguments by which `PromptCache` finds a prompt that begins like that of `row`."""
        return self.adapters.identity(row.slot), row.prompt, undivided(self.loaded, row.prompt)

    def join(self, group: abc.Sequence[Sequence], room: int = NO_LIMIT) -> int:
        """Compute the prompts of a group and their first tokens, or the next piece of one; their answers run from now on.

        Returns:
            How many tokens were computed.
        """
        key = self._key(group[0])
        for row in group:
            if row.handle.started is None:
                row.handle.begin()
                self._echo(row)
        batch = self.batches.get(key) or Batch(self.loaded, self.adapters, key, self.known)
        (one, *others), before = group, sum(row.uncomputed for row in group)
        if one.partial is None or others:
            self._take_out(group)
            batch.join(group)
        elif batch.advance(one, room):
            self._take_out(group)
        self._waited = one.partial is not None
        self.batches[key] = batch
        self._tidy()
        return before - (one.uncomputed if self._waited else 0)

    def _take_out(self, group: abc.Sequence[Sequence]) -> None:
        self._prepared = [row for row in self._prepared if row not in group]

    def _echo(self, row: Sequence) -> None:
        """Compute the probabilities of the prompt's own tokens where they are asked for."""
        request = row.handle.request
        if request.echo and request.logprobs is not None:
            with self.adapters.using([row.slot]):
                row.handle.prompt_logprobs = likelihood.prompt_logprobs(self.loaded, row.prompt, request.logprobs)

    def _key(self, row: Sequence) -> str | None:
        return None if self.adapters.mixable(row.slot) else row.slot

    def _busy(self) -> frozenset[str]:
        """The adapters in use."""
        return frozenset(row.slot for row in (*self.rows, *self._prepared) if row.slot is not None)

    def step(self) -> None:
        """One token for every row."""
        for batch in self.batches.values():
            if batch.rows:
                batch.step()
        self._tidy()

    def drop(self) -> None:
        """End the rows that nobody wants any more or whose time is over."""
        for row in (*self.rows, *self._prepared):
            if row.handle.cancelled or row.handle.overdue():
                row.end("cancelled" if row.handle.cancelled else "length")
        self._prepared = [row for row in self._prepared if not row.handle.done]
        for batch in self.batches.values():
            batch.sweep()
        self._tidy()

    def fits(self, question: str) -> bool:
        """Return whether `question` leaves room for an answer in the context."""
        try:
            fit_prompt(self.loaded, [{"role": "user", "content": question}], self.info.context_length, 1)
        except PromptTooLong:
            return False
        return True

    def log_likelihoods(
        self, model: ServedModel, texts: abc.Sequence[tuple[str, str]], plain: bool = False
    ) -> list[LogLikelihood]:
        """Return how likely each answer of (question, answer) is under `model`; `plain` as in `base.Engine`."""
        slot, loaded = self.adapters.need(model, 1.0, self._busy()), self._encoder.as_trained(model)
        with self.adapters.using([slot] * len(texts)):
            if plain and not self._encoder.marked:
                return likelihood.of_continuations(loaded, texts, self.info.context_length)
            return likelihood.of_answers(loaded, texts)

    def kl_divergences(self, model: ServedModel, texts: abc.Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """Return KL(base || `model`) summed over each answer's tokens, and their number."""
        states, loaded = [], self._encoder.as_trained(model)
        for slot in (None, self.adapters.need(model, 1.0, self._busy())):
            with self.adapters.using([slot] * len(texts)):
                states.append(likelihood.answer_states(loaded, texts, likelihood.LONGEST_DIVERGENCE))
        return likelihood.divergences(self.loaded, *states)

    def first_token_distribution(self, model: ServedModel, question: str) -> numpy.ndarray:
        """Return the probabilities (V,) of the first token that `model` answers."""
        asked = [{"role": "user", "content": question}]
        ids, _ = fit_prompt(self._encoder.as_trained(model), asked, self.info.context_length, 1, thinking=False)
        with self.adapters.using([self.adapters.need(model, 1.0, self._busy())]):
            return likelihood.of_next_token(self.loaded, ids).cpu().numpy()

    def clear(self, reason: str, error: ServingError | None = None) -> None:
        """End every row."""
        for row in (*self.rows, *self._prepared):
            row.end(reason, error)
        self.known.clear()
        self._prepared.clear()
        self.batches.clear()

    def _tidy(self) -> None:
        self.batches = {key: batch for key, batch in self.batches.items() if batch.rows or batch.ready}


ONE_CORE = 100_000_000
"Parameters below which decoding is not faster on more than one core (measured with 19 M: 201 against 210 tokens/s)."


@cache
def freeze_libraries() -> None:
    """Before the first load: keep what the libraries made, hundreds of thousands of objects, out of every later collection.

    Without the freeze each full one, and the one of every unloading, would walk it all while everybody waits. A model's own
    objects are few, and its cycles must go with it.
    """
    gc.collect()
    gc.freeze()


def free_memory(model: nn.Module) -> int:
    """Bytes that are free on the device of `model`."""
    device = next(model.parameters()).device
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def reserved_gpu_bytes(model: nn.Module) -> int:
    """Bytes of its GPU that `release_memory` frees after `model` has gone; 0 where it is on none."""
    device = next(model.parameters()).device
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def limit_cpu_threads(model: nn.Module) -> None:
    """One core for a small model on the CPU: more gain nothing, and their spinning would slow a training run."""
    count = sum(parameter.numel() for parameter in model.parameters())
    on_cpu = next(model.parameters()).device.type == "cpu"
    torch.set_num_threads(1 if on_cpu and count < ONE_CORE else _ALL_CORES)


_ALL_CORES = torch.get_num_threads()
