"""Blocks become passages: whole paragraphs under one heading, bounded in tokens, in the order of the document."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from glm_core.data.documents.blocks import Block

USUAL_TOKENS = 400
LEAST_TOKENS, MOST_TOKENS = 50, 4_000
MOST_PASSAGES = 5_000
SHORT = 5  # a section of less than a fifth of a passage goes on with the next one
_SENTENCE = re.compile(r"[^。！？!?；;…\n.]*(?:[。！？!?；;…\n]+[”’」』\"']*|\.(?=\s|$)\s*|\.|$)")
_CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")

Count = Callable[[str], int]


@dataclass(frozen=True)
class Passage:
    """A piece of a document.

    Attributes:
        number: from 1.
        heading: the titles it stands under, joined with " › ".
        page: where it begins, from 1; 0 where there are no pages.
    """

    number: int
    text: str
    heading: str = ""
    page: int = 0

    def as_record(self) -> dict:
        """The form that JSON keeps."""
        return asdict(self)


def estimate_tokens(text: str) -> int:
    """Tokens of a text without a tokenizer: one for a Chinese character, one for four others."""
    wide = len(_CJK.findall(text))
    return wide + (len(text) - wide + 3) // 4


def cut(blocks: Sequence[Block], limit: int = USUAL_TOKENS, count: Count = estimate_tokens) -> list[Passage]:
    """Cut `blocks` into passages of at most `limit` tokens; at most `MOST_PASSAGES` of them.

    Args:
        count: tokens of a text.
    """
    found: list[Passage] = []
    for heading, page, text in _sections(blocks, max(1, limit // SHORT), count):
        for piece in _pieces(text, limit, count):
            if len(found) == MOST_PASSAGES:
                return found
            found.append(Passage(len(found) + 1, piece, heading, page))
    return found


def _sections(blocks: Sequence[Block], short: int, count: Count) -> Iterator[tuple[str, int, str]]:
    """Heading, page and text of every section, short ones joined to what follows."""
    titles: dict[int, str] = {}
    heading, page, texts, size, only_titles = "", 0, [], 0, True
    for block in blocks:
        if block.level:
            if texts and not only_titles and size >= short:
                yield heading, page, "\n".join(texts)
                texts, size, only_titles = [], 0, True
            titles = {level: title for level, title in titles.items() if level < block.level}
            titles[block.level] = block.text
            if only_titles:
                texts, size, heading = [], 0, " › ".join(titles.values())
                continue
        if not texts:
            heading, page = " › ".join(titles.values()), block.page
        texts.append(block.text)
        size += count(block.text)
        only_titles = only_titles and bool(block.level)
    if texts:
        yield heading, page, "\n".join(texts)


def _pieces(text: str, limit: int, count: Count) -> Iterator[str]:
    """`text` in pieces of at most `limit` tokens: paragraphs, where one is too long its sentences, then its characters."""
    piece = ""
    for part, mark in _parts(text, limit, count):
        if piece and count((piece + part).strip()) > limit:  # the parts alone count less than with their line ends
            yield piece.strip()
            piece = ""
        piece += part + mark
    if piece.strip():
        yield piece.strip()


def _parts(text: str, limit: int, count: Count) -> Iterator[tuple[str, str]]:
    """Parts that fit by themselves, each with the line end behind it."""
    for paragraph in text.split("\n"):
        if count(paragraph) <= limit:
            yield paragraph, "\n"
            continue
        for sentence in filter(None, _SENTENCE.findall(paragraph)):
            if count(sentence) <= limit:
                yield sentence, ""
            else:
                yield from _hard_parts(sentence, limit, count)
        yield "", "\n"


def _hard_parts(sentence: str, limit: int, count: Count) -> Iterator[tuple[str, str]]:
    """`sentence` cut in the middle until every part fits; a single character always does."""
    if len(sentence) < 2 or count(sentence) <= limit:
        yield sentence, ""
        return
    middle = len(sentence) // 2
    yield from _hard_parts(sentence[:middle], limit, count)
    yield from _hard_parts(sentence[middle:], limit, count)
