"""Blocks: the headings and paragraphs of a document in their order, with the page each stands on."""

import re
from dataclasses import dataclass

from glm_core.data.examples import Notice

MAX_CHARACTERS = 5_000_000
"Characters of a document that are used; a long novel has one million."
_HEADING = re.compile(
    r"第[一二三四五六七八九十百零〇\d]{1,6}[章节篇部卷回](?:[\s:：、.].{0,40}|$)"
    r"|[一二三四五六七八九十]{1,3}、[^。！？!?；;]{1,30}$"
    r"|\d{1,2}(?:\.\d{1,2}){0,3}[.、\s]\s*[^。！？!?；;.]{1,40}$"
    r"|(?:Chapter|Section|Part)\s+\w{1,8}\b.{0,60}$",
)
_CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True)
class Block:
    """A paragraph, or a heading of `level` 1 to 6 (0: a paragraph), on `page` (from 1; 0 where there are no pages)."""

    text: str
    level: int = 0
    page: int = 0


@dataclass(frozen=True)
class Document:
    """The text of a file, and `notices` of what in it is not used."""

    name: str
    blocks: tuple[Block, ...]
    notices: tuple[Notice, ...] = ()


def plain_blocks(text: str, page: int = 0) -> list[Block]:
    """Paragraphs of plain text: divided by blank lines where there are any, else by line ends; numbered titles are headings."""
    apart = re.search(r"\n[ \t\u3000]*\n", text.strip()) is not None
    found = []
    for piece in re.split(r"\n(?:[ \t\u3000]*\n)+" if apart else r"\n", text):
        head, _, rest = piece.strip().partition("\n")
        if head and is_heading(head):
            found.append(Block(head.strip(), 2, page))
            head, rest = "", rest.strip()
        if words := unwrap([*([head] if head else []), *rest.split("\n")]):
            found.append(Block(words, 0, page))
    return found


def is_heading(line: str) -> bool:
    """Return whether a line of plain text reads as a numbered title."""
    return _HEADING.match(line.strip()) is not None and len(line.strip()) <= 60


def unwrap(lines: list[str]) -> str:
    """Lines as paragraphs: a line that was broken at the margin goes on with the next, without a space in Chinese.

    A line much shorter than the longest ends its paragraph, and so does one before a mark of a list.
    """
    lines = [line.strip() for line in lines if line.strip()]
    longest = max(map(len, lines), default=0)
    said, before = "", ""
    for line in lines:
        if not said:
            said = line
        elif _ends(before, longest) or re.match(r"[-*•·●▪]\s|[(（]?\d{1,3}[)）.、]\s?\D", line):
            said += "\n" + line
        else:
            said += ("" if _CJK.match(said[-1]) or _CJK.match(line[0]) else " ") + line
        before = line
    return said


def _ends(line: str, longest: int) -> bool:
    return len(line) < 0.6 * longest or (line[-1:] in "。！？!?：:." and len(line) < 0.9 * longest)
