"""The HTTP API on the engine's tickets: what OpenAI's clients expect of /v1/chat/completions and /v1/models; /health.

The handlers are async and never hold a thread: an answer arrives as asyncio events, a client that goes away cancels
its ticket. Not here: who may call (the guard in front decides) and the answers themselves (`engine.py`).
"""

import asyncio
import contextlib
import json
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from glm_core import text
from glm_core.serving.bodies import BodyError, Completion, parse
from glm_core.serving.tickets import EngineBusy, EngineUnavailable, ServingError, Ticket

BODY_LIMIT = 1_000_000
"Bytes of a request body; a conversation of the longest context is far smaller."
RETRY_SECONDS = 10
"Retry-After when the engine is away (training has the memory, or a model is loading badly)."

ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}


def routes(engine: Callable[[], object]) -> list[Route]:
    """The API's routes.

    Args:
        engine: gives the one engine (`Engine` or `RemoteEngine`); called once a request, cheap after the first time.
    """
    api = Api(engine)
    return [
        Route("/v1/chat/completions", api.chat, methods=["POST"]),
        Route("/v1/models", api.models, methods=["GET"]),
        Route("/v1/models/{name:path}", api.model, methods=["GET"]),
        Route("/v1/{rest:path}", api.unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        Route("/health", api.health, methods=["GET"]),
    ]


class Api:
    """The handlers; they share only the engine."""

    def __init__(self, engine: Callable[[], object]):
        self._get_engine = engine

    async def _engine(self):
        """The engine. Making it imports torch, which must not hold up the event loop."""
        return await run_in_threadpool(self._get_engine)

    async def chat(self, http: HTTPRequest) -> Response:
        """POST /v1/chat/completions, complete or streaming."""
        _speak(http)
        try:
            wanted = parse(await _body(http), owner=_owner(http))
            engine = await self._engine()
            ticket = await run_in_threadpool(engine.submit, wanted.request)
        except ServingError as error:
            return failure(error)
        answer = Answer(ticket, wanted)
        return await (answer.streamed(http) if wanted.stream else answer.complete(http))

    async def models(self, http: HTTPRequest) -> Response:
        """GET /v1/models."""
        _speak(http)
        engine = await self._engine()
        choices = await run_in_threadpool(engine.catalogue)
        return JSONResponse({"object": "list", "data": [choice.to_dict() for choice in choices]})

    async def model(self, http: HTTPRequest) -> Response:
        """GET /v1/models/NAME."""
        _speak(http)
        engine = await self._engine()
        try:
            choice = await run_in_threadpool(engine.find, http.path_params["name"])
        except ServingError as error:
            return failure(error)
        return JSONResponse(choice.to_dict())

    async def unknown(self, http: HTTPRequest) -> Response:
        """Any other address under /v1, so that clients get an error they can read."""
        _speak(http)
        return failure(BodyError("serving.no_such_route", status=404, code="unknown_url", path=http.url.path))

    async def health(self, http: HTTPRequest) -> Response:
        """GET /health: is the process answering, which model is loaded, how long is the queue."""
        engine = await self._engine()
        loaded = engine.loaded
        return JSONResponse(
            {
                "status": "ok",
                "model": loaded.name if loaded else None,
                "waiting": engine.waiting,
                "answering": engine.answering,
            }
        )


class Answer:
    """One ticket as an HTTP answer."""

    def __init__(self, ticket: Ticket, wanted: Completion):
        self._ticket = ticket
        self._wanted = wanted
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    async def complete(self, http: HTTPRequest) -> Response:
        """Wait for the whole answer, or for the client to go away."""
        try:
            async with _watched(http, self._ticket), contextlib.aclosing(aiter(self._ticket)) as pieces:
                async for _piece in pieces:
                    pass
        except ServingError as error:
            return failure(error)
        message = {"role": "assistant", "content": self._ticket.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason()}
        return JSONResponse(self._envelope("chat.completion", [choice]) | {"usage": self._ticket.usage} | self._extra())

    async def streamed(self, http: HTTPRequest) -> Response:
        """Server-sent events. The status waits for the first piece, so that an error before it has its own."""
        watcher = _watched(http, self._ticket)
        await watcher.__aenter__()
        pieces = aiter(self._ticket)
        try:
            first = await anext(pieces, "")
        except BaseException as error:
            await watcher.__aexit__(None, None, None)
            if isinstance(error, ServingError):
                return failure(error)
            raise
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(first, pieces, watcher), media_type="text/event-stream", headers=headers)

    async def _events(self, first: str, pieces, watcher) -> AsyncIterator[str]:
        try:
            async with contextlib.aclosing(pieces):
                yield self._event({"role": "assistant", "content": first})
                async for piece in pieces:
                    yield self._event({"content": piece})
            yield self._event({}, self._finish_reason(), self._extra())
            if self._wanted.include_usage:
                yield _sse(self._envelope("chat.completion.chunk", []) | {"usage": self._ticket.usage})
            yield "data: [DONE]\n\n"
        except ServingError as error:
            yield _sse(error_body(error))
        finally:
            self._ticket.cancel()
            await watcher.__aexit__(None, None, None)

    def _event(self, delta: dict, finish_reason: str | None = None, extra: dict | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._wanted.include_usage else {}
        return _sse(self._envelope("chat.completion.chunk", [choice]) | usage | (extra or {}))

    def _envelope(self, kind: str, choices: list[dict]) -> dict:
        stamp = self._ticket.stamp
        fingerprint = f"{stamp.base}/{stamp.adapter or 'base'}@{stamp.step}" if stamp else None
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._wanted.request.model or (stamp.base if stamp else ""),
            "system_fingerprint": fingerprint,
            "choices": choices,
        }

    def _finish_reason(self) -> str:
        """In OpenAI's words: an answer broken off by its deadline ended for its length."""
        return "stop" if self._ticket.finish_reason == "stop" else "length"

    def _extra(self) -> dict:
        """What only this program tells: the stamp, and how many old turns did not fit."""
        stamp = self._ticket.stamp
        return {"easyaigc": {"stamp": stamp.to_dict() if stamp else None, "dropped_turns": self._ticket.dropped_turns}}


