"""Plain and pasted text becomes rows: JSON or a table when it is one, marked dialogues (问：… 答：…), else paragraphs.

A line of plain text has no columns of its own; paragraphs are rows with the one column `text`, to be continued.
"""

import re
from collections.abc import Iterator

from glm_core.data.examples import RowError
from glm_core.data.readers.json_rows import Row, json_rows
from glm_core.data.readers.layouts import recognize
from glm_core.data.readers.tables import csv_rows

TEXT = "text"
PIECE = 400  # characters of one piece of running prose: well inside the context of the smallest model

_SPEAKERS = {
    "user": ("问", "问题", "提问", "用户", "我", "q", "question", "user", "human"),
    "assistant": ("答", "回答", "答案", "助手", "a", "answer", "assistant", "bot", "gpt"),
    "system": ("系统", "system"),
}
_ROLES = {word: role for role, words in _SPEAKERS.items() for word in words}
_SPOKEN = re.compile(rf"\s*({'|'.join(sorted(_ROLES, key=len, reverse=True))})\s*[:：]\s*", re.IGNORECASE)
_SENTENCE = re.compile(r"[^。！？!?；;…\n]*[。！？!?；;…\n]+[”’」』\"']*|[^。！？!?；;…\n]+")


def text_rows(text: str, file: str) -> Iterator[Row]:
    """The rows of `text`, by what it looks like."""
    first = text.lstrip()
    if re.match(r"\{\s*\"|\[\s*[\{\]]", first):
        return json_rows(text, file, by_line=True)
    if _SPOKEN.match(first):
        return _dialogues(text)
    header = first.split("\n", 1)[0]
    if "\t" in header:
        return csv_rows(text, file, "\t") if _is_header(header.split("\t")) else _tab_pairs(text)
    if "," in header and _is_header(header.split(",")):
        return csv_rows(text, file, ",")
    return _paragraphs(text)


def _is_header(cells: list[str]) -> bool:
    return recognize(tuple(cell.strip().strip('"') for cell in cells)) is not None


def _tab_pairs(text: str) -> Iterator[Row]:
    """Two columns pasted from a sheet without their header: question and answer."""
    for number, line in enumerate(text.split("\n"), 1):
        cells = line.strip().split("\t")
        if len(cells) == 2:
            yield number, {"question": cells[0], "answer": cells[1]}
        elif line.strip():
            yield number, RowError("data.row.not_pair", cells=len(cells))


def _dialogues(text: str) -> Iterator[Row]:
    """Turns begin with a speaker's mark; a blank line before a user's mark begins the next conversation."""
    turns: list[dict] = []
    start, blank = 1, False
    for number, line in enumerate(text.split("\n"), 1):
        mark = _SPOKEN.match(line)
        role = _ROLES[mark[1].lower()] if mark else ""
        if turns and blank and role in ("user", "system") and turns[-1]["role"] == "assistant":
            yield start, _conversation(turns)
            turns = []
        if role:
            start = start if turns else number
            turns.append({"role": role, "content": line[mark.end() :]})
        elif turns:
            turns[-1]["content"] += "\n" + line
        blank = not line.strip()
    yield start, _conversation(turns)


def _conversation(turns: list[dict]) -> dict:
    return {"messages": [{**turn, "content": turn["content"].strip()} for turn in turns]}


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
