"""The entries of a response's `output`: a thought, the message, a call; each as a record and as the events it grows by.

Every event names its item, its place in `output` and its number in the stream; those `response_objects.py` adds.
"""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol

from glm_core.api.answer_reader import MadeCall

IN_PROGRESS = "in_progress"


class Event(NamedTuple):
    """The part of an event's name behind `response.`, and its own fields."""

    kind: str
    fields: dict


class OutputItem(Protocol):
    """An entry of `output` that grows."""

    @property
    def id(self) -> str:
        """Its id, which every event of it has."""
        ...

    def record(self) -> dict:
        """Return the entry as it is now."""
        ...

    def opening(self) -> Iterator[Event]:
        """Yield what follows `output_item.added`."""
        ...

    def growth(self, piece: str) -> Event:
        """Add `piece` and return its event."""
        ...

    def closing(self, status: str) -> Iterator[Event]:
        """Set the status, completed or incomplete, and yield what precedes `output_item.done`."""
        ...


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(12)}"


@dataclass
class TextItem:
    """Text in one part; a subclass says of which kind, and what its record, its part and its events have beside it."""

    text: str = ""
    status: str = IN_PROGRESS
    id: str = ""

    kind: ClassVar[str]
    of_record: ClassVar[dict]
    of_part: ClassVar[dict] = {}
    of_events: ClassVar[dict] = {}

    def record(self) -> dict:
        """Return the item; empty while it is in progress."""
        content = [] if self.status == IN_PROGRESS else [self._part()]
        return {"id": self.id, **self.of_record, "status": self.status, "content": content}

    def opening(self) -> Iterator[Event]:
        """Yield the beginning of the part."""
        yield Event("content_part.added", {"content_index": 0, "part": self._part()})

    def growth(self, piece: str) -> Event:
        """Add `piece` and return its event."""
        self.text += piece
        return Event(f"{self.kind}.delta", {"content_index": 0, "delta": piece, **self.of_events})

    def closing(self, status: str) -> Iterator[Event]:
        """Yield the whole text and the end of the part."""
        self.status = status
        yield Event(f"{self.kind}.done", {"content_index": 0, "text": self.text, **self.of_events})
        yield Event("content_part.done", {"content_index": 0, "part": self._part()})

    def _part(self) -> dict:
        return {"type": self.kind, "text": self.text, **self.of_part}


@dataclass
class MessageItem(TextItem):
    """The text of the answer."""

    id: str = field(default_factory=lambda: _id("msg"))

    kind = "output_text"
    of_record = {"type": "message", "role": "assistant"}
    of_part = {"annotations": [], "logprobs": []}
    of_events = {"logprobs": []}


@dataclass
class ReasoningItem(TextItem):
    """The thought before the answer."""

    id: str = field(default_factory=lambda: _id("rs"))

    kind = "reasoning_text"
    of_record = {"type": "reasoning", "summary": []}


@dataclass
class CallItem:
    """A call of a function, whose arguments `answer_reader.AnswerReader` fills."""

    call: MadeCall
    status: str = IN_PROGRESS
    id: str = field(default_factory=lambda: _id("fc"))

    def record(self) -> dict:
        """Return the call; without arguments while it is in progress."""
        arguments = "" if self.status == IN_PROGRESS else self.call.arguments
        named = {"call_id": self.call.id, "name": self.call.name, "arguments": arguments}
        return {"id": self.id, "type": "function_call", "status": self.status, **named}

    def opening(self) -> Iterator[Event]:
        """Yield nothing: the entry itself has the name."""
        yield from ()

    def growth(self, piece: str) -> Event:
        """Return the event of `piece`, which the call has already."""
        return Event("function_call_arguments.delta", {"delta": piece})

    def closing(self, status: str) -> Iterator[Event]:
        """Yield the whole arguments. A call is incomplete where those are no JSON object, and only there."""
        self.status = "completed" if _is_object(self.call.arguments) else "incomplete"
        yield Event("function_call_arguments.done", {"name": self.call.name, "arguments": self.call.arguments})