@contextlib.asynccontextmanager
async def _watched(http: HTTPRequest, ticket: Ticket) -> AsyncIterator[None]:
    """Cancel `ticket` as soon as the client's connection is gone."""

    async def watch() -> None:
        while (await http.receive())["type"] != "http.disconnect":
            pass
        ticket.cancel()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


@contextlib.contextmanager
def ending_on_signals(close: Callable[[], None]) -> Iterator[None]:
    """Call `close` when Ctrl-C or a termination signal arrives, then go on as before.

    The server waits for open event streams before it stops, so the streams have to end first. Only the main thread
    can listen to signals; anywhere else this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number, frame) -> None:
        # on a thread, since the interrupted code may hold the very locks that `close` needs
        threading.Thread(target=close, name="closing", daemon=True).start()
        if callable(before[number]):
            before[number](number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _body(http: HTTPRequest) -> bytes:
    """The request body, read no further than the limit.

    Raises:
        BodyError: 413, the body is larger.
    """
    chunks, size = [], 0
    async for chunk in http.stream():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise BodyError("serving.body_too_large", status=413, code="request_too_large", limit=text.size(BODY_LIMIT))
        chunks.append(chunk)
    return b"".join(chunks)


def _owner(http: HTTPRequest) -> str:
    """For whom the queue counts this request: the account the guard has found, else the client's address."""
    user = http.scope.get("user_name")
    return user or (http.client.host if http.client else "")


def _speak(http: HTTPRequest) -> None:
    """Word errors in the client's language; Chinese unless it asks for English first."""
    asked = http.headers.get("accept-language", "").strip().lower()
    text.use("en" if asked.startswith("en") else "zh")


def failure(error: ServingError) -> JSONResponse:
    """An error as OpenAI's clients read it, with Retry-After where trying again helps."""
    headers = {}
    if isinstance(error, EngineBusy):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, EngineUnavailable):
        headers["Retry-After"] = str(RETRY_SECONDS)
    return JSONResponse(error_body(error), status_code=error.status, headers=headers)


def error_body(error: ServingError) -> dict:
    """OpenAI's error object."""
    kind = ERROR_TYPES.get(error.status, "invalid_request_error")
    parameter = error.values.get("field")
    return {"error": {"message": str(error), "type": kind, "param": parameter, "code": error.code}}


def _sse(record: dict) -> str:
    return f"data: {json.dumps(record, ensure_ascii=False)}\n\n"
