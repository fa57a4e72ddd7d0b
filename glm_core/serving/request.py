"""A request to an engine, and the handle on which its answer arrives.

Pages, API and evaluation use the same two classes, whether the engine is the one of this process (`engine.py`) or a
server elsewhere (`remote.py`). No torch here, so that pages and routes import it freely.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from glm_core.errors import EasyError
from glm_core.models.call_formats import Call

if TYPE_CHECKING:
    from glm_core.serving.served_models import Provenance

RANGES = {
    "max_new_tokens": (1, 32768),
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1000),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.5, 2.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "strength": (0.0, 1.5),
    "seed": (-(2**63), 2**63 - 1),
}
ROLES = ("system", "user", "assistant", "tool")
STOP_LIMIT = 16
BIAS_LIMIT = 100.0
MOST_LOGPROBS = 20


class ServingError(EasyError):
    """An answer that cannot be given. `status` is the HTTP status the API gives it, `code` OpenAI's word for it."""

    status = 500
    code = "server_error"


class RequestError(ServingError):
    """A request that is wrong in itself; `field` names the part."""

    status = 400
    code = "invalid_value"

    def __init__(self, key: str, field: str = "messages", **values):
        super().__init__(key, field=field, **values)
        self.field = field


class PromptTooLong(RequestError):
    """Even the last message alone does not fit the model's context."""

    code = "context_length_exceeded"


class UnknownModel(ServingError):
    """No base and no run has this name."""

    status = 404
    code = "model_not_found"


