"""How a model writes the call of a tool, found by asking its template, and how calls are read in its answers.

The template writes one known call, and where the name and the arguments stand in it tells the format: JSON with both
(Qwen, Llama, Mistral, Granite), or a name and JSON behind it (GLM-4, newer Mistral). Not here: how messages carry calls
(tool_messages.py).
"""

import ast
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from glm_core.models.errors import ModelError
from glm_core.models.tool_messages import CALLS, ROLE, TOOLS, as_metadata, as_openai, call, tools_of

if TYPE_CHECKING:
    from glm_core.models.chat_templates import ChatTemplate

_NAME, _KEY, _VALUE = "probe_tool", "probe_key", "probe value"
_TOOL = {
    "type": "function",
    "function": {
        "name": _NAME,
        "description": "A probe.",
        "parameters": {"type": "object", "properties": {_KEY: {"type": "string"}}, "required": [_KEY]},
    },
}
_ASKED = {"role": "user", "content": "a", TOOLS: [_TOOL]}
_CALLED = {"role": "assistant", "content": "", CALLS: [call(_NAME, {_KEY: _VALUE})]}
_ANSWERED = {"role": ROLE, "content": "result"}
_DECODER = json.JSONDecoder()


class Call(NamedTuple):
    """A call in an answer: the function and its arguments as JSON text."""

    name: str
    arguments: str


class CallFormat(Protocol):
    """How a model writes calls.

    Attributes:
        opening: what calls begin with in an answer's text; empty where only control tokens tell.
    """

    @property
    def opening(self) -> str:
        """Text that calls begin with."""
        ...

    def begins(self, text: str, names: Collection[str]) -> bool | None:
        """Return whether an answer that begins with `text` is a call, where `opening` is empty; None while it is open."""
        ...

    def read(self, text: str, names: Collection[str]) -> list[Call]:
        """Return the calls in `text`, which begins with `opening`; none where it cannot be read as such."""
        ...


@dataclass(frozen=True)
class JsonCalls:
    """Objects with a name and arguments, alone or in a list, between marks.

    Attributes:
        name, arguments: the keys of both.
        marks: what may stand around the objects.
    """

    opening: str
    name: str
    arguments: str
    marks: tuple[str, ...] = ()

    def begins(self, text: str, names: Collection[str]) -> bool | None:
        """By a bracket and the key of the name."""
        start = re.sub(r"\s+", "", text)
        expected = (f'{{"{self.name}":', f'[{{"{self.name}":')
        if any(start.startswith(one) for one in expected):
            return True
        return None if any(one.startswith(start) for one in expected) else False

    def read(self, text: str, names: Collection[str]) -> list[Call]:
        """Every object must be a call, and nothing else but the marks may stand there."""
        found: list[Call] = []
        rest = text
        while rest := self._unmarked(rest):
            try:
                value, end = _DECODER.raw_decode(rest)
            except (ValueError, RecursionError):
                return []
            for one in value if isinstance(value, list) else [value]:
                made = self._call(one)
                if made is None:
                    return []
                found.append(made)
            rest = rest[end:]
        return found

    def _unmarked(self, text: str) -> str:
        """`text` without the marks and separators that it begins with."""
        text = text.lstrip(" \n\t,;")
        mark = next((one for one in self.marks if one and text.startswith(one)), None)
        return text if mark is None else self._unmarked(text[len(mark) :])

    def _call(self, value: object) -> Call | None:
        inner = value.get("function", value) if isinstance(value, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get(self.name), str):
            return None
        given = inner.get(self.arguments, {})
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError):
                return None
        return Call(inner[self.name], json.dumps(given, ensure_ascii=False)) if isinstance(given, dict) else None


@dataclass(frozen=True)
class NamedCalls:
    """A name, then its arguments as JSON.

    Attributes:
        between: from the name to the arguments.
        closing: behind the arguments.
    """

    opening: str
    between: str
    closing: str = ""

    def begins(self, text: str, names: Collection[str]) -> bool | None:
        """By a function that may be called."""
        return _begins_named(text, self.between, names)

    def read(self, text: str, names: Collection[str]) -> list[Call]:
        """As long as calls follow each other."""
        found, rest = [], text.strip()
        while rest:
            rest = rest.removeprefix(self.opening).lstrip()
            head, mark, _ = rest.partition("{")
            name = head.removesuffix(self.between).strip()
            if not mark or not re.fullmatch(r"[\w.-]{1,64}", name):
                return []
            try:
                given, end = _DECODER.raw_decode(rest, len(head))
            except (ValueError, RecursionError):
                return []
            found.append(Call(name, json.dumps(given, ensure_ascii=False)))
            rest = rest[end:].strip().removeprefix(self.closing.strip()).strip()
        return found


@dataclass(frozen=True)
class PythonCalls:
    """A name and a line of Python, as ChatGLM3 writes them."""

    opening: str = ""

    def begins(self, text: str, names: Collection[str]) -> bool | None:
        """By a function that may be called."""
        return _begins_named(text, "\n", names)

    def read(self, text: str, names: Collection[str]) -> list[Call]:
        """One call with literal arguments."""
        name, _, body = text.strip().partition("\n")
        source = "\n".join(line for line in body.strip().split("\n") if not line.startswith("```")).strip()
        try:
            made = ast.parse(source, mode="eval").body
            if not isinstance(made, ast.Call) or made.args or name.strip() not in names:
                return []
            given = {one.arg: ast.literal_eval(one.value) for one in made.keywords if one.arg}
            return [Call(name.strip(), json.dumps(given, ensure_ascii=False))]
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            return []


