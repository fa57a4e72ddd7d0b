"""What each piece of a growing answer adds: to the thought, to the text, or to a call of a tool.

Both forms of an answer, choices (`responses.py`) and output items (`response_objects.py`), are made from these.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from glm_core.api.tools import Calls, GrammarCallReader
from glm_core.serving.request_handle import RequestHandle


@dataclass
class MadeCall:
    """A call in an answer: the function and its arguments as JSON text, as far as they are written."""

    name: str
    arguments: str = ""
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")


class Delta(NamedTuple):
    """A new part of an answer.

    Attributes:
        text: of the thought, of the answer, or of the arguments of the call number `place`.
        begins: nothing of that call was told before; `text` is empty then.
    """

    kind: Literal["thought", "text", "call"]
    text: str
    place: int = 0
    begins: bool = False


class AnswerReader:
    """Reads one handle, as it grows or when it is done.

    Attributes:
        calls: those found so far.
    """

    def __init__(self, handle: RequestHandle, wanted: Calls | None):
        self.calls: list[MadeCall] = []
        self._handle, self._wanted = handle, wanted
        self._grammar = GrammarCallReader()
        self._thought = 0

    @property
    def text(self) -> str:
        """The answer without its calls."""
        return "" if self.calls and not self._handle.tells_calls else self._handle.continuation

    @property
    def finish_reason(self) -> str:
        """In OpenAI's words: an answer broken off by its deadline ended for its length."""
        if self._handle.finish_reason != "stop":
            return "length"
        return "tool_calls" if (self._handle.tool_calls if self._handle.tells_calls else self.calls) else "stop"

    def read(self) -> None:
        """Find the calls of the finished answer."""
        if self._wanted is None:
            return
        if self._handle.tells_calls:
            self.calls = [MadeCall(*one) for one in self._limited(self._handle.tool_calls)]
        else:
            list(self._push_grammar(self._handle.continuation, ended=True))

    def push(self, piece: str, ended: bool = False) -> Iterator[Delta]:
        """Yield what is new with `piece`, the next of the handle's text, or at its end."""
        thought = self._handle.reasoning[self._thought :]
        self._thought += len(thought)
        if thought:
            yield Delta("thought", thought)
        if self._wanted is None or self._handle.tells_calls:
            if piece:
                yield Delta("text", piece)
            yield from self._push_told()
        else:
            yield from self._push_grammar(piece, ended)

    def _push_told(self) -> Iterator[Delta]:
        """Yield what calls in the model's own format have grown by."""
        told = self._handle.told_calls
        for place, made in enumerate(self._limited((*told, *self._handle.tool_calls[len(told) :]))):
            if place == len(self.calls):
                yield self._begin(made.name)
            yield from self._grow(place, made.arguments[len(self.calls[place].arguments) :])

    def _push_grammar(self, piece: str, ended: bool) -> Iterator[Delta]:
        """Yield the text or the part of the one call that `piece` is."""
        text, arguments = self._grammar.push(piece, ended)
        if text:
            yield Delta("text", text)
        if self._grammar.name is not None and not self.calls:
            yield self._begin(self._grammar.name)
        yield from self._grow(0, arguments)

    def _begin(self, name: str) -> Delta:
        self.calls.append(MadeCall(name))
        return Delta("call", "", len(self.calls) - 1, begins=True)

    def _grow(self, place: int, arguments: str) -> Iterator[Delta]:
        if arguments:
            self.calls[place].arguments += arguments
            yield Delta("call", arguments, place)

    def _limited(self, calls):
        if self._wanted is None:
            return ()
        return calls[:1] if self._wanted.single else calls
