"""Plain and pasted text becomes rows: JSON or a table when it is one, marked dialogues, questions with the answer below,
else paragraphs.

A line of plain text has no columns of its own; paragraphs are rows with the one column `text`, to be continued.
"""

import re
from collections import Counter
from collections.abc import Iterator

from glm_core.data.readers.formats.csv_rows import csv_rows
from glm_core.data.readers.formats.dialogues import dialogue_rows, is_dialogue, speaker_rows
from glm_core.data.readers.formats.json_rows import json_rows
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.layouts import is_header
from glm_core.data.readers.notices import NoticeTally

TEXT = "text"
PIECE = 400  # characters of one piece of running prose: well inside the context of the smallest model

_SENTENCE = re.compile(r"[^。！？!?；;…\n]*[。！？!?；;…\n]+[”’」』\"']*|[^。！？!?；;…\n]+")


def text_rows(text: str, file: str, tally: NoticeTally | None = None, reading: str = "") -> Iterator[Row]:
    """The rows of `text`, by what it looks like; `reading` as in `dialogues`."""
    tally = NoticeTally() if tally is None else tally
    first = text.lstrip()
    if re.match(r"\{\s*\"|\[\s*[\{\[\]]\s*[\"\{\[\]]?", first) and not is_dialogue(first):
        return json_rows(text, file, by_line=True, tally=tally)
    if is_dialogue(first):
        return dialogue_rows(text, tally, reading)
    header = first.split("\n", 1)[0]
    if "\t" in header:
        named = is_header(cell.strip().strip('"') for cell in header.split("\t"))
        return csv_rows(text, file, "\t", tally, headless=not named)
    for mark in (",", ";", "|"):
        if mark in header and is_header(cell.strip().strip('"') for cell in header.split(mark)):
            return csv_rows(text, file, mark, tally)
    if (rows := speaker_rows(text, tally, reading)) is not None:
        return rows
    if reading != "paragraphs" and (asked := asked_rows(text)):
        tally.guess("asked", "paragraphs")
        return iter(asked)
    return _paragraphs(text)


def asked_rows(text: str) -> list[Row]:
    """Blocks or Markdown headings that end with a question mark, each with the answer below; empty where most do not."""
    blocks = _headed(text) or _blocks(text)
    asked = [block for block in blocks if block[1].rstrip().endswith(("？", "?")) and block[2].strip()]
    if len(asked) < 2 or 5 * len(asked) < 4 * len(blocks):
        return []
    return [(line, {"question": _bare(head), "answer": rest.strip()}) for line, head, rest in blocks]


def _bare(head: str) -> str:
    """A question without its Markdown marks and number."""
    return re.sub(r"^(?:#{1,6}\s*|[-*+]\s+)?(?:\*\*)?(?:[(（]?\d{1,4}[)）]?[.、．)）]\s*)?", "", head.strip()).rstrip(
        "* "
    )


def _headed(text: str) -> list[tuple[int, str, str]]:
    """Line, heading and text below, of the level of Markdown headings there is most of."""
    marks = list(re.finditer(r"^#{1,6}[ \t]+(.+)$", text, re.MULTILINE))
    if not marks:
        return []
    level = Counter(mark[0].split()[0] for mark in marks).most_common(1)[0][0]
    marks = [mark for mark in marks if mark[0].split()[0] == level]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    found, line, counted = [], 1, 0
    for mark, end in zip(marks, ends, strict=True):
        line, counted = line + text.count("\n", counted, mark.start()), mark.start()
        found.append((line, mark[1], text[mark.end() : end]))
    return found


def _blocks(text: str) -> list[tuple[int, str, str]]:
    found, line = [], 1
    for block in re.split(r"\n(?=[ \t\r\u3000]*\n)", text):
        offset = len(block) - len(block.lstrip())
        if block.strip():
            head, _, rest = block.strip().partition("\n")
            found.append((line + block.count("\n", 0, offset), head, rest))
        line += block.count("\n") + 1
    return found


def _paragraphs(text: str) -> Iterator[Row]:
    """Paragraphs (divided by blank lines where there are any, else by line ends), long ones in pieces of sentences."""
    apart = re.search(r"\n[ \t\r\u3000]*\n", text.strip()) is not None
    line = 1
    for block in re.split(r"\n(?=[ \t\r\u3000]*\n)" if apart else r"\n", text):
        offset = len(block) - len(block.lstrip())
        number = line + block.count("\n", 0, offset)
        for piece in _pieces(block.strip()):
            yield number, {TEXT: piece}
        line += block.count("\n") + 1


def _pieces(paragraph: str) -> Iterator[str]:
    piece = ""
    for sentence in _SENTENCE.findall(paragraph):
        for start in range(0, len(sentence), PIECE):
            part = sentence[start : start + PIECE]
            if piece and len(piece) + len(part) > PIECE:
                yield piece.strip()
                piece = ""
            piece += part
    if piece.strip():
        yield piece.strip()


def halves(paragraph: str) -> tuple[str, str] | None:
    """`paragraph` as what is given and what continues it, cut at the sentence or clause end nearest to the middle.

    None when it is too short to be cut (under 8 characters).
    """
    if len(paragraph) < 8:
        return None
    middle = len(paragraph) / 2
    ends = [found.end() for found in re.finditer(r"[。！？!?；;，,、：:\n…]+|\s+", paragraph)]
    inner = [end for end in ends if 3 < end < len(paragraph) - 3 and paragraph[end:].strip()]
    cut = min(inner, key=lambda end: abs(end - middle)) if inner else int(middle)
    return paragraph[:cut], paragraph[cut:]
