"""Every sentence a person reads, in two flat tables (zh.json, en.json) with equal keys; plurals, lists, durations and sizes.

A sentence chooses between words by a number that it was given: `{rows} {rows:row|rows}`.
"""

import json
import os
import string
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = ("zh", "en")
NAMES = {"zh": "中文", "en": "English"}
"What each language calls itself; addresses of pages say it so (`?lang=English`)."
DEFAULT = os.environ.get("EASYAIGC_LANG", "zh")

_language: ContextVar[str | None] = ContextVar("language", default=None)
_reader: Callable[[], str | None] | None = None


@cache
def table(language: str) -> dict[str, str]:
    """The whole table of one language, key -> sentence with `{placeholders}`."""
    return json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))


def use(language: str) -> None:
    """Speak `language` ("zh" or "en") from here on in this thread or task."""
    _language.set(language if language in LANGUAGES else "zh")


def named(word: str) -> str | None:
    """Return the language that `word` names, by its code or by its own name; None where it names none."""
    return next((language for language, name in NAMES.items() if word in (language, name)), None)


def follow(reader: Callable[[], str | None] | None) -> Callable[[], str | None] | None:
    """Ask `reader` for the language wherever `use` has not said it; returns what was asked until now.

    The dashboard's pages, callbacks and fragments each run in a thread of their own; they all share one session, which `reader` looks up.
    """
    global _reader
    before, _reader = _reader, reader
    return before


def current() -> str:
    """The language in use: "zh" or "en"."""
    language = _language.get() or (_reader and _reader()) or DEFAULT
    return language if language in LANGUAGES else "zh"


def t(key: str, **values) -> str:
    """The sentence `key` in the language in use, its placeholders filled from `values`.

    Raises:
        KeyError: the tables have no such key (a defect: a test compares code and tables).
    """
    return _FORMATTER.vformat(table(current())[key], (), values)


class _Formatter(string.Formatter):
    """`str.format` with one more format: `{count:one|many}` is `plural(count, "one", "many")`."""

    def format_field(self, value, format_spec):
        one, bar, many = format_spec.partition("|")
        return plural(value, one, many) if bar else super().format_field(value, format_spec)


_FORMATTER = _Formatter()


def plural(count: object, one: str, many: str) -> str:
    """Return `one` for a count of 1, also where it comes as text, else `many`."""
    return one if str(count) == "1" else many


def join(parts: Iterable[str], mark: str = "comma") -> str:
    """Join parts of a sentence ("comma"), things of a list ("item") or whole sentences ("sentence") as the language does."""
    if mark == "sentence":
        return (" " if current() == "en" else "").join(parts)
    return t(f"mark.{mark}").join(parts)


def duration(seconds: float) -> str:
    """A length of time as people say it: `0.4 秒`, `50 秒`, `1 分 20 秒`, `2 小时 5 分`, `3 天 4 小时`."""
    seconds = max(0.0, float(seconds))
    if seconds < 9.95:
        return t("time.seconds", seconds=f"{seconds:.1f}".removesuffix(".0"))
    whole = round(seconds)
    if whole < 60:
        return t("time.seconds", seconds=whole)
    if whole < 3600:
        return _two("time.minutes", whole // 60, "time.seconds", whole % 60)
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return _two("time.hours", minutes // 60, "time.minutes", minutes % 60)
    hours = round(seconds / 3600)
    return _two("time.days", hours // 24, "time.hours", hours % 24)


def _two(large_key: str, large: int, small_key: str, small: int) -> str:
    parts = [t(large_key, **{large_key.split(".")[1]: large})]
    if small:
        parts.append(t(small_key, **{small_key.split(".")[1]: small}))
    return " ".join(parts)


def size(count: float) -> str:
    """An amount of memory or disk in decimal units, the ones the field publishes: `300 B`, `640 MB`, `1.1 GB`, `12 GB`."""
    if count < 999.5:
        return f"{count:.0f} B"
    if count < 999_500:
        return f"{count / 1e3:.0f} KB"
    if count < 999.5e6:
        return f"{count / 1e6:.3g} MB"
    return f"{count / 1e9:.1f}".removesuffix(".0") + " GB"
