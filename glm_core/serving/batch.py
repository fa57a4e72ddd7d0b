"""The decode loop: prompts become rows, rows of a batch advance one token at a time, join and leave between steps.

The model is called directly with a cache of our own (`generation/kv_cache.py`); transformers' `generate` is not used, as its
overhead a token exceeds a small model's forward. Not here: queues, threads and loading (`engine.py`).
"""

from collections import abc
from functools import partial
from typing import TYPE_CHECKING

import torch

from glm_core.generation.decode import DecodeRunner
from glm_core.generation.prefill import prefill
from glm_core.models.tokenizers import Detokenizer
from glm_core.serving import likelihood
from glm_core.serving.adapter_slots import Adapters
from glm_core.serving.grammar import TokenMask
from glm_core.serving.request import EngineUnavailable, PromptTooLong, RequestHandle, ServingError, TokenLogprob
from glm_core.serving.sampling import Sampler, SamplingParams, choose, pick
from glm_core.serving.text_stream import AnswerText

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

RESERVED_SHARE = 4
"At most one part in this many of the context is kept free for the answer; the rest may hold the conversation."
TOGETHER_TOKENS = 2048
"Tokens of prompts, with their padding, that are computed in one forward; a longer prompt is computed alone."
KEPT_COLUMNS = 4096
"Rows x columns of recorded buffers that stay when the last answer has ended: 1.9 GB for ChatGLM-6B in bfloat16."
NO_LIMIT = 2**30


