"""Plain and pasted text becomes rows: JSON or a table when it is one, marked dialogues, questions with the answer below,
else paragraphs.

A line of plain text has no columns of its own; paragraphs are rows with the one column `text`, to be continued.
"""

import re
from collections.abc import Iterator

from glm_core.data.readers.formats.csv_rows import csv_rows
from glm_core.data.readers.formats.dialogues import dialogue_rows, is_dialogue, speaker_rows
from glm_core.data.readers.formats.html_text import html_table, with_headings
from glm_core.data.readers.formats.intents import markdown_intents
from glm_core.data.readers.formats.json_rows import json_rows
from glm_core.data.readers.formats.questions import asked_rows, markdown_table, with_colons
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.formats.table_header import named_rows
from glm_core.data.readers.layouts import is_header
from glm_core.data.readers.notices import NoticeTally

TEXT = "text"
PIECE = 400  # characters of one piece of running prose: well inside the context of the smallest model

_SENTENCE = re.compile(r"[^。！？!?；;…\n]*[。！？!?；;…\n]+[”’」』\"']*|[^。！？!?；;…\n]+")


def text_rows(
    text: str, file: str, tally: NoticeTally | None = None, reading: str = "", assistant: str = ""
) -> Iterator[Row]:
    """The rows of `text`, by what it looks like; `reading` and `assistant` as in `dialogues`."""
    tally = NoticeTally() if tally is None else tally
    first = text.lstrip()
    if re.match(r"\{\s*\"|\[\s*[\{\[\]]\s*[\"\{\[\]]?", first) and not is_dialogue(first):
        return json_rows(text, file, by_line=True, tally=tally)
    if intents := markdown_intents(text):
        return iter(intents)
    text = with_colons(with_headings(text))
    if is_dialogue(text):
        return dialogue_rows(text, tally, reading)
    if (table := markdown_table(text) or html_table(text)) is not None:
        if table[1]:
            tally.add("lines_unused", table[1])
        return named_rows(iter(table[0]), file, tally)
    header = first.split("\n", 1)[0]
    if "\t" in header:
        named = is_header(cell.strip().strip('"') for cell in header.split("\t"))
        return csv_rows(text, file, "\t", tally, headless=not named)
    for mark in (",", ";", "|"):
        if mark in header and is_header(cell.strip().strip('"') for cell in header.split(mark)):
            return csv_rows(text, file, mark, tally)
    if reading != "paragraphs" and (rows := speaker_rows(text, tally, reading, assistant)) is not None:
        return rows
    asked, titles = asked_rows(text) if reading != "paragraphs" else ([], 0)
    if asked:
        tally.guess("asked", "paragraphs")
        if titles:
            tally.add("lines_unused", titles)
        return iter(asked)
    return _paragraphs(text)


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
