"""Tools of every skill of the corpus: samples, and a tiny grammar that turns templates into wordings.

A template is text with alternatives in braces and slots in angle brackets::

    {你|您}{叫什么|怎么称呼}{呀|呢|}？          alternatives, nested as deep as wanted, possibly empty
    <city>的天气{怎么样|如何}？                  a slot, filled from ``lists["city"]``

A slot's list is a sequence of templates (one is drawn and expanded), a plain string (inserted literally, so that
text with braces is safe), or a callable that gets the random generator and returns literal text.
This module knows no skill and no tokenizer.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

Filler = str | Sequence[str] | Callable[[random.Random], str]
Lists = Mapping[str, Filler]


@dataclass(frozen=True)
class Sample:
    """One dialogue. The last message is the assistant's answer; what stands before it is the prompt.

    ``facts`` holds what ``check`` of the skill needs to judge a generated answer (never shown to the model).
    """

    skill: str
    messages: list[dict[str, str]]
    facts: dict = field(default_factory=dict)

    @property
    def question(self) -> str:
        """The last thing the user said."""
        return self.messages[-2]["content"]

    @property
    def answer(self) -> str:
        """The reference answer."""
        return self.messages[-1]["content"]

    @property
    def history(self) -> list[dict[str, str]]:
        """Messages before the last question."""
        return self.messages[:-2]


def dialogue(skill: str, *turns: str, **facts) -> Sample:
    """Make a sample of alternating turns that begins with the user and ends with the assistant.

    Raises:
        ValueError: the number of turns is odd, or a turn is empty.
    """
    if len(turns) % 2 or not turns or not all(turn.strip() for turn in turns):
        raise ValueError(f"{skill}: turns must come in non-empty pairs, got {turns!r}")
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]
    return Sample(skill, messages, facts)


def expand(template: str, rng: random.Random, lists: Lists | None = None) -> str:
    """Draw one wording of ``template``.

    Raises:
        ValueError: the template's brackets do not match.
        KeyError: a slot that ``lists`` does not have.
    """
    return "".join(_draw(part, rng, lists or {}) for part in _parse(template))


def pick(templates: Sequence[str], rng: random.Random, lists: Lists | None = None) -> str:
    """Draw one template of several, and one wording of it."""
    return expand(rng.choice(templates), rng, lists)


def wordings(template: str, lists: Lists | None = None) -> int:
    """Number of ways of expanding ``template`` (a callable slot counts as one)."""
    total = 1
    for part in _parse(template):
        total *= _count(part, lists or {})
    return total


def covers(templates: Sequence[str], text: str, lists: Lists | None = None) -> bool:
    """Return whether any of ``templates`` could produce ``text``: the proof that a held-out wording is not a trained one."""
    may = [template for template in templates if _with_any_filler(template).fullmatch(text)]
    return any(re.fullmatch(_pattern(template, lists or {}), text) for template in may)


def pattern(templates: Sequence[str], lists: Lists | None = None) -> str:
    """A regular expression of all that ``templates`` can produce."""
    return "|".join(_pattern(template, lists or {}) for template in templates)


def plain(text: str) -> str:
    """Text as the tokenizer sees it (NFKC, so full-width punctuation becomes half-width), without white space."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def same(first: str, second: str) -> bool:
    """Return whether two texts are equal up to width, white space and a final full stop."""
    return plain(first).rstrip("。.") == plain(second).rstrip("。.")


def contains(text: str, *needles: str) -> bool:
    """Return whether every needle occurs in ``text``, up to width and white space."""
    text = plain(text)
    return all(plain(needle) in text for needle in needles)


# A parsed template is a tuple of parts: str (literal), ("slot", name), or ("choice", (sequence, sequence, ...)).


@cache
def _parse(template: str) -> tuple:
    parts, end = _sequence(template, 0, top=True)
    if end != len(template):
        raise ValueError(f"unmatched bracket at {end} in template {template!r}")
    return parts


def _sequence(text: str, at: int, top: bool) -> tuple[tuple, int]:
    """Read parts up to the end, or up to the ``|`` or ``}`` that closes this alternative."""
    parts: list = []
    while at < len(text):
        mark = text[at]
        if mark == "{":
            part, at = _choice(text, at + 1)
        elif mark == "<":
            close = text.find(">", at)
            if close < 0:
                raise ValueError(f"slot without > at {at} in template {text!r}")
            part, at = ("slot", text[at + 1 : close]), close + 1
        elif mark == "}" or (mark == "|" and not top):
            break
        else:
            stop = re.compile(r"[{<}]" if top else r"[{<}|]").search(text, at)
            close = stop.start() if stop else len(text)
            part, at = text[at:close], close
        parts.append(part)
    return tuple(parts), at


def _choice(text: str, at: int) -> tuple[tuple, int]:
    alternatives = []
    while True:
        parts, at = _sequence(text, at, top=False)
        alternatives.append(parts)
        if at >= len(text):
            raise ValueError(f"brace without }} in template {text!r}")
        at += 1
        if text[at - 1] == "}":
            return ("choice", tuple(alternatives)), at


def _draw(part, rng: random.Random, lists: Lists) -> str:
    if isinstance(part, str):
        return part
    kind, content = part
    if kind == "choice":
        return "".join(_draw(inner, rng, lists) for inner in rng.choice(content))
    filler = lists[content]
    if isinstance(filler, str):
        return filler
    if callable(filler):
        return filler(rng)
    return expand(rng.choice(filler), rng, lists)


def _count(part, lists: Lists) -> int:
    if isinstance(part, str):
        return 1
    kind, content = part
    if kind == "choice":
        total = 0
        for alternative in content:
            product = 1
            for inner in alternative:
                product *= _count(inner, lists)
            total += product
        return total
    filler = lists[content]
    return 1 if isinstance(filler, str) or callable(filler) else sum(wordings(item, lists) for item in filler)


@cache
def _with_any_filler(template: str) -> re.Pattern:
    """The pattern of ``template`` whatever stands in its slots; compiled once, unlike one for fillers that change."""
    return re.compile(_pattern(template, None), re.DOTALL)


def _pattern(template: str, lists: Lists | None) -> str:
    """A regular expression of ``template``; of anything in its slots where ``lists`` is None."""
    return "".join(_part_pattern(part, lists) for part in _parse(template))


def _part_pattern(part, lists: Lists | None) -> str:
    if isinstance(part, str):
        return re.escape(part)
    kind, content = part
    if kind == "choice":
        return "(?:" + "|".join("".join(_part_pattern(inner, lists) for inner in seq) for seq in content) + ")"
    if lists is None:
        return ".*"
    filler = lists[content]
    if isinstance(filler, str):
        return re.escape(filler)
    if callable(filler):
        return ".+"
    return "(?:" + "|".join(_pattern(item, lists) for item in filler) + ")"


def sections(file: Path) -> dict[str, list[str]]:
    """Read a file of templates: ``[name]`` opens a section, every other line is a template, ``#`` a comment."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), [])
        elif line.strip() and not line.startswith("#"):
            current.append(line)
    return found
