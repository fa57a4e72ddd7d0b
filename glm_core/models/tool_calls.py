"""How a model writes the call of a tool, found by asking its template, and how calls are read in its answers.

The template writes one known call, and where the name and the arguments stand in it tells the format: JSON with both
(Qwen, Llama, Mistral, Granite), a name and JSON behind it (GLM-4, newer Mistral), or a name and tags around each argument
(GLM-4.5, Qwen3-Coder). Not here: the formats (call_formats.py), how messages carry calls (tool_messages.py).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glm_core.models.call_formats import Call, CallFormat, JsonCalls, NamedCalls, TaggedCalls
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


class CallReader:
    """Splits a growing answer into text and, at its end, calls.

    Args:
        functions: those that may be called, with the JSON schema of their parameters.

    Attributes:
        told: what is called so far, the arguments as they grow.
        calls: what was called; filled by `finish`.
    """

    def __init__(self, format: CallFormat, functions: Mapping[str, Mapping]):
        self.calls: list[Call] = []
        self.told: list[Call] = []
        self._format, self._functions = format, functions
        self._held, self._state = "", "open"  # open: may become a call; text: will not; call: has begun

    def push(self, piece: str) -> str:
        """Add `piece`; returns the text that is no part of a call."""
        self._held += piece
        shown = self._take_text()
        if self._state == "call":
            self.told = self._format.begun(self._held, self._functions)
        return shown

    def _take_text(self) -> str:
        """Remove and return what of the held text is no part of a call; notes where one has begun."""
        if self._state == "call":
            return ""
        if opening := self._format.opening:
            place = self._held.find(opening)
            self._state = "call" if place >= 0 else "open"
            end = place if place >= 0 else len(self._held) - _overlap(self._held, opening)
            cut = len(self._held[:end].rstrip())  # blanks before a call are no text
            shown, self._held = self._held[:cut], self._held[end if place >= 0 else cut :]
            return shown
        begun = self._format.begins(self._held, self._functions) if self._state == "open" else False
        self._state = "open" if begun is None else "call" if begun else "text"
        if self._state != "text":
            return ""
        shown, self._held = self._held, ""
        return shown

    def finish(self) -> str:
        """Read what was held back as calls; returns it as text where it is none."""
        held, self._held = self._held, ""
        if self._state == "call":
            self.told = self._format.begun(held, self._functions)
            self.calls = self._format.read(held, self._functions)
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
    return _with_json(written) or _tagged_format(written)


def _with_json(written: str) -> CallFormat | None:
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


def _tagged_format(written: str) -> CallFormat | None:
    """The name, the key and the value, each with tags of its own around it."""
    name, key, value = (written.find(one) for one in (_NAME, _KEY, _VALUE))
    head, between = written[name + len(_NAME) : key], written[key + len(_KEY) : value]
    behind = re.match(r"(\s*</?[^<>]+>)(.*)", written[value + len(_VALUE) :], re.S)
    if not 0 <= name < key < value or "<" not in head or ">" not in between or behind is None:
        return None
    cut = head.rindex("<")
    ends = re.match(r"(\s*</?[^<>|]+>)*", behind[2])
    closing = ends[0].strip() if ends else ""
    return TaggedCalls(written[:name].strip(), head[:cut].strip(), head[cut:], between, behind[1], closing)


def _holds(value: object) -> bool:
    """Return whether `value` is the known arguments, as an object or as text."""
    if isinstance(value, str):
        return _KEY in value and _VALUE in value
    return value == {_KEY: _VALUE}


def as_shown(format: CallFormat, controls: Iterable[str]) -> CallFormat | None:
    """Return `format` as it looks in an answer's text, where control tokens give none; None where it cannot be read there."""

    def shown(text: str) -> str:
        for control in controls:
            text = text.replace(control, "")
        return text

    if isinstance(format, JsonCalls):
        return replace(format, opening=shown(format.opening).strip(), marks=tuple(map(shown, format.marks)))
    if isinstance(format, NamedCalls):
        opening, closing = shown(format.opening).strip(), shown(format.closing)
        return replace(format, opening=opening, between=shown(format.between), closing=closing)
    if isinstance(format, TaggedCalls):
        tags = (format.argument, format.between, format.behind)
        return None if any(shown(tag) != tag for tag in tags) else format.map(shown)
    return format
