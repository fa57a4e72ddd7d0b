"""The decode loop: prompts become rows, rows of a batch advance one token at a time, join and leave between steps.

The model is called directly with a cache of our own (`generation/kv_cache.py`); transformers' `generate` is not used, as its
overhead a token exceeds a small model's forward. Not here: queues, threads and loading (`engine.py`).
"""

from collections import abc
from functools import partial

import torch

from glm_core.generation.decode import DecodeRunner
from glm_core.generation.prefill import Prefill, prefill
from glm_core.generation.prompt_cache import PromptCache
from glm_core.machine.machine import memory
from glm_core.serving import likelihood
from glm_core.serving.batching.adapter_slots import Adapters
from glm_core.serving.batching.sampling import choose, pick
from glm_core.serving.batching.sequence import Sequence
from glm_core.serving.request_handle import TokenLogprob

KEPT = 0.1
"""Share of the device's memory that the buffers of the mixed batch may keep when its last answer has ended; without them the next ones
record anew. A batch of one adapter that cannot be mixed keeps none: there may be many, and an adapter that is read anew has other weights."""


class PendingStep:
    """The tokens of a step that the device may not have finished, for the rows that took part."""

    def __init__(self, rows: list[Sequence], tokens: torch.Tensor, logits: torch.Tensor):
        self.rows, self.logits = rows, logits
        self._tokens, self._there = tokens.to("cpu", non_blocking=True), None
        if tokens.device.type == "cuda":
            self._there = torch.cuda.Event()
            self._there.record()

    def wait(self) -> list[int]:
        """One a row."""
        if self._there is not None:
            self._there.synchronize()
        return self._tokens.tolist()


def most_kept(device: torch.device) -> int:
    """Bytes of buffers that may stay on `device` without rows."""
    whole = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else memory()[0]
    return int(KEPT * whole)


