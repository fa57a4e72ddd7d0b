"""A text ready to be compared: its quantities, its words, its letters; which words stand in it in some form."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glm_core.evaluation.judge import numbers, text, wording

_LIGHT = frozenset("的之地得了着过把被上下来去好完掉住出起在里中内就也都")
_NAMES = ("nr", "ns", "nt", "nz", "nrt", "nrfg")


@dataclass(frozen=True)
class Side:
    """A text ready to be compared.

    Attributes:
        quantities: its numbers in their order.
        words: its words without them.
        letters: its Chinese characters.
        plain: its text with a blank where each number stood. whole: with the numbers.
    """

    quantities: tuple[numbers.Quantity, ...]
    words: tuple[str, ...]
    letters: frozenset[str]
    plain: str
    whole: str

    @property
    def content(self) -> list[str]:
        """Words that count."""
        return [one for one in self.words if text.is_content(one)]


def side(raw: str) -> Side:
    """Bring `raw` to the form in which texts are compared."""
    plain = wording.normalize(text.compact(raw))
    found, rest = numbers.quantities(plain)
    rest = _without_measures(rest, found)
    return Side(
        found, tuple(_pieces(text.words(rest))), frozenset(one for one in rest if text.IS_CJK.match(one)), rest, plain
    )


def _without_measures(rest: str, found: Sequence[numbers.Quantity]) -> str:
    """Drop the signs of numbers, a measure word after one (一家银行 is 银行), and 个 after any (5个人)."""
    pieces = rest.split(numbers.MARK)
    for place, one in enumerate(found, 1):
        single = (one.dimension, one.value) == ("", 1)
        pieces[place] = re.sub(f"^[{numbers.MEASURES if single else '个名位'}](?=[{text.CJK}])", "", pieces[place])
    return " ".join(pieces)


def _pieces(words: Sequence[str]) -> Iterator[str]:
    """Words with a verb and its object that the dictionary joins taken apart: 关闭电源, 感谢您; either may have a synonym."""
    for word in words:
        if len(word) > 2 and word[-1] in "你您" and text.part_of_speech(word[:-1])[:1] == "v":
            yield from (word[:-1], word[-1])
            continue
        if len(word) == 2 and word[1] in "往到至给" and text.part_of_speech(word[0])[:1] == "v":
            yield from word
            continue
        halves = (word[:-2], word[-2:])
        kinds = "".join(text.part_of_speech(one)[:1] or "-" for one in halves)
        kind = text.part_of_speech(word)
        compound = len(word) == 4 and kind not in _NAMES and kinds in ("vn", "dv", "av", "nn")
        phrase = len(word) == 3 and kind in ("i", "l") and kinds == "vn"
        yield from halves if compound and kind != "i" or phrase else (word,)


def covered(word: str, place: Side) -> bool:
    """True where `word` stands in `place`: as a word, in a synonym, or with all its characters in other words."""
    if word in place.words or any(text.synonyms(word, other) for other in place.words):
        return True
    if text.IS_CJK.match(word):
        word = word[:2] if len(word) == 3 and word[2] in "人者" else word  # 主讲人 is who 主讲
        core = set(word) - _LIGHT | {one for one in word[0] if one in "去来上下里中内"}  # 去年 is not 今年
        return (core or set(word)) <= place.letters
    return any(_stem(word) == _stem(other) or text.synonyms(_singular(word), _singular(other)) for other in place.words)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _stem(word: str) -> str:
    """English word without its ending of number or of an action: parks, parking, park; 3 letters and more stay."""
    return re.sub(r"(?<=\w{2})ing$|(?<=\w{3})(?:es|s|e)$", "", word)


def given(word: str, asked: Side) -> bool:
    """True where the question says the word, so that the answer need not."""
    return word in asked.words or bool(text.IS_CJK.match(word)) and set(word) <= asked.letters
