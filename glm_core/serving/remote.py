"""The engine's interface over any OpenAI-compatible server (vLLM, SGLang ...), for when one card is not enough.

The same tickets, so pages and API need not know. Each answer streams on a thread of its own; the server does the
queueing. Not here: training, adapters (the server has loaded them under their own names).
"""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from glm_core.serving.catalogue import Choice
from glm_core.serving.tickets import (
    EngineBusy,
    EngineUnavailable,
    Request,
    RequestError,
    ServingError,
    Stamp,
    Ticket,
    UnknownModel,
)

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 300.0
"How long the server may say nothing: it may be loading a model."
CATALOGUE_SECONDS = 30.0
EXTENSIONS = ("top_k", "repetition_penalty")
"What vLLM and SGLang take beside OpenAI's fields, and others (`transformers serve`) refuse."


@dataclass(frozen=True)
class Server:
    """What stands in for the loaded model: the server itself."""

    name: str
    path: Path
    family: str = "remote"
    context_length: int = 0
    sampling: dict = None
    seconds: float = 0.0


class RemoteEngine:
    """Answers requests through the server at `url`.

    Args:
        url: up to and with `/v1`.
        key: its bearer key; empty where it wants none.
        together: requests that may be on their way at once.
    """

    def __init__(self, url: str, key: str = "", together: int = 64):
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=timeout)
        self._together = together
        self._running: set[Ticket] = set()
        self._lock = threading.Lock()
        self._choices: tuple[float, list[Choice]] = (-CATALOGUE_SECONDS, [])
        self.progress = self.loading = None

    @property
    def loaded(self) -> Server:
        """The server."""
        return Server(self._url, Path(self._url), sampling={})

    @property
    def waiting(self) -> int:
        """Always 0: the server has the queue."""
        return 0

    @property
    def answering(self) -> int:
        """Requests on their way."""
        return len(self._running)

    def catalogue(self) -> list[Choice]:
        """What the server lists, asked again after half a minute.

        Raises:
            EngineUnavailable: it does not answer.
        """
        asked, choices = self._choices
        if time.monotonic() - asked > CATALOGUE_SECONDS:
            record = self._get("/models")
            choices = [_choice(entry) for entry in record.get("data", []) if isinstance(entry.get("id"), str)]
            self._choices = (time.monotonic(), choices)
        return choices

    def find(self, name: str) -> Choice:
        """The choice of that name; the server's first for an empty one.

        Raises:
            UnknownModel: there is none.
        """
        choices = self.catalogue()
        for choice in choices:
            if name in (choice.name, ""):
                return choice
        known = "、".join(choice.name for choice in choices[:8]) or "-"
        raise UnknownModel("serving.unknown_model", name=name[:80], known=known)

    def submit(self, request: Request) -> Ticket:
        """Send `request`. Returns at once; the answer comes on the ticket.

        Raises:
            UnknownModel, EngineBusy, EngineUnavailable: as the engine of this process.
            RequestError: a strength other than 1, which only this process can give an adapter.
        """
        if request.strength != 1.0:
            raise RequestError("serving.unsupported", "strength", value=request.strength)
        ticket = Ticket(request, self.find(request.model))
        with self._lock:
            if len(self._running) >= self._together:
                raise EngineBusy("serving.busy", 5, waiting=len(self._running))
            self._running.add(ticket)
        ticket.stamp = Stamp(f"{ticket.choice.name} @ {httpx.URL(self._url).host}", sampling=_sampling(request))
        threading.Thread(target=self._answer, args=(ticket,), name="remote answer", daemon=True).start()
        return ticket

    def cancel_loading(self) -> None:
        """Nothing to do: the server loads what it serves before it listens."""

    def unload(self) -> None:
        """Nothing to do: the server's memory is its own."""

    def close(self) -> None:
        """Cancel what is on its way and close the connections."""
        for ticket in list(self._running):
            ticket.cancel()
        self._client.close()

    def _answer(self, ticket: Ticket) -> None:
        try:
            reason = self._stream(ticket)
            ticket.finish("cancelled" if ticket.cancelled else reason)
        except ServingError as error:
            ticket.finish("error", error=error)
        except (httpx.HTTPError, RuntimeError, ValueError) as error:  # RuntimeError: the client was closed meanwhile
            ticket.finish("error", error=EngineUnavailable("serving.remote_failed", url=self._url, why=error))
        finally:
            with self._lock:
                self._running.discard(ticket)

    def _stream(self, ticket: Ticket) -> str:
        """Pass the server's events on to the ticket; returns why the answer ended."""
        reason = "stop"
        ticket.begin()
        with self._asked(ticket) as response:
            for event in _events(response):
                if ticket.cancelled or ticket.overdue():
                    return "cancelled" if ticket.cancelled else "length"
                if "error" in event:
                    raise EngineUnavailable("serving.remote_failed", url=self._url, why=event["error"])
                reason = _take(ticket, event) or reason
        return reason

    @contextmanager
    def _asked(self, ticket: Ticket) -> Iterator[httpx.Response]:
        """The server's good answer; without the fields that only some servers know where it refuses them, which the stamp then says."""
        body = _body(ticket)
        plain = {name: value for name, value in body.items() if name not in EXTENSIONS}
        with self._client.stream("POST", "/chat/completions", json=body) as response:
            if response.status_code == 200:
                yield response
                return
            response.read()
        if response.status_code not in (400, 422) or plain == body:
            raise self._refusal(response)
        with self._client.stream("POST", "/chat/completions", json=plain) as response:
            if response.status_code != 200:
                response.read()
                raise self._refusal(response)
            known = {name: value for name, value in ticket.stamp.sampling.items() if name not in EXTENSIONS}
            ticket.stamp = replace(ticket.stamp, sampling=known)
            yield response

    def _get(self, path: str) -> dict:
        try:
            response = self._client.get(path, timeout=CONNECT_SECONDS)
            if response.status_code != 200:
                raise self._refusal(response)
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise EngineUnavailable("serving.remote_failed", url=self._url, why=error) from error

    def _refusal(self, response: httpx.Response) -> ServingError:
        """The server's error as one of ours."""
        why = f"{response.status_code} {response.text[:200]}"
        if response.status_code == 429:
            after = response.headers.get("Retry-After", "")
            return EngineBusy("serving.busy", int(after) if after.isdecimal() else 5, waiting=len(self._running))
        if response.status_code in (400, 413, 422):
            return RequestError("serving.remote_failed", url=self._url, why=why)
        return EngineUnavailable("serving.remote_failed", url=self._url, why=why)


