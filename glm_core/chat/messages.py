"""One message of a kept conversation: which notes an answer carries, and what of a record of anybody's making is believed.

Not here: conversations and their files (`conversations.py`), Markdown and JSON to take away (`transcripts.py`).
"""

from collections.abc import Callable

from glm_core import i18n
from glm_core.errors import EasyError
from glm_core.markdown import literal
from glm_core.serving.request import ROLES
from glm_core.serving.served_models import Provenance

LONGEST = 200_000
"Characters of one message; a context of 128,000 tokens is about that."
VOTES = ("up", "down")
ENDS = ("stop", "length", "cancelled", "error", "broken")
"Why an answer ended; broken = the server went away, nobody could note why."
OPEN_ENDS = ("length", "cancelled", "error", "broken")
"The ends after which an answer can go on."
LARGEST = 1e19


def new_answer() -> dict:
    """The answer that is to grow; what ends without saying so was broken off."""
    return {"role": "assistant", "content": "", "finish_reason": "broken"}


def can_go_on(message: dict) -> bool:
    """Return whether an answer has begun and not come to its own end."""
    return bool(message["content"].strip()) and message.get("finish_reason") in OPEN_ENDS


def cleaned(record: object) -> dict:
    """A message from a record that may be of anybody's making; notes that make no sense are left out.

    Raises:
        ValueError: no role that there is, or no text; the text is too long or cannot be written as UTF-8.
    """
    if not isinstance(record, dict) or record.get("role") not in ROLES or not isinstance(record.get("content"), str):
        raise ValueError("role or content")
    message = {"role": record["role"], "content": record["content"]}
    if len(message["content"]) > LONGEST:
        raise ValueError("too long")
    message["content"].encode("utf-8")  # half a surrogate pair is no text
    if message["role"] != "assistant":
        return message
    return message | {name: record[name] for name, right in _NOTES.items() if name in record and right(record[name])}


def is_number(value: object) -> bool:
    """A number that can be written: not a truth value, not NaN, not beyond what a clock or a seed needs."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def is_line(value: object, longest: int = 200) -> bool:
    """One short line of text."""
    return isinstance(value, str) and len(value) <= longest and value.isprintable()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and is_number(value) and value >= 0


def _is_usage(value: object) -> bool:
    return isinstance(value, dict) and set(value) == _COUNTS and all(map(_is_count, value.values()))


def _is_stamp(value: object) -> bool:
    return isinstance(value, dict) and all(_STAMP[name](one) for name, one in value.items() if name in _STAMP)


def _is_sampling(value: object) -> bool:
    return isinstance(value, dict) and all(is_line(name) and is_number(one) for name, one in value.items())


def _is_utf8(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)


def _or_none(right: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or right(value)


_COUNTS = {"prompt_tokens", "completion_tokens", "total_tokens"}
_STAMP = {
    "base": is_line,
    "adapter": _or_none(is_line),
    "adapter_title": is_line,
    "step": _or_none(_is_count),
    "strength": is_number,
    "sampling": _is_sampling,
}
_NOTES = {
    "finish_reason": lambda value: value in ENDS,
    "why": lambda value: (error := EasyError.from_record(value)) is not None and is_line(str(error), 1000),
    "usage": _is_usage,
    "first_token_seconds": _or_none(is_number),
    "tokens_per_second": _or_none(is_number),
    "dropped_turns": _is_count,
    "stamp": _or_none(_is_stamp),
    "vote": lambda value: value in VOTES,
    "reasoning_content": lambda value: isinstance(value, str) and len(value) <= LONGEST and _is_utf8(value),
    "reasoning_seconds": _or_none(is_number),
}


def footnotes(message: dict) -> list[str]:
    """Return what is written under an answer, as Markdown lines: how it ended, how fast it was, what answered."""
    notes, figures = [], []
    if message.get("finish_reason") in OPEN_ENDS:
        notes.append(i18n.t(f"chat.ended.{message['finish_reason']}"))
    if message.get("finish_reason") == "error" and (error := EasyError.from_record(message.get("why"))) is not None:
        notes.append(literal(str(error)))
    if message.get("dropped_turns"):
        notes.append(i18n.t("chat.dropped", turns=message["dropped_turns"]))
    if message.get("first_token_seconds") is not None:
        figures.append(i18n.t("chat.first_token", seconds=message["first_token_seconds"]))
    if message.get("tokens_per_second") and message.get("usage"):
        tokens = message["usage"]["completion_tokens"]
        figures.append(i18n.t("chat.speed", tokens=tokens, speed=message["tokens_per_second"]))
    if message.get("stamp"):
        figures.append(literal(Provenance.from_dict(message["stamp"]).sentence()))
    return notes + ([" · ".join(figures)] if figures else [])
