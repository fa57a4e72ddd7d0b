"""The engine's interface over any OpenAI-compatible server (vLLM, SGLang ...), for when one GPU is not enough.

The same handles, so pages and API need not know. The answers stream on one event loop with a thread of its own; the
server does the queueing. Not here: training, adapters (the server has loaded them under their own names).
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from glm_core import i18n
from glm_core.hub import private_hosts
from glm_core.serving.base import LoadedBase, LogLikelihood, Progress
from glm_core.serving.errors import EngineBusy, EngineUnavailable, RequestError, ServingError, UnknownModel
from glm_core.serving.remote.body import (
    EXTENSIONS,
    TOO_LONG,
    body,
    bounded,
    official_sampling,
    sampling,
    shorter,
)
from glm_core.serving.remote.reply import choice_of, entries, events, reason_of, take, words_of
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import Provenance, ServedModel
from glm_core.serving.text_stream import Stopper

if TYPE_CHECKING:
    import numpy


CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 300.0
"How long the server may say nothing: it may be loading a model."
CATALOGUE_SECONDS = 30.0
REACHED_SECONDS = 2.0
"How long an answer to whether the server is there counts."


class RemoteHandle(RequestHandle):
    """A handle that hangs up as soon as it is cancelled, also while the server says nothing."""

    call: asyncio.Task | None = None
    "What reads the answer; None until it has begun."

    def cancel(self) -> None:
        super().cancel()
        if self.call is not None:
            with suppress(RuntimeError):  # the engine was closed: nothing is read any more
                self.call.get_loop().call_soon_threadsafe(self.call.cancel)


class RemoteEngine:
    """Answers requests through the server at `url`.

    Args:
        url: up to and with `/v1`.
        key: its bearer key; empty where it wants none.
        together: requests that may be on their way at once.
        guarded: the address is a reader's and not the operator's: while the dashboard is shared, private ones are refused.
    """

    local = False

    def __init__(self, url: str, key: str = "", together: int = 64, guarded: bool = False):
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        once = private_hosts.transport() if guarded else None
        streams = private_hosts.async_transport() if guarded else None
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=CONNECT_SECONDS, transport=once)
        self._streams = httpx.AsyncClient(base_url=self._url, headers=headers, timeout=timeout, transport=streams)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="remote answers", daemon=True).start()
        self._together = together
        self._running: set[RemoteHandle] = set()
        self._lock = threading.Lock()
        self._choices: tuple[float, list[ServedModel]] = (-CATALOGUE_SECONDS, [])
        self._reached = -REACHED_SECONDS
        self.progress: tuple[str, float | None] | None = None
        self.loading: Path | None = None

    @property
    def loaded(self) -> LoadedBase:
        """The server."""
        return LoadedBase(self._url, Path(self._url))

    @property
    def held(self) -> int:
        """Always 0: nothing is on a GPU here."""
        return 0

    @property
    def waiting(self) -> int:
        """Always 0: the server has the queue."""
        return 0

    @property
    def answering(self) -> int:
        """Requests on their way."""
        return len(self._running)

    def catalogue(self) -> list[ServedModel]:
        """Return what the server lists, asked again after half a minute.

        Raises:
            EngineUnavailable: it does not answer.
        """
        asked, choices = self._choices
        if time.monotonic() - asked > CATALOGUE_SECONDS:
            try:
                choices = [choice_of(entry) for entry in entries(self._get("/models"))]
            except ValueError as error:
                raise self._failed(error) from error
            self._choices = (time.monotonic(), choices)
        return choices

    def check(self) -> None:
        """Ask the server whether it is there, at most every two seconds.

        Raises:
            EngineUnavailable: it does not answer.
        """
        if time.monotonic() - self._reached > REACHED_SECONDS:
            self._choices = (-CATALOGUE_SECONDS, self._choices[1])
            self.catalogue()
            self._reached = time.monotonic()

    def find(self, name: str) -> ServedModel:
        """The choice of that name; the server's first for an empty one.

        Raises:
            UnknownModel: there is none.
        """
        choices = self.catalogue()
        for choice in choices:
            if name in (choice.name, ""):
                return choice
        known = i18n.join((choice.name for choice in choices[:8]), "item") or "-"
        raise UnknownModel("serving.unknown_model", name=name[:80], known=known)

    def submit(self, request: Request) -> RequestHandle:
        """Send `request`. Returns at once; the answer comes on the handle.

        Raises:
            UnknownModel, EngineBusy, EngineUnavailable: as the engine of this process.
            RequestError: a strength other than 1, which only this process can give an adapter.
        """
        if request.strength != 1.0:
            raise RequestError("serving.unsupported", "strength", value=request.strength)
        handle = RemoteHandle(request, self.find(request.model))
        with self._lock:
            if self._client.is_closed:
                raise EngineUnavailable("serving.closing")
            if len(self._running) >= self._together:
                raise EngineBusy("serving.busy", 5, waiting=len(self._running))
            self._running.add(handle)
        name = f"{handle.choice.title} @ {httpx.URL(self._url).host}"
        chosen = sampling(request, official_sampling(handle.choice.name))
        handle.provenance = Provenance(name, sampling=chosen, thinking=request.thinking, elsewhere=True)
        asyncio.run_coroutine_threadsafe(self._answer(handle), self._loop)
        return handle

    def load(
        self, path: str | Path, progress: Progress | None = None, cancelled: threading.Event | None = None
    ) -> LoadedBase:
        """Never: what answers is loaded at the server.

        Raises:
            EngineUnavailable: always.
        """
        raise self._not_here()

    def fits(self, model: ServedModel, questions: Sequence[str]) -> list[bool]:
        """Never: as `load`."""
        raise self._not_here()

    def log_likelihoods(
        self, model: ServedModel, texts: Sequence[tuple[str, str]], plain: bool = False
    ) -> list[LogLikelihood]:
        """Never: as `load`."""
        raise self._not_here()

    def kl_divergences(self, model: ServedModel, texts: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """Never: as `load`."""
        raise self._not_here()

    def first_token_distributions(self, model: ServedModel, questions: Sequence[str]) -> "list[numpy.ndarray]":
        """Never: as `load`."""
        raise self._not_here()

    def _not_here(self) -> EngineUnavailable:
        return EngineUnavailable("serving.remote_only", url=self._url)

    def cancel_loading(self) -> None:
        """Do nothing: the server loads what it serves before it listens."""

    def unload(self) -> None:
        """Do nothing: the server's memory is its own."""

    def close(self) -> None:
        """Cancel what is on its way and close the connections."""
        with self._lock:
            if self._client.is_closed:
                return
            self._client.close()
        for handle in list(self._running):
            handle.cancel()
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop)

    async def _leave(self) -> None:
        """Wait for the cancelled answers to end, then end the loop."""
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
        await self._streams.aclose()
        self._loop.stop()

    async def _answer(self, handle: RemoteHandle) -> None:
        handle.call = asyncio.ensure_future(self._stream(handle))
        if handle.cancelled:
            handle.call.cancel()
        try:
            async with asyncio.timeout(handle.request.timeout):
                handle.finish(*await handle.call)
        except asyncio.CancelledError:
            handle.finish("cancelled")
        except TimeoutError:
            handle.finish("length")
        except ServingError as error:
            handle.finish("error", error=error)
        except Exception as error:  # no connection, no JSON, or JSON of another shape
            handle.finish("error", error=self._failed(error))
        finally:
            with self._lock:
                self._running.discard(handle)

    async def _stream(self, handle: RequestHandle) -> tuple[str, str]:
        """Pass the server's events on to the handle; returns why the answer ended, and the last of its text."""
        reason, stopper = "stop", Stopper(handle.request.stop)  # some servers send the stop string too
        handle.begin()
        async with self._asked(handle) as response:
            async for event in events(response):
                if "error" in event:
                    raise self._failed(reason_of(event))
                reason = take(handle, event, stopper) or reason
        return reason, stopper.finish()

    @asynccontextmanager
    async def _asked(self, handle: RequestHandle) -> AsyncIterator[httpx.Response]:
        """The server's good answer, with fewer of the oldest turns while it refuses the conversation for its length."""
        request, dropped = handle.request, 0
        while True:
            async with self._posted(handle, request) as response:
                if response.status_code == 200:
                    handle.dropped_turns = dropped
                    yield response
                    return
            refusal = self._refusal(response)
            if not TOO_LONG.search(str(refusal)):
                raise refusal
            if (first := bounded(request, handle.choice.context)) != request:
                request = first
                continue
            request, more = shorter(request)
            if not more:
                raise refusal
            dropped += more

    @asynccontextmanager
    async def _posted(self, handle: RequestHandle, request: Request) -> AsyncIterator[httpx.Response]:
        """The server's answer; without the fields that only some servers know where it refuses them, which the provenance then says."""
        chosen = handle.provenance.sampling
        whole = body(request, handle.choice.name, chosen)
        plain = {name: value for name, value in whole.items() if name not in EXTENSIONS}
        async with self._streams.stream("POST", "/chat/completions", json=whole) as response:
            if response.status_code != 200:
                await response.aread()
            if response.status_code not in (400, 422) or plain == whole or TOO_LONG.search(response.text):
                yield response
                return
        async with self._streams.stream("POST", "/chat/completions", json=plain) as response:
            if response.status_code != 200:
                await response.aread()
            else:
                known = {name: value for name, value in chosen.items() if name not in EXTENSIONS}
                handle.provenance = replace(handle.provenance, sampling=known)
            yield response

    def _get(self, path: str) -> object:
        try:
            response = self._client.get(path)
            if response.status_code != 200:
                raise self._refusal(response)
            return response.json()
        except (httpx.HTTPError, private_hosts.PrivateHostError, RuntimeError, ValueError) as error:  # closed meanwhile
            raise self._failed(error) from error

    def _failed(self, why: object) -> EngineUnavailable:
        """Return what went wrong, an exception or the server's words, as an error of ours."""
        if isinstance(why, private_hosts.PrivateHostError):
            return EngineUnavailable(why.key, **why.values)
        if isinstance(why, httpx.ConnectError | httpx.ConnectTimeout):
            return EngineUnavailable("serving.remote_gone", url=self._url)
        return EngineUnavailable("serving.remote_failed", url=self._url, why=str(why) or type(why).__name__)

    def _refusal(self, response: httpx.Response) -> ServingError:
        """The server's error as one of ours."""
        if response.status_code in (401, 403):
            return EngineUnavailable("serving.remote_key", url=self._url)
        why = f"{response.status_code} {words_of(response)}"
        if response.status_code == 429:
            after = response.headers.get("Retry-After", "")
            return EngineBusy("serving.busy", int(after) if after.isdecimal() else 5, waiting=len(self._running))
        if response.status_code in (400, 413, 422):
            return RequestError("serving.remote_failed", url=self._url, why=why)
        return self._failed(why)
