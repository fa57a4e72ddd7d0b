"""The handle on which the answer to a request arrives.

Pages, API and evaluation use the same one, whether the engine is the one of this process (`engine.py`) or a server
elsewhere (`remote/`). No torch here, so that pages and routes import it freely.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from glm_core.models.call_formats import Call
from glm_core.serving.errors import ServingError
from glm_core.serving.request import Request

if TYPE_CHECKING:
    from glm_core.serving.served_models import Provenance


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
