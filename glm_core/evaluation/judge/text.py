"""Text made comparable: width, case and script folded, cut into clauses and words, its language told.

Covers: folding, clauses, words with their part of speech, likeness, languages. Not here: numbers, negation.
"""

import json
import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from glm_core.data import similar
from glm_core.markdown import segmenter

CJK = "\u3400-\u9fff"
IS_CJK = re.compile(f"[{CJK}]")
LATIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
MARK = re.compile(r"[\ue000-\ue0ff]")
"Private characters that stand for names and quantities while a text is compared."
_BLANK_BESIDE_CJK = re.compile(rf"(?<=[{CJK}\W_])\s+|\s+(?=[{CJK}\W_])")
_CLAUSE_END = re.compile(r"(?<!\d)[,:]|[,:](?!\d)|[。!?;\n、]|\.(?=\s|$)|\.{2,}|—+|~+")
_NO_LETTER = re.compile(r"(?<!\d)[.:]|[.:](?!\d)|[^\w.:%\ue000-\ue0ff]|_")
_DOTS = re.compile(f"(?<=[{CJK}])[·•・‧](?=[{CJK}])")
_MARKS = re.compile(r"(?<!\d)[.:]|[.:](?!\d)|[\s、,。;!?\"'()~…—·]")
_QUOTES = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "「": '"', "」": '"', "『": '"', "』": '"', "–": "-", "−": "-"}
)
_LEXICON = Path(__file__).with_name("lexicon.json")


@dataclass(frozen=True)
class Clause:
    """One clause of a folded text and the mark that ends it, empty at the end of the text."""

    text: str
    end: str

    @property
    def asks(self) -> bool:
        """True for a question, which asserts nothing."""
        return self.end == "?" or self.text.endswith(("吗", "么")) and not self.text.endswith(("那么", "这么"))


@cache
def lexicon() -> dict:
    """Word lists of lexicon.json: synonyms, antonyms, function words, families of labels."""
    return json.loads(_LEXICON.read_text(encoding="utf-8"))


@lru_cache(4096)
def fold(text: str) -> str:
    """Return `text` in NFKC, lower case, simplified script, with straight quotes and single blanks."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).lower().strip()
    return re.sub(r"[^\S\n]+", " ", _to_simplified(_DOTS.sub("", plain)))


def _to_simplified(text: str) -> str:
    return _converter().convert(text) if IS_CJK.search(text) else text


@cache
def _converter():
    from opencc import OpenCC

    return OpenCC("t2s")


def compact(text: str) -> str:
    """Return folded `text` without the blanks that stand beside Chinese characters or marks."""
    return _BLANK_BESIDE_CJK.sub("", fold(text))


def unmarked(text: str) -> str:
    """Return folded `text` without the marks between words; signs of sums and code stay."""
    return _MARKS.sub("", fold(text))


@lru_cache(4096)
def skeleton(text: str) -> str:
    """Return the letters, digits and ideographs of `text` alone, folded; a point inside a number and a percent sign stay."""
    return _NO_LETTER.sub("", fold(text))


def clauses(text: str) -> list[Clause]:
    """Cut folded `text` at the marks between clauses; decimal points, times and thousands stay whole."""
    found, start = [], 0
    for match in _CLAUSE_END.finditer(text):
        found.append(Clause(text[start : match.start()].strip(" \"'()"), match[0][0]))
        start = match.end()
    found.append(Clause(text[start:].strip(" \"'()"), ""))
    return [one for one in found if one.text]


@lru_cache(4096)
def words(text: str) -> tuple[str, ...]:
    """Words of folded `text`: dictionary words of Chinese, whole words of Latin letters and digits; no marks."""
    return tuple(
        one for one in segmenter().cut(text, HMM=False) if one.strip() and (one[0].isalnum() or MARK.match(one))
    )


@lru_cache(4096)
def words_with_marks(text: str) -> tuple[str, ...]:
    """Every piece that jieba cuts `text` into, so that the pieces joined are the text."""
    return tuple(segmenter().cut(text, HMM=False))


@cache
def _dictionary() -> bytes:
    """Lines of jieba's dictionary (word, frequency, tag), sorted: to look through all of it takes milliseconds a word."""
    return b"\n".join(sorted(segmenter().get_dict_file().read().splitlines()))


def _line_at(place: int) -> bytes:
    """Return the line of the dictionary around a byte of it; the mark at its end belongs to it."""
    known = _dictionary()
    end = known.find(b"\n", place)
    return known[known.rfind(b"\n", 0, place) + 1 : end if end >= 0 else len(known)]


@lru_cache(4096)
def part_of_speech(word: str) -> str:
    """Return the tag that jieba's dictionary gives `word` ("n", "v", "nr", "ns", ...), empty for an unknown word."""
    wanted = f"{word} ".encode("utf-8", "replace")
    places = range(len(_dictionary()))
    place = bisect_left(places, wanted, key=_line_at)
    line = _line_at(place) if place < len(places) else b""
    return line.split()[-1].decode() if line.startswith(wanted) else ""


def is_content(word: str) -> bool:
    """True unless `word` is a function word, of which a sentence can lose or gain one."""
    return word not in _function_words()


@cache
def _function_words() -> frozenset[str]:
    return frozenset(" ".join(lexicon()["function_words"]).split()) - frozenset(lexicon()["kept_words"].split())


def light_family(word: str) -> int:
    """Return the group of verbs that say little beside their object, from 1, which `word` is of: 举办, 举行; 0 for none."""
    return next((number for number, line in enumerate(lexicon()["light_verbs"], 1) if word in line.split()), 0)


@cache
def _synonym_groups() -> dict[str, frozenset[int]]:
    groups: dict[str, set[int]] = {}
    for number, line in enumerate(lexicon()["synonyms"]):
        for word in line.split():
            groups.setdefault(word, set()).add(number)
    return {word: frozenset(numbers) for word, numbers in groups.items()}


def synonyms(left: str, right: str) -> bool:
    """True where two words may stand for each other."""
    groups = _synonym_groups()
    return left == right or bool(groups.get(left, frozenset()) & groups.get(right, frozenset()))


@cache
def _antonyms() -> frozenset[tuple[str, str]]:
    pairs = [line.split() for line in lexicon()["antonyms"]]
    return frozenset((one, other) for pair in pairs for one in pair for other in pair if one != other)


def antonyms(left: str, right: str) -> bool:
    """True where two words exclude each other."""
    return (left, right) in _antonyms()


def opposites(left: str, right: str) -> tuple[str, str] | None:
    """Return words of two or more characters of which `left` holds one and `right` its opposite, and neither both."""
    for one, other in _antonyms():
        if (
            len(one) > 1
            and len(other) > 1
            and one in left
            and other in right
            and other not in left
            and one not in right
        ):
            return one, other
    return None


def language(text: str) -> str:
    """Return "zh", "en" or "" (too little to tell: a name, a model number, code) for folded `text`."""
    chinese, latin = len(IS_CJK.findall(text)), len(LATIN_WORD.findall(text))
    if chinese and chinese >= latin:
        return "zh"
    return "en" if latin >= 2 and latin > 2 * chinese else ""


@lru_cache(4096)
def likeness(left: str, right: str) -> float:
    """ROUGE-L F1 over the characters of two texts, marks aside, from 0 to 1."""
    return similar.likeness(skeleton(left), skeleton(right))
