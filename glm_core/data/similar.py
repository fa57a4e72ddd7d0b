"""Equal and nearly equal texts: likeness of two, and groups of many, so that a split keeps a group on one side.

Candidates share one of the smallest hashes of their character trigrams (bottom-k sketch: Broder, 1997); a candidate
counts when its likeness says so. Linear in the number of texts.
"""

import re
import unicodedata
import zlib
from collections import Counter, deque
from collections.abc import Sequence

CLOSE = 0.9
"Likeness from which two questions are one."
SKETCH, SHARED = 12, 4
"Smallest trigram hashes of a text under which its likes are looked for, and how many a candidate must share."
CROWD = 32
"Texts remembered under one hash; more share only a stock phrase."

_DIGITS = re.compile(r"\d+")
_OTHERS = re.compile(r"[\W_]+")


def normalize(text: str) -> str:
    """Return the letters and digits of `text`, width and case aside."""
    bare = _OTHERS.sub("", text).lower()
    if unicodedata.is_normalized("NFKC", bare):  # most texts, once their punctuation of full width is gone
        return bare
    return _OTHERS.sub("", unicodedata.normalize("NFKC", bare).lower())


def common_length(left: str, right: str) -> int:
    """Length of the longest common subsequence, by bits (Hyyrö, 2004)."""
    places: dict[str, int] = {}
    for place, character in enumerate(left):
        places[character] = places.get(character, 0) | 1 << place
    full = (1 << len(left)) - 1
    state = full
    for character in right:
        matched = state & places.get(character, 0)
        state = (state + matched | state - matched) & full
    return len(left) - state.bit_count()


def likeness(left: str, right: str) -> float:
    """ROUGE-L F1 over the characters of two normalized texts, from 0 to 1; 1 for two empty ones."""
    total = len(left) + len(right)
    return 2 * common_length(left, right) / total if total else 1.0


def group(texts: Sequence[str], close: float = CLOSE) -> list[int]:
    """Number the texts by group: texts whose likeness is at least `close`, also by way of others, share a number.

    Returns:
        For every text the place of the first text of its group.
    """
    plain = [normalize(one) or one for one in texts]
    first: dict[str, int] = {}
    for place, one in enumerate(plain):
        first.setdefault(one, place)
    parents = {place: place for place in first.values()}
    buckets: dict[int, deque[int]] = {}
    for text, place in first.items():
        keys = _sketch(text)
        shared = Counter(other for key in keys for other in buckets.get(key, ()))
        for other, count in shared.items():
            near = count >= min(SHARED, len(keys)) and _root(parents, other) != _root(parents, place)
            if near and alike(text, plain[other], close):
                low, high = sorted((_root(parents, other), _root(parents, place)))
                parents[high] = low
        for key in keys:
            buckets.setdefault(key, deque(maxlen=CROWD)).append(place)
    return [_root(parents, first[one]) for one in plain]


def has_close(text: str, others: Sequence[str], close: float = CLOSE) -> bool:
    """Return whether one of `others` is `text` or nearly so."""
    plain = normalize(text) or text
    return any(one == plain or alike(plain, one, close) for one in (normalize(other) or other for other in others))


def alike(left: str, right: str, close: float = CLOSE) -> bool:
    """Return whether two normalized texts with the same numbers in them are at least as alike as `close`."""
    if _DIGITS.findall(left) != _DIGITS.findall(right):  # 第 12 题 and 第 13 题 ask different things
        return False
    short, long = sorted((len(left), len(right)))
    return 2 * short >= close * (short + long) and likeness(left, right) >= close


def _root(parents: dict[int, int], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place


def _sketch(text: str) -> list[int]:
    grams = {text[start : start + 3] for start in range(max(1, len(text) - 2))}
    return sorted(zlib.crc32(one.encode("utf-8", "replace")) for one in grams)[:SKETCH]