def _choice(entry: dict) -> Choice:
    created = entry.get("created")
    return Choice(entry["id"], entry["id"], Path(entry["id"]), created=created if isinstance(created, int) else 0)


def _sampling(request: Request) -> dict:
    names = ("temperature", "top_p", "top_k", "repetition_penalty", "seed")
    unused = {"top_k": 0, "repetition_penalty": 1.0}
    return {name: value for name in names if (value := getattr(request, name)) is not None and value != unused.get(name)}


def _body(ticket: Ticket) -> dict:
    request = ticket.request
    body = {
        "model": ticket.choice.name,
        "messages": list(request.messages),
        "max_tokens": request.max_new_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(request),
    }
    if request.beginning:  # in the words of vLLM and SGLang
        body["messages"].append({"role": "assistant", "content": request.beginning})
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body | ({"stop": list(request.stop)} if request.stop else {})


def _events(response: httpx.Response) -> Iterator[dict]:
    """The JSON of every server-sent event until `[DONE]`."""
    for line in response.iter_lines():
        content = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if content == "[DONE]":
            return
        if content:
            yield json.loads(content)


def _take(ticket: Ticket, event: dict) -> str | None:
    """Put one event on the ticket; returns the finish reason where it has one."""
    usage = event.get("usage")
    if usage:
        ticket.prompt_tokens = usage.get("prompt_tokens", ticket.prompt_tokens)
    reason = None
    for choice in event.get("choices", [])[:1]:
        piece = (choice.get("delta") or {}).get("content")
        if piece:
            ticket.add(piece)
        reason = choice.get("finish_reason")
    if usage:
        ticket.completion_tokens = usage.get("completion_tokens", ticket.completion_tokens)
    return reason
