"""What the knowledge skills share: polite openings, reading of compact tables, and the judgement of named things.

No facts and no question wordings of a skill live here.
"""

import random
import re
import zlib
from collections.abc import Iterable

from .grammar import plain

OPENINGS = ("请问", "请问，", "你好，请问", "问一下，", "我想问问，", "想请教一下，", "小砚，", "帮我想想，", "考考你，", "你好，", "那么，")
HELD_OPENINGS = ("麻烦问下，", "我有个问题，", "嗨，请问")


def ask(rng: random.Random, question: str, held_out: bool = False) -> str:
    """A question as people type it: sometimes with a polite opening, sometimes without its question mark."""
    if rng.random() < 0.3:
        question = rng.choice(HELD_OPENINGS if held_out else OPENINGS) + question
    if question.endswith("？") and rng.random() < 0.3:
        question = question[:-1] + rng.choice(("", "", "?", " ？"))
    return question


def table(text: str) -> list[tuple[str, ...]]:
    """Rows separated by ``|`` or line breaks, fields by spaces."""
    return [tuple(row.split()) for row in re.split(r"[|\n]", text) if row.strip()]


def words(text: str) -> list[str]:
    """Distinct words separated by white space, in order."""
    return list(dict.fromkeys(text.split()))


def reserved(key: str, share: int = 10) -> bool:
    """Whether a combination of values is kept for evaluation: one in ``share``, by a hash that never changes."""
    return zlib.crc32(key.encode()) % share == 0


def named(text: str, vocabulary: Iterable[str]) -> set[str]:
    """The words of ``vocabulary`` that occur in ``text``; where two overlap, the longer one counts."""
    by_length = sorted({plain(word) for word in vocabulary}, key=len, reverse=True)
    return set(re.findall("|".join(map(re.escape, by_length)), plain(text)))


def names_only(answer: str, wanted: Iterable[str], vocabulary: Iterable[str], given: str = "") -> bool:
    """Whether ``answer`` names all of ``wanted`` and nothing else of ``vocabulary``, apart from what ``given`` names."""
    vocabulary = set(vocabulary) | set(wanted)
    wanted = {plain(word) for word in wanted}
    found = named(answer, vocabulary)
    return wanted <= found and found - wanted <= named(given, vocabulary)


def names_one(answer: str, allowed: Iterable[str], vocabulary: Iterable[str], given: str = "") -> bool:
    """Whether ``answer`` names at least one of ``allowed`` and nothing of ``vocabulary`` that is not allowed or given."""
    vocabulary = set(vocabulary) | set(allowed)
    allowed = {plain(word) for word in allowed}
    found = named(answer, vocabulary)
    return bool(found & allowed) and found <= allowed | named(given, vocabulary)
