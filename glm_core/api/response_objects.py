"""POST /v1/responses: thought, text and calls in the form that OpenAI's newer clients default to, complete or as events.

Nothing is stored, so there is no `previous_response_id` and no way to fetch an answer again.
"""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from glm_core.api import schemas
from glm_core.api.answer_reader import AnswerReader, Delta
from glm_core.api.errors import blaming, error_body, failure
from glm_core.api.prometheus import ApiMetrics
from glm_core.api.response_items import CallItem, MessageItem, OutputItem, ReasoningItem
from glm_core.api.responses import STREAM_HEADERS, merged, sse, watched
from glm_core.api.tools import Calls
from glm_core.serving.errors import ServingError
from glm_core.serving.request_handle import RequestHandle


class ResponseObject:
    """The handle of one call as a response object."""

    def __init__(self, handle: RequestHandle, asked: schemas.ResponsesRequest, calls: Calls | None, meter: ApiMetrics):
        self._handle, self._asked, self._meter = handle, asked, meter
        self._reader = AnswerReader(handle, calls)
        self._items: list[OutputItem] = []
        self._id = f"resp_{secrets.token_hex(12)}"
        self._created, self._number = int(time.time()), 0

    async def complete(self, http: HTTPRequest) -> Response:
        """Wait for the whole answer, or for the client to go away."""
        handles = [self._handle]
        try:
            async with watched(http, handles), contextlib.aclosing(merged(handles)) as pieces:
                async for _piece in pieces:
                    pass
        except ServingError as error:
            return failure(blaming(error, "input"))
        finally:
            self._meter.answered(handles)
        self._reader.read()
        if self._handle.reasoning:
            self._items.append(ReasoningItem(self._handle.reasoning))
        if self._reader.text or not self._reader.calls:
            self._items.append(MessageItem(self._reader.text))
        self._items += map(CallItem, self._reader.calls)
        for item in self._items:
            list(item.closing("completed" if item is not self._items[-1] else self._status))
        return JSONResponse(self._object(self._status))

    async def streamed(self, http: HTTPRequest) -> Response:
        """The events of the answer; the status waits for its first piece, so that an error before it has its own."""
        pieces = merged([self._handle])
        try:
            first = await anext(pieces)
        except ServingError as error:
            self._meter.answered([self._handle])
            return failure(blaming(error, "input"))
        events = self._events(http, first, pieces)
        return StreamingResponse(events, media_type="text/event-stream", headers=STREAM_HEADERS)

    async def _events(self, http: HTTPRequest, first, pieces) -> AsyncIterator[str]:
        try:
            async with watched(http, [self._handle]), contextlib.aclosing(pieces):
                yield self._event("response.created", response=self._object("in_progress"))
                yield self._event("response.in_progress", response=self._object("in_progress"))
                for event in self._grown(first[1]):
                    yield event
                async for _number, piece in pieces:
                    for event in self._grown(piece):
                        yield event
            for event in self._last_events():
                yield event
        except ServingError as error:
            yield self._event("error", **error_body(blaming(error, "input"))["error"])
        finally:
            self._handle.cancel()
            self._meter.answered([self._handle])

    def _grown(self, piece: str | None) -> Iterator[str]:
        """The events for one piece of the answer, or for its end."""
        for delta in self._reader.push(piece or "", ended=piece is None):
            if not self._continues(delta):
                yield from self._ended()
                yield from self._begun(self._item(delta))
            if delta.text:
                event = self._items[-1].growth(delta.text)
                yield self._item_event(event.kind, **event.fields)

    def _continues(self, delta: Delta) -> bool:
        """Return whether `delta` belongs to the last entry."""
        last = self._items[-1] if self._items else None
        if isinstance(last, CallItem):
            return delta.kind == "call" and not delta.begins
        return isinstance(last, MessageItem if delta.kind == "text" else ReasoningItem) and delta.kind != "call"

    def _item(self, delta: Delta) -> OutputItem:
        if delta.kind == "call":
            return CallItem(self._reader.calls[delta.place])
        return MessageItem() if delta.kind == "text" else ReasoningItem()

    def _begun(self, item: OutputItem) -> Iterator[str]:
        self._items.append(item)
        place = len(self._items) - 1
        yield self._event("response.output_item.added", output_index=place, item=item.record())
        for event in item.opening():
            yield self._item_event(event.kind, **event.fields)

    def _ended(self, status: str = "completed") -> Iterator[str]:
        """The events that end the last entry, where there is one."""
        if not self._items:
            return
        item = self._items[-1]
        for event in item.closing(status):
            yield self._item_event(event.kind, **event.fields)
        yield self._event("response.output_item.done", output_index=len(self._items) - 1, item=item.record())

    def _last_events(self) -> Iterator[str]:
        if not any(isinstance(item, MessageItem | CallItem) for item in self._items):  # an answer of no text at all
            yield from self._ended()
            yield from self._begun(MessageItem())
        yield from self._ended(self._status)
        yield self._event(f"response.{self._status}", response=self._object(self._status))

    @property
    def _status(self) -> str:
        return "completed" if self._handle.finish_reason == "stop" else "incomplete"

    def _event(self, kind: str, **values) -> str:
        record = {**values, "type": kind, "sequence_number": self._number}
        self._number += 1
        return f"event: {kind}\n" + sse(record)

    def _item_event(self, kind: str, **values) -> str:
        place = {"item_id": self._items[-1].id, "output_index": len(self._items) - 1}
        return self._event(f"response.{kind}", **place, **values)

    def _object(self, status: str) -> dict:
        asked, done = self._asked, status != "in_progress"
        form = asked.text.format if asked.text else None
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata or {},
            "model": asked.model,
            "output": [item.record() for item in self._items],
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "text": {"format": form.model_dump(by_alias=True, exclude_none=True) if form else {"type": "text"}},
            "tool_choice": _plain(asked.tool_choice) or "auto",
            "tools": [_plain(one) for one in asked.tools or ()],
            "top_p": asked.top_p,
            "truncation": "auto",
            "usage": self._usage() if done else None,
        }

    def _usage(self) -> dict:
        counted = self._handle.usage
        return {
            "input_tokens": counted["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": counted["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": self._handle.reasoning_tokens},
            "total_tokens": counted["total_tokens"],
        }


def _plain(value):
    """A part of the body as it came."""
    return value.model_dump(exclude_none=True) if isinstance(value, schemas.Part) else value