def _begins_named(text: str, between: str, names: Collection[str]) -> bool | None:
    start = text.lstrip()
    heads = [f"{name}{between or '{'}" for name in names]
    if any(start.startswith(head) for head in heads):
        return True
    return None if any(head.startswith(start) for head in heads) else False


class CallReader:
    """Splits a growing answer into text and, at its end, calls.

    Args:
        names: the functions that may be called.

    Attributes:
        calls: what was called; filled by `finish`.
    """

    def __init__(self, format: CallFormat, names: Iterable[str]):
        self.calls: list[Call] = []
        self._format, self._names = format, tuple(names)
        self._held, self._state = "", "open"  # open: may become a call; text: will not; call: has begun

    def push(self, piece: str) -> str:
        """Add `piece`; returns the text that is no part of a call."""
        self._held += piece
        if self._state == "open":
            self._decide()
        if self._state == "text":
            shown, self._held = self._held, ""
            return shown
        if self._state == "call" or not self._format.opening:
            return ""
        keep = _overlap(self._held, self._format.opening)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown if not shown.isspace() else self._put_back(shown)

    def _put_back(self, blanks: str) -> str:
        """Hold blanks: those before a call are no text."""
        self._held = blanks + self._held
        return ""

    def _decide(self) -> None:
        opening = self._format.opening
        if opening:
            if self._held.lstrip().startswith(opening):
                self._state, self._held = "call", self._held.lstrip()
            return
        begun = self._format.begins(self._held, self._names)
        if begun is not None:
            self._state = "call" if begun else "text"

    def finish(self) -> str:
        """Read what was held back as calls; returns it as text where it is none."""
        held, self._held = self._held, ""
        if self._state == "call":
            self.calls = self._format.read(held, self._names)
            return "" if self.calls else held
        return held


def _overlap(text: str, opening: str) -> int:
    """Length of the longest end of `text` that begins `opening`."""
    return next((n for n in range(min(len(opening), len(text)), 0, -1) if text.endswith(opening[:n])), 0)


@dataclass(frozen=True)
class ToolStyle:
    """How a template takes messages with tools, and what it makes of a call.

    Attributes:
        form: "object" or "text" for OpenAI's form with arguments as either, "metadata" for GLM's own, "message" for that
            with the tools on a system message.
        format: as the template spells it, control tokens included; None where calls are written but not to be read.
    """

    form: str
    format: CallFormat | None

    def adapt(self, messages: Sequence) -> list[dict]:
        """Return `messages` in this form."""
        if self.form == "message" and (tools := tools_of(messages)):
            return [{"role": "system", "content": "", TOOLS: tools}, *as_metadata(messages)]
        if self.form in ("message", "metadata"):
            return as_metadata(messages)
        return as_openai(messages, self.form == "text")


def find_style(template: "ChatTemplate") -> ToolStyle | None:
    """Return how `template` takes tools; None where it does not list them or does not write calls."""
    for form in ("object", "text", "metadata", "message"):
        style = ToolStyle(form, None)
        asked, called = style.adapt([_ASKED]), style.adapt([_ASKED, _CALLED, _ANSWERED])
        try:
            prompt = template.render_raw(asked, tools=[_TOOL], answering=True)
            bare = template.render_raw([{"role": "user", "content": "a"}], answering=True)
            whole = template.render_raw(called, tools=[_TOOL])
        except ModelError:
            continue
        written = whole[_common(prompt, whole) :]
        if _NAME in prompt and _NAME not in bare and _NAME in written and _VALUE in written and "result" in written:
            return replace(style, format=_format_of(written.rpartition("result")[0]))
    return None


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _format_of(written: str) -> CallFormat | None:
    """The format of the one call in `written`, which begins it."""
    for at, letter in enumerate(written):
        if letter in "[{":
            try:
                value, end = _DECODER.raw_decode(written, at)
            except ValueError:
                continue
            value = value[0] if isinstance(value, list) and value else value
            inner = value.get("function", value) if isinstance(value, dict) else None
            if not isinstance(inner, dict):
                continue
            return _json_format(written[:at], inner, written[end:]) or _named_format(written, at, inner, end)
    return None


def _json_format(before: str, value: dict, behind: str) -> CallFormat | None:
    name = next((key for key, one in value.items() if one == _NAME), None)
    given = next((key for key, one in value.items() if _holds(one)), None)
    if name is None or given is None:
        return None
    marks = (before.strip(), *re.findall(r"</?[\w|]+>|\[/?\w+\]", behind[:40])[:1])
    return JsonCalls(before.strip(), name, given, marks)


def _named_format(written: str, at: int, value: dict, end: int) -> CallFormat | None:
    place = written.find(_NAME)
    if not _holds(value) or not 0 <= place < at:
        return None
    closing = re.match(r"\s*(</?[\w|]+>|```)?", written[end:])
    return NamedCalls(written[:place].strip(), written[place + len(_NAME) : at], closing[0] if closing else "")


def _holds(value: object) -> bool:
    """Return whether `value` is the known arguments, as an object or as text."""
    if isinstance(value, str):
        return _KEY in value and _VALUE in value
    return value == {_KEY: _VALUE}


def as_shown(format: CallFormat, controls: Iterable[str]) -> CallFormat:
    """Return `format` as it looks in an answer's text, where control tokens give none."""

    def shown(text: str) -> str:
        for control in controls:
            text = text.replace(control, "")
        return text

    if isinstance(format, JsonCalls):
        return replace(format, opening=shown(format.opening).strip(), marks=tuple(map(shown, format.marks)))
    if isinstance(format, NamedCalls):
        opening, closing = shown(format.opening).strip(), shown(format.closing)
        return replace(format, opening=opening, between=shown(format.between), closing=closing)
    return format
