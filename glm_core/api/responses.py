"""The handles of one API call as an HTTP answer in OpenAI's words, complete or as server-sent events.

A client that goes away cancels its handles. Not here: routes, bodies and what may be asked (`routes.py`, `schemas.py`).
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from glm_core.api.answer_reader import AnswerReader, Delta
from glm_core.api.errors import blaming, error_body, failure
from glm_core.api.parsing import Completion
from glm_core.api.prometheus import ApiMetrics
from glm_core.serving.errors import ServingError
from glm_core.serving.request_handle import RequestHandle, TokenLogprob

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


async def merged(handles: Sequence[RequestHandle]) -> AsyncIterator[tuple[int, str | None]]:
    """The pieces of all handles as they come, each with the number of its handle; None when that one has ended.

    Raises:
        ServingError: one of them ended in an error. Leaving early, or an error, cancels all.
    """
    news: asyncio.Queue = asyncio.Queue()

    async def read(number: int, handle: RequestHandle) -> None:
        try:
            async with contextlib.aclosing(aiter(handle)) as pieces:
                async for piece in pieces:
                    news.put_nowait((number, piece))
            news.put_nowait((number, None))
        except ServingError as error:
            news.put_nowait((number, error))

    readers = [asyncio.create_task(read(number, handle)) for number, handle in enumerate(handles)]
    running = len(handles)
    try:
        while running:
            number, piece = await news.get()
            if isinstance(piece, ServingError):
                raise piece
            running -= piece is None
            yield number, piece
    finally:
        for reader in readers:
            reader.cancel()
        for handle in handles:
            handle.cancel()


class CompletionStream:
    """The handles of one call as an HTTP answer, one choice a handle."""

    def __init__(self, handles: list[RequestHandle], wanted: Completion, meter: ApiMetrics):
        self._handles = handles
        self._wanted = wanted
        self._meter = meter
        self._readers = [AnswerReader(handle, wanted.calls) for handle in handles]
        self._sent = [0] * len(handles)  # of each choice, tokens whose probabilities were sent
        self._id = f"{'cmpl' if wanted.legacy else 'chatcmpl'}-{secrets.token_hex(12)}"
        self._created = int(time.time())

    async def complete(self, http: HTTPRequest) -> Response:
        """Wait for the whole answer, or for the client to go away."""
        try:
            async with watched(http, self._handles), contextlib.aclosing(merged(self._handles)) as pieces:
                async for _piece in pieces:
                    pass
        except ServingError as error:
            return failure(blaming(error, self._prompt_field))
        finally:
            self._meter.answered(self._handles)
        for reader in self._readers:
            reader.read()
        choices = [self._choice(number) for number in range(len(self._handles))]
        kind = "text_completion" if self._wanted.legacy else "chat.completion"
        return JSONResponse(self._envelope(kind, choices) | {"usage": self._usage()} | self._extra())

    async def streamed(self, http: HTTPRequest) -> Response:
        """Server-sent events. The status waits for the first piece, so that an error before it has its own."""
        watcher = watched(http, self._handles)
        await watcher.__aenter__()
        pieces = merged(self._handles)
        try:
            first = await anext(pieces)
        except BaseException as error:
            await watcher.__aexit__(None, None, None)
            self._meter.answered(self._handles)
            if isinstance(error, ServingError):
                return failure(blaming(error, self._prompt_field))
            raise
        events = self._events(first, pieces, watcher)
        return StreamingResponse(events, media_type="text/event-stream", headers=STREAM_HEADERS)

    async def _events(self, first: tuple[int, str | None], pieces, watcher) -> AsyncIterator[str]:
        begun: set[int] = set()
        try:
            async with contextlib.aclosing(pieces):
                for line in self._lines(*first, begun):
                    yield line
                async for number, piece in pieces:
                    for line in self._lines(number, piece, begun):
                        yield line
            if self._wanted.include_usage:
                yield sse(self._envelope(self._chunk, []) | {"usage": self._usage()})
            yield "data: [DONE]\n\n"
        except ServingError as error:
            yield sse(error_body(blaming(error, self._prompt_field)))
        finally:
            for handle in self._handles:
                handle.cancel()
            self._meter.answered(self._handles)
            await watcher.__aexit__(None, None, None)

    def _lines(self, number: int, piece: str | None, begun: set[int]) -> Iterator[str]:
        """The events for one piece of choice `number`, or for its end."""
        if number not in begun:
            begun.add(number)
            yield self._event(number, {"role": "assistant", "content": ""})
            if self._wanted.echo:
                yield self._event(number, {"content": self._handles[number].prompt_text})
        for delta in self._readers[number].push(piece or "", ended=piece is None):
            if delta.kind != "thought" or not self._wanted.legacy:
                yield self._event(number, self._delta(number, delta))
        if piece is None:
            yield self._event(number, {}, ended=True)

    def _delta(self, number: int, delta: Delta) -> dict:
        """Return what is new of a choice as a part of its message."""
        if delta.kind == "thought":
            return {"reasoning_content": delta.text}
        if delta.kind == "text":
            return {"content": delta.text}
        call = self._readers[number].calls[delta.place]
        begun = {"id": call.id, "type": "function"} if delta.begins else {}
        name = {"name": call.name} if delta.begins else {}
        return {"tool_calls": [{"index": delta.place, **begun, "function": {**name, "arguments": delta.text}}]}

    @property
    def _prompt_field(self) -> str:
        return "prompt" if self._wanted.legacy else "messages"

    @property
    def _chunk(self) -> str:
        return "text_completion" if self._wanted.legacy else "chat.completion.chunk"

    def _event(self, number: int, delta: dict, ended: bool = False) -> str:
        finish_reason = self._readers[number].finish_reason if ended else None
        choice: dict = {"index": number, "logprobs": None, "finish_reason": finish_reason}
        handle, sent = self._handles[number], self._sent[number]
        if handle.request.logprobs is not None and ("role" not in delta or ended):
            self._sent[number] = len(handle.logprobs)
            choice["logprobs"] = self._logprobs(number, handle.logprobs[sent:], sent == 0)
        if self._wanted.legacy:
            choice["text"] = delta.get("content", "")
        else:
            choice["delta"] = delta
        usage = {"usage": None} if self._wanted.include_usage else {}
        return sse(self._envelope(self._chunk, [choice]) | usage | (self._extra() if ended else {}))

    def _choice(self, number: int) -> dict:
        handle, reader = self._handles[number], self._readers[number]
        choice = {"index": number, "logprobs": None, "finish_reason": reader.finish_reason}
        if handle.request.logprobs is not None:
            choice["logprobs"] = self._logprobs(number, handle.logprobs, True)
        if self._wanted.legacy:
            return choice | {"text": (handle.prompt_text if self._wanted.echo else "") + handle.continuation}
        thought = {"reasoning_content": handle.reasoning} if handle.reasoning else {}
        made = [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for one in reader.calls
        ]
        calls = {"content": reader.text or None, "tool_calls": made} if made else {}
        message = {"role": "assistant", "content": reader.text, "refusal": None}
        return choice | {"message": message | thought | calls}

    def _logprobs(self, number: int, tokens: Sequence[TokenLogprob], first: bool) -> dict:
        """Tokens and their probabilities in OpenAI's form; `first`: nothing of this choice has been sent."""
        if not self._wanted.legacy:
            return {"content": [_token(one) for one in tokens], "refusal": None}
        handle = self._handles[number]
        echoed = handle.prompt_logprobs if first and self._wanted.echo else []
        offset = 0 if first else len("".join(one.text for one in handle.logprobs[: len(handle.logprobs) - len(tokens)]))
        return _legacy_logprobs([*echoed, *tokens], offset)

    def _usage(self) -> dict:
        """OpenAI's three counts: each prompt once, every answer; and how many tokens were thoughts, where there are some."""
        prompt = sum(handle.prompt_tokens for handle in self._handles[:: self._wanted.n])
        completion = sum(handle.completion_tokens for handle in self._handles)
        counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        thought = sum(handle.reasoning_tokens for handle in self._handles)
        return counts | ({"completion_tokens_details": {"reasoning_tokens": thought}} if thought else {})

    def _envelope(self, kind: str, choices: list[dict]) -> dict:
        provenance = self._handles[0].provenance
        fingerprint = f"{provenance.base}/{provenance.adapter or 'base'}@{provenance.step}" if provenance else None
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._wanted.model or (provenance.base if provenance else ""),
            "system_fingerprint": fingerprint,
            "choices": choices,
        }

    def _extra(self) -> dict:
        """Return what only this program tells: the provenance, and how many old turns did not fit."""
        provenance = self._handles[0].provenance
        dropped = self._handles[0].dropped_turns
        return {"easyaigc": {"stamp": provenance.to_dict() if provenance else None, "dropped_turns": dropped}}


