"""The formats in which models write calls of tools: how a call is told from text, and read, also while it grows."""

import ast
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol

_DECODER = json.JSONDecoder()
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)|[{}\[\]]', re.S)
_PYTHON = {"True": True, "False": False, "None": None}


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

    def begun(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """Return the calls in the growing `text` as far as they are written: arguments only ever get longer."""
        ...

    def read(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """Return the calls in the whole `text`, which begins with `opening`; none where it cannot be read as such.

        Args:
            functions: those that may be called, with the JSON schema of their parameters.
        """
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

    def read(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
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

    def begun(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """Objects that write the name first, then the arguments."""
        name, given = (re.escape(json.dumps(key)) for key in (self.name, self.arguments))
        head = re.compile(rf'\[?\s*\{{\s*{name}\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*{given}\s*:\s*(?=\{{)')
        found: list[Call] = []
        rest = self._unmarked(text)
        while (begun := head.match(rest)) and (called := _text(begun[1])) in functions:
            end = _object_end(rest, begun.end())
            found.append(Call(called, rest[begun.end() : end]))
            if end is None:
                break
            rest = self._unmarked(rest[end:].lstrip().removeprefix("}"))
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

    def begun(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """As long as calls follow each other."""
        found: list[Call] = []
        rest = text.strip()
        while rest:
            rest = rest.removeprefix(self.opening).lstrip()
            head, mark, _ = rest.partition("{")
            name = head.removesuffix(self.between).strip()
            if not mark or name not in functions:
                break
            end = _object_end(rest, len(head))
            found.append(Call(name, rest[len(head) : end]))
            if end is None:
                break
            rest = rest[end:].strip().removeprefix(self.closing.strip()).strip()
        return found

    def read(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
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

    def begun(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """None: a line of Python is read as a whole."""
        return []

    def read(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """One call with literal arguments."""
        name, _, body = text.strip().partition("\n")
        source = "\n".join(line for line in body.strip().split("\n") if not line.startswith("```")).strip()
        try:
            made = ast.parse(source, mode="eval").body
            if not isinstance(made, ast.Call) or made.args or name.strip() not in functions:
                return []
            given = {one.arg: ast.literal_eval(one.value) for one in made.keywords if one.arg}
            return [Call(name.strip(), json.dumps(given, ensure_ascii=False))]
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            return []


@dataclass(frozen=True)
class TaggedCalls:
    """A name, then each argument between tags, as GLM-4.5 and Qwen3-Coder write them.

    A value is text where its schema says so, else JSON (or what Python calls true, false and null).

    Attributes:
        behind_name: from the name to the first argument.
        argument, between, behind: before a key, from the key to its value, and after the value.
        closing: behind the last argument.
    """

    opening: str
    behind_name: str
    argument: str
    between: str
    behind: str
    closing: str

    def map(self, change: Callable[[str], str]) -> "TaggedCalls":
        """Return the format with every part changed."""
        return TaggedCalls(*(change(getattr(self, field.name)) for field in fields(self)))

    def begins(self, text: str, names: Collection[str]) -> bool | None:
        """By a function that may be called."""
        return _begins_named(text, self.behind_name or self.argument, names)

    def begun(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """Arguments once they are whole."""
        return [call for call, _whole in self._calls(text, functions) if call.name in functions]

    def read(self, text: str, functions: Mapping[str, Mapping]) -> list[Call]:
        """As long as calls follow each other."""
        found = list(self._calls(text, functions))
        return [call for call, _whole in found] if all(whole for _call, whole in found) else []

    def _calls(self, text: str, functions: Mapping[str, Mapping]) -> Iterator[tuple[Call, bool]]:
        """Yield each call and whether it is whole; one that is not, or text that is none, is the last."""
        head = re.compile(rf"\s*{_loosely(self.opening)}\s*([\w.-]{{1,64}})\s*{_loosely(self.behind_name)}", re.S)
        inner = rf"(.*?){_loosely(self.between)}{_line_end(self.between)}(.*?){_loosely(self.behind)}"
        argument = re.compile(rf"\s*{_loosely(self.argument)}{inner}", re.S)
        end = re.compile(rf"\s*{_loosely(self.closing)}\s*")
        place = 0
        while place < len(text.rstrip()):
            begun = head.match(text, place)
            if begun is None:
                yield Call("", ""), False
                return
            place, given = begun.end(), []
            kinds = _kinds(functions.get(begun[1], {}))
            while one := argument.match(text, place):
                key, place = one[1].strip(), one.end()
                value = one[2].removesuffix("\n") if self.behind.startswith("\n") else one[2]
                given.append(f"{_dumps(key)}: {_dumps(_value(value, kinds.get(key)))}")
            written, ended = "{" + ", ".join(given), end.match(text, place)
            yield Call(begun[1], written + "}" * bool(ended)), bool(ended)
            if ended is None:
                return
            place = ended.end()


def _begins_named(text: str, between: str, names: Collection[str]) -> bool | None:
    start = text.lstrip()
    heads = [f"{name}{between or '{'}" for name in names]
    if any(start.startswith(head) for head in heads):
        return True
    return None if any(head.startswith(start) for head in heads) else False


def _object_end(text: str, start: int) -> int | None:
    """The place behind the JSON object that begins at `start`; None while it is open."""
    depth = 0
    for one in _BRACKETS.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(one[0], 0)
        if depth == 0 and one[0] in "}]":
            return one.end()
    return None


def _text(quoted: str) -> str:
    try:
        return json.loads(quoted)
    except ValueError:
        return ""


def _loosely(text: str) -> str:
    """A pattern of `text`, whose blanks may be other ones."""
    return r"\s*".join(map(re.escape, text.split()))


def _line_end(text: str) -> str:
    return r"\n?" if text.endswith("\n") else ""


def _kinds(schema: Mapping) -> dict[str, set[str] | None]:
    """Of each parameter the types that its schema allows, None where it says nothing."""
    properties = schema.get("properties")
    return {key: _types(one) for key, one in properties.items()} if isinstance(properties, Mapping) else {}


def _types(schema: object) -> set[str] | None:
    if not isinstance(schema, Mapping):
        return None
    named = schema.get("type")
    if isinstance(named, str):
        return {named}
    if isinstance(named, list):
        return {one for one in named if isinstance(one, str)}
    several = schema.get("anyOf") or schema.get("oneOf")
    found = [_types(one) for one in several] if isinstance(several, list) else []
    if found and all(one is not None for one in found):
        return set().union(*(one for one in found if one))
    values = schema.get("enum")
    return {"string"} if isinstance(values, list) and all(isinstance(one, str) for one in values) else None


def _value(text: str, kinds: set[str] | None) -> object:
    """The value that `text` stands for: itself where it may be a string, unless nothing says what it may be."""
    if kinds is not None and "string" in kinds:
        return None if "null" in kinds and text.strip() in ("null", "None") else text
    stripped = text.strip()
    if stripped in _PYTHON:
        return _PYTHON[stripped]
    try:
        return json.loads(stripped)
    except (ValueError, RecursionError):
        return text


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
