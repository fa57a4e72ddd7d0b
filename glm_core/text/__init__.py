"""Every sentence a person reads, in two flat tables (zh.json, en.json) with equal keys."""

import json
import os
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = ("zh", "en")

_language: ContextVar[str] = ContextVar("language", default=os.environ.get("EASYAIGC_LANG", "zh"))


@cache
def table(language: str) -> dict[str, str]:
    """The whole table of one language, key -> sentence with `{placeholders}`."""
    return json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))


def use(language: str) -> None:
    """Speak `language` ("zh" or "en") from here on in this thread or task."""
    _language.set(language if language in LANGUAGES else "zh")


def current() -> str:
    """The language in use: "zh" or "en"."""
    return _language.get()


def say(key: str, **values) -> str:
    """The sentence `key` in the language in use, its placeholders filled from `values`.

    Raises:
        KeyError: the tables have no such key (a defect: a test compares code and tables).
    """
    return table(current())[key].format(**values)