def _token(one: TokenLogprob) -> dict:
    def entry(text: str, piece: bytes, value: float | None) -> dict:
        return {"token": text, "bytes": list(piece), "logprob": value}

    return entry(one.text, one.bytes, one.value) | {"top_logprobs": [entry(*top) for top in one.top]}


def _legacy_logprobs(tokens: Sequence[TokenLogprob], offset: int) -> dict:
    """The lists of /v1/completions. A likeliest token and the one that stands there are both among `top_logprobs`."""
    offsets = []
    for one in tokens:
        offsets.append(offset)
        offset += len(one.text)
    tops = [
        None if one.value is None else {text: value for text, _piece, value in one.top} | {one.text: one.value}
        for one in tokens
    ]
    return {
        "tokens": [one.text for one in tokens],
        "token_logprobs": [one.value for one in tokens],
        "top_logprobs": tops,
        "text_offset": offsets,
    }


@contextlib.asynccontextmanager
async def watched(http: HTTPRequest, handles: Sequence[RequestHandle]) -> AsyncIterator[None]:
    """Cancel `handles` as soon as the client's connection is gone."""

    async def watch() -> None:
        while (await http.receive())["type"] != "http.disconnect":
            pass
        for handle in handles:
            handle.cancel()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


def sse(record: dict) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(record, ensure_ascii=False)}\n\n"
