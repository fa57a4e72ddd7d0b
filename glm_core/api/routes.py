"""The HTTP API on the engine's handles: what OpenAI's clients expect of /v1/chat/completions, /v1/completions and /v1/models;
/health and /metrics for the operator.

The handlers are async and never hold a thread: an answer arrives as asyncio events, a client that goes away cancels
its handle. Not here: who may call (the guard in front decides), how an answer looks (`responses.py`), what its fields mean
(`schemas.py`, described in `openapi.py`), the answers themselves (`engine.py`).
"""

import contextlib
import functools
import logging
import secrets
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from glm_core import i18n
from glm_core.api import openapi
from glm_core.api.errors import failure
from glm_core.api.parsing import BodyError, Completion, parse, parse_legacy, parse_responses
from glm_core.api.prometheus import CONTENT_TYPE, ApiMetrics
from glm_core.api.response_objects import ResponseObject
from glm_core.api.responses import CompletionStream
from glm_core.auth.requests.request_ids import HEADER, request_id
from glm_core.serving.base import Engine
from glm_core.serving.errors import ServingError
from glm_core.serving.request_handle import RequestHandle

log = logging.getLogger(__name__)

BODY_LIMIT = 1_000_000
"Bytes of a request body; a conversation of the longest context is far smaller."


DRAIN_LIMIT, DRAIN_SECONDS = 32_000_000, 5.0
"How much more of a body that is too large is read, so that its sender gets to see the answer instead of a broken pipe."
METHODS = {
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/responses": "POST",
    "/v1/models": "GET",
    "/v1/models/": "GET",
}
WITHOUT_PREFIX = ("/v1", "/chat/completions", "/completions", "/responses", "/embeddings", "/models/{rest:rest}")
EVERY_METHOD = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"]


class _Rest(PathConvertor):
    """The rest of an address, line breaks too, which `path` leaves to whoever comes next."""

    regex = "(?s:.*)"


register_url_convertor("rest", _Rest())


def routes(engine: Callable[[], Engine], made: Callable[[], Engine | None] | None = None) -> list[Route]:
    """The API's routes.

    Args:
        engine: gives the one engine; called once a request, cheap after the first time.
        made: gives the engine where it has been made, for /health, which makes none.
    """
    api = Api(engine, made or engine)
    return [
        Route("/v1/chat/completions", _guarded(api.chat), methods=["POST"]),
        Route("/v1/completions", _guarded(api.completions), methods=["POST"]),
        Route("/v1/responses", _guarded(api.responses), methods=["POST"]),
        Route("/v1/models", _guarded(api.models), methods=["GET"]),
        Route("/v1/models/", _guarded(api.models), methods=["GET"], include_in_schema=False),
        Route("/v1/models/{name:rest}", _guarded(api.model), methods=["GET"]),
        Route("/v1/{rest:rest}", _guarded(api.unknown), methods=EVERY_METHOD),
        Route("/openapi.json", _guarded(api.description), methods=["GET"]),
        Route("/health", _guarded(api.health), methods=["GET"]),
        Route("/metrics", _guarded(api.metrics), methods=["GET"]),
        _ForPrograms("/models", _guarded(api.unknown), methods=EVERY_METHOD, include_in_schema=False),
        *(Route(path, _guarded(api.unknown), methods=EVERY_METHOD, include_in_schema=False) for path in WITHOUT_PREFIX),
    ]


def _guarded(handler: Callable[[HTTPRequest], Awaitable[Response]]) -> Callable[[HTTPRequest], Awaitable[Response]]:
    """`handler`, every error of which is an answer that OpenAI's clients can read; a defect by its number in the log."""

    @functools.wraps(handler)
    async def handling(http: HTTPRequest) -> Response:
        _speak(http)
        identifier = request_id(http.headers)
        try:
            answer = await handler(http)
        except ServingError as error:
            answer = failure(error)
        except (ClientDisconnect, HTTPException):
            raise
        except Exception as error:
            number = secrets.token_hex(3)
            log.error("incident %s, request %s", number, identifier, exc_info=error)
            answer = failure(ServingError("serving.defect", number=number))
        answer.headers[HEADER] = identifier
        log.info("%s %s %s %d", identifier, http.method, http.url.path, answer.status_code)
        return answer

    return handling


class _ForPrograms(Route):
    """An address that is also a page's: who wants HTML gets the page."""

    def matches(self, scope):
        accepted = dict(scope.get("headers", ())).get(b"accept", b"")
        return (Match.NONE, {}) if b"text/html" in accepted else super().matches(scope)