class EngineBusy(ServingError):
    """The queue is full; try again after `retry_after` seconds."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, key: str, retry_after: int, **values):
        super().__init__(key, retry_after=retry_after, **values)
        self.retry_after = retry_after


class EngineUnavailable(ServingError):
    """The model cannot be used now: it does not load, training has the memory, or the program is stopping."""

    status = 503
    code = "engine_unavailable"


class LoadingCancelled(EngineUnavailable):
    """Somebody broke the loading of the model off; the next question loads it again."""


@dataclass(frozen=True)
class Request:
    """One question. Sampling fields left None take the family's official defaults.

    Raises:
        RequestError: a field has the wrong type or is out of range.
    """

    messages: tuple[dict, ...]
    "The conversation, each `{role, content}`; the last one is the user's, or a tool's result. Calls are `tool_calls`."
    model: str = ""
    "A name of `Engine.catalogue()`; empty = the first base."
    max_new_tokens: int = 512
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    "(token id, what is added to its logit)."
    logprobs: int | None = None
    "How many of the likeliest tokens `RequestHandle.logprobs` has beside each token; None = it stays empty."
    grammar: str = ""
    "What the answer has to match, as `serving.batching.grammar` returns it; empty = nothing."
    grammar_field: str = "response_format"
    "The field of the API's request that it came in."
    prompt: str | tuple[int, ...] | None = None
    "A text or token ids to go on from, instead of `messages` in the model's chat format."
    echo: bool = False
    "With `logprobs`, also of the tokens of `prompt`."
    seed: int | None = None
    stop: tuple[str, ...] = ()
    strength: float = 1.0
    "How strongly the adapter acts: 0 = not at all, 1 = as trained."
    owner: str = ""
    "Whose request it is: the queue is fair between owners."
    timeout: float | None = None
    "Seconds after which the answer is broken off, counted from `submit`."
    beginning: str = ""
    "What there already is of the answer, which goes on from there; `RequestHandle.text` has it too."
    thinking: bool | None = None
    "Think first, or answer at once, where the model thinks; None = its default."
    thought: str = ""
    "What was thought before `beginning`."
    tools: tuple[dict, ...] = ()
    "Functions that may be called, as OpenAI's; a model whose chat format has tools is told in it, `grammar` serves the others."
    must_call: bool = False
    "The answer is a call, as `grammar` says."

    def __post_init__(self):
        object.__setattr__(self, "messages", tuple(self.messages))
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop))
        _check_messages(self.messages)
        for name, (low, high) in RANGES.items():
            _check_number(name, getattr(self, name), low, high)
        if len(self.stop) > STOP_LIMIT or not all(isinstance(stop, str) and stop for stop in self.stop):
            raise RequestError("serving.bad_stop", "stop", limit=STOP_LIMIT)


def _check_messages(messages: tuple) -> None:
    if not messages:
        raise RequestError("serving.no_messages")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise RequestError("serving.bad_role", f"messages[{number}].role")
        if not isinstance(message.get("content"), str):
            raise RequestError("serving.bad_content", f"messages[{number}].content")
    if messages[-1]["role"] == "assistant":
        raise RequestError("serving.no_question", f"messages[{len(messages) - 1}]")


def _check_number(name: str, value, low, high) -> None:
    if value is None and name not in ("max_new_tokens", "strength"):
        return
    whole = isinstance(low, int)
    right = isinstance(value, int) if whole else isinstance(value, int | float)
    if isinstance(value, bool) or not right or not low <= value <= high:
        raise RequestError("serving.out_of_range", name, low=low, high=high, value=repr(value))


class TokenLogprob(NamedTuple):
    """A token of an answer or a prompt with the natural logarithm of its probability, before any sampling settings.

    Attributes:
        text: what it stands for; a piece of a character is U+FFFD.
        value: None for the first token of a prompt, which nothing precedes.
        top: (text, bytes, value) of the likeliest tokens at its place, the likeliest first.
    """

    token: int
    text: str
    bytes: bytes
    value: float | None
    top: tuple[tuple[str, bytes, float], ...] = ()


class RequestHandle:
    """One request's place in the queue, then its answer as it grows. Any thread may read it or cancel it."""

    def __init__(self, request: Request, choice=None):
        self.request = request
        self.choice = choice
        "The `served_models.ServedModel` that `request.model` names."
        self.text = request.beginning
        self.reasoning = request.thought if request.beginning else ""
        "What the model thought before the answer, no part of `text`."
        self.reasoning_tokens = 0
        self.position = 0
        "How many requests are before this one; 0 once it is being answered."
        self.state = "waiting"
        "waiting, loading, answering, done."
        self.finish_reason: str | None = None
        "None while it runs, then stop, length, cancelled or error."
        self.error: ServingError | None = None
        self.provenance: Provenance | None = None
        self.dropped_turns = 0
        "How many of the oldest turns were left out because the context is full."
        self.tells_calls = False
        "Whether the model calls tools in its own format, so that calls come in `tool_calls` and not as text."
        self.tool_calls: tuple[Call, ...] = ()
        "What the answer calls; known at its end."
        self.told_calls: list[Call] = []
        "What of that is written so far, in formats that can be read while they grow; the arguments only get longer."
        self.logprobs: list[TokenLogprob] = []
        "Of every token of the answer so far, where the request wants them."
        self.prompt_logprobs: list[TokenLogprob] = []
        self.prompt_text = ""
        "The text of `Request.prompt`, also where it came as token ids."
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.created = time.monotonic()
        self.started: float | None = None
        self.first_token: float | None = None
        self.thought_ended: float | None = None
        self.ended: float | None = None
        self._pieces: list[str] = []
        self._changed = threading.Condition()
        self._wakers: list[Callable[[], None]] = []
        self._cancelled = threading.Event()

    # for the reader

    @property
    def continuation(self) -> str:
        """Return what the answer has besides `Request.beginning`: all pieces."""
        return "".join(self._pieces)

    def cancel(self) -> None:
        """Stop the computation within one token; the text so far stays."""
        self._cancelled.set()
        self._wake()

    @property
    def cancelled(self) -> bool:
        """Return whether somebody has asked to stop."""
        return self._cancelled.is_set()

    @property
    def done(self) -> bool:
        """Return whether nothing more will come."""
        return self.finish_reason is not None

    @property
    def usage(self) -> dict[str, int]:
        """OpenAI's three token counts."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }

    @property
    def first_token_seconds(self) -> float | None:
        """Seconds from `submit` to the first token, waiting and loading included."""
        return None if self.first_token is None else self.first_token - self.created

    @property
    def reasoning_seconds(self) -> float | None:
        """Seconds from the first token to the end of the thought, or until now; None where nothing was thought."""
        if self.first_token is None or not self.reasoning:
            return None
        return (self.thought_ended or self.ended or time.monotonic()) - self.first_token

    @property
    def tokens_per_second(self) -> float | None:
        """Decoding speed after the first token; None for answers shorter than two tokens."""
        if self.first_token is None or self.completion_tokens < 2:
            return None
        spent = (self.ended or time.monotonic()) - self.first_token
        return (self.completion_tokens - 1) / spent if spent > 0 else None

    def __iter__(self) -> Iterator[str]:
        """The text in pieces, waiting for each; ends when the answer does. Leaving early cancels.

        Raises:
            ServingError: the answer ended in an error.
        """
        return (piece for piece in self.follow() if piece)

    def follow(self, poll: float = 3600.0) -> Iterator[str]:
        """Like iterating, but yields "" at least every `poll` seconds, so that a page can draw the wait."""
        read = 0
        try:
            while True:
                with self._changed:
                    if read == len(self._pieces) and not self.done:
                        self._changed.wait(poll)
                    piece, read = "".join(self._pieces[read:]), len(self._pieces)
                    ended = self.done
                yield piece
                if ended:
                    break
        finally:
            self.cancel()
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[str]:
        """The same for asyncio: no thread waits, and "" comes where only `reasoning` or `told_calls` grew. Cancelling the task cancels the answer."""
        loop, news, read, thought = asyncio.get_running_loop(), asyncio.Event(), 0, 0
        calls = self.told_calls

        def waker() -> None:
            if not loop.is_closed():  # a server that stopped hard leaves nobody to wake
                loop.call_soon_threadsafe(news.set)

        self._wakers.append(waker)
        try:
            while True:
                news.clear()
                ended = self.done
                piece, read = "".join(self._pieces[read:]), len(self._pieces)
                before, thought = thought, len(self.reasoning)
                told, calls = calls, self.told_calls
                if piece or thought > before or calls is not told:
                    yield piece
                if ended:
                    break
                await news.wait()
        finally:
            self._wakers.remove(waker)
            self.cancel()
        if self.error is not None:
            raise self.error

    # for the engine

    def overdue(self) -> bool:
        """Return whether the request's own time is over."""
        timeout = self.request.timeout
        return timeout is not None and time.monotonic() - self.created > timeout

    def begin(self) -> None:
        """Mark the request as started: it was admitted and everything it needs is loaded."""
        self.state, self.started = "answering", time.monotonic()

    def add(self, piece: str, logprob: TokenLogprob | None = None) -> None:
        """One token has been computed and `piece` of text may be shown (often none)."""
        self.completion_tokens += 1
        if logprob is not None:
            self.logprobs.append(logprob)
        if self.first_token is None:
            self.first_token = time.monotonic()
        if piece:
            self._append(piece)

    def tell(self, calls: list[Call]) -> None:
        """Replace what is known of the calls, which have grown."""
        self.told_calls = calls
        self._wake()

    def think(self, piece: str, ended: bool = False) -> None:
        """Add `piece` to the thought; `ended`: the answer begins."""
        self.reasoning += piece
        if ended and self.thought_ended is None:
            self.thought_ended = time.monotonic()
        if piece:
            self._wake()

    def finish(self, reason: str, piece: str = "", error: ServingError | None = None) -> None:
        """The answer has ended; `piece` is the last of its text. A second call changes nothing."""
        if self.done:
            return
        if piece:
            self._append(piece)
        self.position, self.state, self.ended = 0, "done", time.monotonic()
        self.error = error
        self.finish_reason = reason
        self._wake()

    def _append(self, piece: str) -> None:
        self.text += piece
        self._pieces.append(piece)
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
        for waker in list(self._wakers):
            waker()