class Batch:
    """The rows that are computed together. All methods belong to the engine's thread.

    Args:
        slot: the adapter of all rows where it is one that cannot be mixed, else None.
        known: where keys and values of prompts and answers are kept for later prompts.

    Attributes:
        runner: computes their next tokens; a new one takes its place once large buffers are not needed any more.
    """

    def __init__(self, loaded, adapters: Adapters, slot: str | None = None, known: PromptCache | None = None):
        self.rows: list[Sequence] = []
        self._loaded = loaded
        self._adapters, self._known = adapters, known
        self._new_runner = partial(DecodeRunner, loaded, adapters, slot)
        self._keeps = slot is None
        self.runner = self._new_runner()
        self._ahead: PendingStep | None = None

    @property
    def ready(self) -> bool:
        """Return whether it is worth keeping without rows: its steps are recorded."""
        return self.runner.fixed and self.runner.kept_bytes > 0

    @torch.inference_mode()
    def join(self, rows: abc.Sequence[Sequence]) -> None:
        """Compute the prompts of `rows` in one forward, their first tokens, and add the rows that these do not end."""
        with self._adapters.using([row.slot for row in rows]):
            begun = prefill(self._loaded, [row.prompt for row in rows])
        for row in rows:
            row.partial = None
        self._begin(rows, begun)

    @torch.inference_mode()
    def advance(self, row: Sequence, most: int) -> bool:
        """Compute the next piece of the prompt of `row`, at most `most` tokens; returns whether its answer has begun.

        Where all but the last token are known, the next step computes that as it computes any other.
        """
        if row.partial.left == 1:
            positions, strides = row.partial.next_positions()
            where = positions[0] - strides[0], strides[0]
            self.runner.add(row.slot, row.partial.cache, 0, row.length - 1, row.prompt[-1], *where)
            self.rows.append(row)
        else:
            with self._adapters.using([row.slot]):
                begun = row.partial.advance(most)
            if begun is None:
                return False
            self._begin([row], begun)
        row.partial = None
        return True

    def _begin(self, rows: abc.Sequence[Sequence], begun: Prefill) -> None:
        """Choose the first tokens of `rows`, whose prompts are computed, and add the rows that these do not end."""
        tokens = choose(begun.logits, [row.sampler for row in rows])
        for row, token, logprob in zip(rows, tokens, self._logprobs(rows, begun.logits, tokens), strict=True):
            row.take(token, logprob)
        for index, row in enumerate(rows):
            self._keep_prompt(row, begun, index)
            if not row.handle.done:
                where = begun.positions[index], begun.strides[index]
                self.runner.add(row.slot, begun.cache, index, row.length, row.answer[-1], *where)
                self.rows.append(row)

    def _keep_prompt(self, row: Sequence, begun: Prefill, index: int) -> None:
        """Remember the prompt of row `index` for those that begin alike."""
        key = self._adapters.identity(row.slot)
        if self._known is not None and self._known.wants(key, row.prompt):
            own = slice(index, index + 1), slice(None), slice(-row.length, None)  # without padding
            layers = [(layer.keys[own].clone(), layer.values[own].clone()) for layer in begun.cache.layers]
            self._known.keep(key, row.prompt, layers)

    def _keep_answer(self, number: int) -> None:
        """Remember what row `number` has said, for the next question of its conversation."""
        row = self.rows[number]
        key, ids = self._adapters.identity(row.slot), row.prompt + row.answer[:-1]
        failed = row.handle.finish_reason == "error"  # its numbers may be none
        if self._known is not None and row.answer and not failed and self._known.wants(key, ids):
            self._known.keep(key, ids, self.runner.states(number, len(ids)))

    @torch.inference_mode()
    def step(self) -> None:
        """One token for every row, then those that ended leave.

        The device begins the step after it before this one's tokens are looked at; what it computes for a row that has just
        ended is nobody's. Its tokens are chosen at once where the device alone can, else (a grammar, a penalty, a draw) when
        the rows know this one's, which takes no time beside its forward.
        """
        due = self._ahead or self._choose(*self._forward())
        ahead = self._forward() if self._may_go_ahead(due) else None
        foreseen = ahead is not None and all(row.foreseen for row in ahead[0])
        self._ahead = self._choose(*ahead) if ahead and foreseen else None
        tokens = due.wait()
        logprobs = self._logprobs(due.rows, due.logits, tokens)
        for row, token, logprob in zip(due.rows, tokens, logprobs, strict=True):
            if not row.handle.done:
                row.sampler.note(token)
                row.take(token, logprob)
        if ahead and not foreseen:
            self._ahead = self._choose(*ahead)
        self.sweep()

    def _forward(self) -> tuple[list[Sequence], torch.Tensor]:
        """Begin a step: the rows that take part, and their logits (n, V)."""
        return list(self.rows), self.runner.step()

    def _choose(self, rows: list[Sequence], logits: torch.Tensor) -> "PendingStep":
        """Begin to choose the tokens of a step; they are fed to the next one."""
        tokens = pick(logits, [row.sampler for row in rows])
        self.runner.next_ids()[:, 0] = tokens.clamp(min=0)
        return PendingStep(rows, tokens, logits)

    def _logprobs(
        self, rows: abc.Sequence[Sequence], logits: torch.Tensor, tokens: list[int]
    ) -> list[TokenLogprob | None]:
        """Of the rows that want them. Nothing runs ahead of such rows, so `logits` (n, V) are still those of the step."""
        found: list[TokenLogprob | None] = [None] * len(rows)
        for index, row in enumerate(rows):
            if row.handle.request.logprobs is not None and tokens[index] >= 0:
                many = row.handle.request.logprobs
                (found[index],) = likelihood.token_logprobs(
                    self._loaded, logits[index : index + 1], [tokens[index]], many
                )
        return found

    def _may_go_ahead(self, due: "PendingStep") -> bool:
        """Return whether every row will want another token after `due`, and none the logits of `due` for its report."""
        wanted = (row.left > (row in due.rows) and row.handle.request.logprobs is None for row in self.rows)
        return self.runner.fixed and all(wanted)

    @torch.inference_mode()
    def sweep(self) -> None:
        """Let rows whose handle is done leave."""
        for number in reversed(range(len(self.rows))):
            if self.rows[number].handle.done:
                self._keep_answer(number)
                self.runner.remove(number)
                self.rows[number] = self.rows[-1]
                self.rows.pop()
        if not self.rows:
            self._ahead = None
        most = most_kept(self._loaded.model.device) if self.runner.fixed and self._keeps else 0
        if not self.rows and self.runner.kept_bytes > most:
            self.runner = self._new_runner()