class Api:
    """The handlers; they share the engine and what is counted."""

    def __init__(self, engine: Callable[[], Engine], made: Callable[[], Engine | None]):
        self._get_engine, self._made = engine, made
        self._meter = ApiMetrics()

    async def _engine(self) -> Engine:
        """The engine. Making it imports torch, which must not hold up the event loop."""
        return await run_in_threadpool(self._get_engine)

    async def chat(self, http: HTTPRequest) -> Response:
        """POST /v1/chat/completions, complete or streaming."""
        return await self._answer(http, parse)

    async def completions(self, http: HTTPRequest) -> Response:
        """POST /v1/completions: each prompt is asked as one question, for programs that know nothing else."""
        return await self._answer(http, parse_legacy)

    async def responses(self, http: HTTPRequest) -> Response:
        """POST /v1/responses: text and calls of tools, in OpenAI's newer form."""
        try:
            wanted, asked = parse_responses(await _body(http), _owner(http))
            engine = await self._engine()
            (handle,) = await run_in_threadpool(_submit_all, engine, wanted)
        except ServingError as error:
            self._meter.refused(error.status)
            return failure(error)
        answer = ResponseObject(handle, asked, wanted.calls, self._meter)
        return await (answer.streamed(http) if wanted.stream else answer.complete(http))

    async def _answer(self, http: HTTPRequest, read: Callable[[bytes, str], Completion]) -> Response:
        try:
            wanted = read(await _body(http), _owner(http))
            engine = await self._engine()
            handles = await run_in_threadpool(_submit_all, engine, wanted)
        except ServingError as error:
            self._meter.refused(error.status)
            return failure(error)
        answer = CompletionStream(handles, wanted, self._meter)
        return await (answer.streamed(http) if wanted.stream else answer.complete(http))

    async def models(self, http: HTTPRequest) -> Response:
        """GET /v1/models."""
        engine = await self._engine()
        choices = await run_in_threadpool(engine.catalogue)
        return JSONResponse({"object": "list", "data": [choice.to_dict() for choice in choices]})

    async def model(self, http: HTTPRequest) -> Response:
        """GET /v1/models/NAME."""
        engine = await self._engine()
        choice = await run_in_threadpool(engine.find, http.path_params["name"])
        return JSONResponse(choice.to_dict())

    async def unknown(self, http: HTTPRequest) -> Response:
        """Any other address or method under /v1, so that clients get an error they can read."""
        path = http.url.path
        if path in ("/v1/embeddings", "/embeddings"):
            raise BodyError("serving.no_embeddings", status=404, code="model_not_found")
        if not path.startswith("/v1"):
            base = str(http.base_url).rstrip("/")
            raise BodyError("serving.no_v1", status=404, code="unknown_url", path=path, base=base)
        allowed = "GET" if path.startswith("/v1/models/") else METHODS.get(path)
        if allowed is None:
            raise BodyError("serving.no_such_route", status=404, code="unknown_url", path=path)
        error = BodyError(
            "serving.no_such_method", 405, "method_not_allowed", path=path, method=http.method, allowed=allowed
        )
        answer = failure(error)
        answer.headers["allow"] = allowed
        return answer

    async def description(self, _http: HTTPRequest) -> Response:
        """GET /openapi.json: all of this for programs that write clients."""
        return JSONResponse(openapi.description())

    async def health(self, http: HTTPRequest) -> Response:
        """GET /health: is the process answering; for those who may come in also which model is loaded, how long is the queue; 503 where the server that answers for it is gone."""
        if http.scope.get("account", http) is None:
            return JSONResponse({"status": "ok"})
        engine = await run_in_threadpool(self._made)
        if engine is not None:
            await run_in_threadpool(engine.check)
        loaded = engine.loaded if engine else None
        return JSONResponse(
            {
                "status": "ok",
                "model": loaded.name if loaded else None,
                "waiting": engine.waiting if engine else 0,
                "answering": engine.answering if engine else 0,
            }
        )

    async def metrics(self, _http: HTTPRequest) -> Response:
        """GET /metrics, as Prometheus reads it."""
        engine = await self._engine()
        return Response(self._meter.text(engine), media_type=CONTENT_TYPE)


def _submit_all(engine: Engine, wanted: Completion) -> list[RequestHandle]:
    """A handle for every choice, or none at all."""
    handles: list[RequestHandle] = []
    try:
        for request in wanted.requests:
            handles.append(engine.submit(request))
    except ServingError:
        for handle in handles:
            handle.cancel()
        raise
    return handles


@contextlib.contextmanager
def ending_on_signals(close: Callable[[], None]) -> Iterator[None]:
    """Call `close` when Ctrl-C or a termination signal arrives, then go on as before.

    A closed terminal counts as a termination signal, unless it is ignored (nohup). The server waits for open event streams before it stops, so the streams have to end first. Only the main thread
    can listen to signals; anywhere else this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    then = dict(before)
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:
        before[hangup], then[hangup] = signal.SIG_DFL, before[signal.SIGTERM]

    def handle(number, frame) -> None:
        # on a thread, since the interrupted code may hold the very locks that `close` needs
        threading.Thread(target=close, name="closing", daemon=True).start()
        if callable(then[number]):
            then[number](signal.SIGTERM if number == hangup else number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _body(http: HTTPRequest) -> bytes:
    """The request body, kept no further than the limit.

    Raises:
        BodyError: 413, the body is larger. What else comes within a bound is read and thrown away.
    """
    chunks, size = [], 0
    deadline = time.monotonic() + DRAIN_SECONDS
    async for chunk in http.stream():
        size += len(chunk)
        if size <= BODY_LIMIT:
            chunks.append(chunk)
            deadline = time.monotonic() + DRAIN_SECONDS
        elif size > DRAIN_LIMIT or time.monotonic() > deadline:
            break
    if size > BODY_LIMIT:
        raise BodyError("serving.body_too_large", status=413, code="request_too_large", limit=i18n.size(BODY_LIMIT))
    return b"".join(chunks)


def _owner(http: HTTPRequest) -> str:
    """For whom the queue counts this request: the account the guard has found, else the client's address."""
    user = http.scope.get("user_name")
    return user or (http.client.host if http.client else "")


def _speak(http: HTTPRequest) -> None:
    """Word errors in the client's language; Chinese unless it asks for English first."""
    asked = http.headers.get("accept-language", "").strip().lower()
    i18n.use("en" if asked.startswith("en") else "zh")
