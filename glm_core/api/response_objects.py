"""POST /v1/responses: one text answer in the form that OpenAI's newer clients default to, complete or as events.

Nothing is stored, so there is no `previous_response_id` and no way to fetch an answer again.
"""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from glm_core.api import schemas
from glm_core.api.errors import blaming, error_body, failure
from glm_core.api.prometheus import ApiMetrics
from glm_core.api.responses import STREAM_HEADERS, merged, sse, watched
from glm_core.serving.errors import ServingError
from glm_core.serving.request_handle import RequestHandle


class ResponseObject:
    """The handle of one call as a response object."""

    def __init__(self, handle: RequestHandle, asked: schemas.ResponsesRequest, meter: ApiMetrics):
        self._handle, self._asked, self._meter = handle, asked, meter
        self._id, self._item = f"resp_{secrets.token_hex(12)}", f"msg_{secrets.token_hex(12)}"
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
        place = {"item_id": self._item, "output_index": 0, "content_index": 0}
        try:
            async with watched(http, [self._handle]), contextlib.aclosing(pieces):
                yield self._event("response.created", response=self._object("in_progress"))
                yield self._event("response.in_progress", response=self._object("in_progress"))
                yield self._event("response.output_item.added", output_index=0, item=self._message("in_progress", []))
                yield self._event("response.content_part.added", **place, part=_part(""))
                if first[1]:
                    yield self._event("response.output_text.delta", **place, delta=first[1], logprobs=[])
                async for _number, piece in pieces:
                    if piece:
                        yield self._event("response.output_text.delta", **place, delta=piece, logprobs=[])
            text = self._handle.continuation
            yield self._event("response.output_text.done", **place, text=text, logprobs=[])
            yield self._event("response.content_part.done", **place, part=_part(text))
            yield self._event(
                "response.output_item.done", output_index=0, item=self._message(self._status, [_part(text)])
            )
            yield self._event(f"response.{self._status}", response=self._object(self._status))
        except ServingError as error:
            yield self._event("error", **error_body(blaming(error, "input"))["error"])
        finally:
            self._handle.cancel()
            self._meter.answered([self._handle])

    @property
    def _status(self) -> str:
        return "completed" if self._handle.finish_reason == "stop" else "incomplete"

    def _event(self, kind: str, **values) -> str:
        record = (
            {"type": kind, "sequence_number": self._number}
            | {"type": kind}
            | {k: v for k, v in values.items() if k != "type"}
        )
        self._number += 1
        return f"event: {kind}\n" + sse(record)

    def _message(self, status: str, content: list[dict]) -> dict:
        return {"id": self._item, "type": "message", "role": "assistant", "status": status, "content": content}

    def _object(self, status: str) -> dict:
        asked, handle, done = self._asked, self._handle, status != "in_progress"
        form = (
            asked.text.format.model_dump(by_alias=True, exclude_none=True)
            if asked.text and asked.text.format
            else {"type": "text"}
        )
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
            "output": [self._message(status, [_part(handle.continuation)])] if done else [],
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "text": {"format": form},
            "tool_choice": "none",
            "tools": [],
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


def _part(text: str) -> dict:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
