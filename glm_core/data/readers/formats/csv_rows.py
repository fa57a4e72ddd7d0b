"""csv and tsv become rows: the separator, quotes, and lines that break them.

Covers text in cells; which row is the header is `table_header`.
"""

import csv
import re
from collections.abc import Iterator
from typing import Any

from glm_core.data.examples import MAX_TEXT, DataError, RowError
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.formats.table_header import named_rows
from glm_core.data.readers.notices import NoticeTally

_MAX_RESTARTS = 100
LONGEST_LINE = 4 * MAX_TEXT
"Characters of a line that are looked at: a longer one would become millions of cells."
_SEP = re.compile(r"\ufeff?[ \t]*\"?sep=(.)\"?[ \t]*(?=\n|\Z)", re.IGNORECASE)

csv.field_size_limit(MAX_TEXT)


def csv_rows(
    text: str, file: str, delimiter: str | None = None, tally: NoticeTally | None = None, headless: bool | None = None
) -> Iterator[Row]:
    """Rows of comma- or tab-separated text, by the names in its header.

    A quote that is never closed is a problem of the line where it opened; reading goes on with the next line.

    Args:
        headless: as `table_header.Table`.

    Raises:
        DataError: no header, too many columns, or quotes that break more than a hundred times.
    """
    skipped = 0
    if found := _SEP.match(text):
        delimiter, text, skipped = found[1], text[found.end() + 1 :], 1
    cells = _cells(text, file, delimiter or _delimiter(text), skipped, **_habits(text))
    return named_rows(cells, file, NoticeTally() if tally is None else tally, headless)


def _delimiter(text: str) -> str:
    """The separator of the first lines: a comma, or what Excel writes in other countries."""
    for line in text[:20_000].lstrip().split("\n")[:12]:
        mark = "," if "," in line else max(";\t|", key=line.count)
        if mark in line:
            return mark
    return ","


def _habits(text: str) -> dict[str, Any]:
    """How the first line writes its cells: in single quotes, or with a space behind each separator before a quote."""
    first, _, rest = text.lstrip("\ufeff\n ").partition("\n")
    quoted = re.fullmatch(r"\s*'[^',;]*'(?:\s*[,;|\t]\s*'[^',;]*')+\s*", first) is not None
    spaced = re.search(r"[,;|] +\"(?!\")", rest[:20_000]) is not None  # a doubled one stands within a cell
    return {"quotechar": "'" if quoted else '"', "skipinitialspace": quoted or spaced}


def _split_lines(text: str) -> list[str]:
    """The lines of `text` with their ends; io.StringIO would need four bytes a character."""
    lines = [f"{line}\n" if len(line) < MAX_TEXT else line for line in text.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    return lines


def _cells(text: str, file: str, delimiter: str, skipped: int, **habits: Any) -> Iterator[tuple[int, list | RowError]]:
    lines = _split_lines(text)
    position = 0
    for _ in range(_MAX_RESTARTS):
        reader = csv.reader(map(_bounded, lines[position:]), delimiter=delimiter, strict=True, **habits)
        start = position
        try:
            for cells in reader:
                if cells:
                    yield start + 1 + skipped, cells
                start = position + reader.line_num
            return
        except csv.Error:
            length = len(lines[start])
            key = "data.row.too_long" if length > MAX_TEXT else "data.row.quotes"
            yield start + 1 + skipped, RowError(key, length=length, limit=MAX_TEXT)
            position = start + 1
    raise DataError("data.quotes", file=file, line=position + skipped)


def _bounded(line: str) -> str:
    if len(line) > LONGEST_LINE:
        raise csv.Error
    return line