def fit_prompt(
    loaded, messages: abc.Sequence[dict], context: int, wanted: int, beginning: str = ""
) -> tuple[list[int], int]:
    """The prompt's ids, oldest turns left out until an answer fits behind it.

    Args:
        loaded: a `LoadedModel`.
        messages: the conversation; system messages at its beginning and the last message are never left out.
        context: the model's context length in tokens.
        wanted: tokens the answer may have.
        beginning: of the answer, to go on from.

    Returns:
        The ids, and how many turns (a question with its answer) were left out.

    Raises:
        PromptTooLong: the last message alone is too long.
    """
    room = context - min(wanted, context // RESERVED_SHARE)
    heads, starts = _turns(messages)

    def encode(dropped: int) -> list[int]:
        kept = [*messages[:heads], *messages[starts[dropped] :]]
        return _encode(loaded, kept, beginning)

    ids = encode(0)
    if len(ids) <= room:
        return ids, 0
    low, high = 0, len(starts) - 1  # encode(low) does not fit; the fewest turns to drop are in (low, high]
    shortest = encode(high)
    if len(shortest) > room:
        raise PromptTooLong("serving.too_long", tokens=len(shortest), room=room, context=context)
    best = shortest
    while high - low > 1:
        middle = (low + high) // 2
        ids = encode(middle)
        if len(ids) <= room:
            high, best = middle, ids
        else:
            low = middle
    return best, high


def _encode(loaded, messages: list[dict], beginning: str) -> list[int]:
    """The prompt; with a `beginning` exactly what training shows the model of such an answer, up to its end token."""
    family, tokenizer = loaded.family, loaded.tokenizer
    if not beginning:
        return family.encode_prompt(tokenizer, messages)
    answered = [*messages, {"role": "assistant", "content": beginning}]
    return family.encode_example(tokenizer, answered, NO_LIMIT, NO_LIMIT)[0][:-1]


def _turns(messages: abc.Sequence[dict]) -> tuple[int, list[int]]:
    """Number of leading system messages, and the index at which each turn begins (with a user's message)."""
    heads = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    starts = [i for i, message in enumerate(messages) if message["role"] == "user" and i >= heads]
    return heads, [heads, *[i for i in starts if i > heads]]


def group_by_length(rows: abc.Sequence["Sequence"]) -> list[list["Sequence"]]:
    """Rows whose prompts are computed together: of like length, so that little is padding, and not too many tokens."""
    groups: list[list[Sequence]] = []
    for row in sorted(rows, key=lambda row: row.length):
        last = groups[-1] if groups else None
        fits = last and (len(last) + 1) * row.length <= TOGETHER_TOKENS and row.length <= 1.5 * last[0].length + 16
        if fits:
            last.append(row)
        else:
            groups.append([row])
    return groups


class Sequence:
    """One answer being computed.

    Args:
        mask: follows the grammar of the request, where it has one.
    """

    def __init__(
        self,
        handle: RequestHandle,
        loaded: "LoadedModel",
        slot: str | None,
        prompt: list[int],
        sampling: SamplingParams,
        limit: int,
        mask: TokenMask | None = None,
    ):
        self.handle = handle
        self.prompt = prompt
        self.slot = slot
        "Where its adapter is (`Adapters`); None = the base."
        self.sampler = Sampler(sampling, prompt, handle.request.logit_bias, mask)
        self.length = len(prompt)
        self.last = -1
        "The newest token, which the next step feeds."
        self._limit = limit
        self._stop_ids = frozenset(loaded.family.stop_ids(loaded.tokenizer))
        clean = loaded.family.clean if mask is None else str  # which would change what the grammar has let through
        self._text = AnswerText(Detokenizer(loaded.tokenizer), clean, handle.request.stop)
        if beginning := handle.request.beginning:
            handle.text = self._text.resume(loaded.tokenizer.encode(beginning), beginning)
        handle.prompt_tokens = len(prompt)

    @property
    def foreseen(self) -> bool:
        """Return whether the next token can be chosen before this one is looked at."""
        return self.sampler.foreseen and self.handle.request.logprobs is None

    @property
    def left(self) -> int:
        """Tokens that its answer may still have."""
        return self._limit - self.handle.completion_tokens

    def take(self, token: int, logprob: TokenLogprob | None = None) -> None:
        """Add the token just chosen to the answer; may end it."""
        if token < 0:
            self.end("error", EngineUnavailable("serving.not_finite"))
        elif token in self._stop_ids:
            self.end("stop")
        else:
            self.last = token
            self.handle.add(self._text.push(token), logprob)
            if self._text.stopped:
                self.end("stop")
            elif self.handle.completion_tokens >= self._limit:
                self.end("length")

    def end(self, reason: str, error: ServingError | None = None) -> None:
        """Finish the handle with what text is left."""
        if not self.handle.done:
            self.handle.finish(reason, self._text.finish(), error)


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


class Batch:
    """The rows that are computed together. All methods belong to the engine's thread.

    Args:
        slot: the adapter of all rows where it is one that cannot be mixed, else None.
    """

    def __init__(self, loaded, adapters: Adapters, slot: str | None = None):
        self.rows: list[Sequence] = []
        self._loaded = loaded
        self._adapters = adapters
        self._new_stepper = partial(DecodeRunner, loaded, adapters, slot)
        self._stepper = self._new_stepper()
        self._ahead: PendingStep | None = None

    @property
    def ready(self) -> bool:
        """Return whether it is worth keeping without rows: its steps are recorded."""
        return self._stepper.fixed and self._stepper.columns > 0

    @torch.inference_mode()
    def join(self, rows: abc.Sequence[Sequence]) -> None:
        """Compute the prompts of `rows` in one forward, their first tokens, and add the rows that these do not end."""
        with self._adapters.using([row.slot for row in rows]):
            begun = prefill(self._loaded, [row.prompt for row in rows])
        tokens = choose(begun.logits, [row.sampler for row in rows])
        for row, token, logprob in zip(rows, tokens, self._logprobs(rows, begun.logits, tokens), strict=True):
            row.take(token, logprob)
        for index, row in enumerate(rows):
            if not row.handle.done:
                where = begun.positions[index], begun.strides[index]
                self._stepper.add(row.slot, begun.cache, index, row.length, row.last, *where)
                self.rows.append(row)

    @torch.inference_mode()
    def step(self) -> None:
        """One token for every row, then those that ended leave.

        The device begins the step after it before this one's tokens are looked at, where they alone decide how it goes on;
        what it computes for a row that has just ended is nobody's.
        """
        due = self._ahead or self._launch()
        self._ahead = self._launch() if self._may_go_ahead(due) else None
        tokens = due.wait()
        logprobs = self._logprobs(due.rows, due.logits, tokens)
        for row, token, logprob in zip(due.rows, tokens, logprobs, strict=True):
            if not row.handle.done:
                row.sampler.note(token)
                row.take(token, logprob)
        self.sweep()

    def _launch(self) -> "PendingStep":
        """Begin a step; its tokens are fed to the next one."""
        logits = self._stepper.step()
        tokens = pick(logits, [row.sampler for row in self.rows])
        self._stepper.next_ids()[:, 0] = tokens.clamp(min=0)
        return PendingStep(list(self.rows), tokens, logits)

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
        """Return whether every row will want another token after `due`, and none of them needs to see that first."""
        return self._stepper.fixed and all(row.foreseen and row.left > (row in due.rows) for row in self.rows)

    @torch.inference_mode()
    def sweep(self) -> None:
        """Let rows whose handle is done leave."""
        for number in reversed(range(len(self.rows))):
            if self.rows[number].handle.done:
                self._stepper.remove(number)
                self.rows[number] = self.rows[-1]
                self.rows.pop()
        if not self.rows:
            self._ahead = None
        if not self.rows and self._stepper.columns > KEPT_COLUMNS * self._stepper.fixed:
            self._stepper = self._new_stepper()
