"""Cells of a table become rows by column name: which row is the header, titles above it, and tables that have none.

Shared by csv and xlsx. What the columns mean is `layouts`.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from glm_core.data.examples import DataError, RowError, is_blank
from glm_core.data.readers.columns import HAN, is_code, is_identifier, nearly
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.layouts import is_header, knows
from glm_core.data.readers.notices import NoticeTally

MAX_COLUMNS = 1_000
_LOOKED_AT = 12  # rows among which the header is looked for
_SENTENCE = re.compile(r"[。！？!?…；]\s*[”’」』\"']?\s*$|[。！？，、；].*[\w]")
_ASKED = re.compile(
    r"(吗|几点|几天|多少钱?|多久|怎么办)$|(几点|几天|多久)..$|^(几点|多少|多久|为什么|什么时候|能不能|可不可以).+"
    r"|^(how|what|when|where|why|who|which|can|do|does|is|are)\s.+",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\s*[-+]?[\d.,%/:\-\s]*\s*")
_LONG = 40  # characters that no column's name has

Cells = Iterator[tuple[int, list | RowError]]


class Table:
    """The rows of one table, its header found.

    Attributes:
        known: whether the header names a known layout.
        headless: whether the first row was taken for data.
        names: the columns; empty where the table is.
    """

    def __init__(self, cells: Cells, file: str, headless: bool | None = None):
        """
        Args:
            headless: True takes the first row for data, False for the header; None looks.

        Raises:
            DataError: the first row cannot be read, or has too many columns.
        """
        self._head = list(islice(cells, _LOOKED_AT))
        self._rest, self._file = cells, file
        place = self._find_header()
        self.known, self.headless, self.names = place is not None, False, []
        self._repeats: list[Row] = []
        self._header: list[str] = []
        if not self._head:
            return
        if headless or (headless is None and place is None and self._looks_like_data()):
            self.headless = True
            self.names = self._invented()
        else:
            self._name_columns(self._head[place or 0], place or 0)

    def rows(self) -> Iterator[Row]:
        """The rows with their line or sheet row; blank ones are left out."""
        yield from self._repeats
        second = next(iter(self._head), None)
        if self._header and second and isinstance(second[1], list) and _names_again(_texts(second[1]), self._header):
            yield second[0], RowError("data.row.header_again")
            self._head = self._head[1:]
        for number, row in chain(self._head, self._rest):
            if isinstance(row, RowError):
                yield number, row
            elif self._header and row and row[0] == self._header[0] and _texts(row) == self._header:
                yield number, RowError("data.row.header_again")
            elif any(not is_blank(cell) for cell in row):
                yield number, _record(self.names, row)

    def note(self, tally: NoticeTally) -> None:
        """Say that the first row was taken for data, or for names that nothing knows."""
        if self.headless:
            tally.add("no_header")
        elif self.names and not self._is_header_beyond_doubt():
            tally.add("names_taken", 1, *[name for name in self.names if not name.startswith("#")])

    def _is_header_beyond_doubt(self) -> bool:
        """Return whether one of the names is known, or stands over numbers, codes or one and the same word."""
        if any(knows(name) or nearly(name) or is_identifier(name) for name in self.names):
            return True
        for place, name in enumerate(self.names):
            cells = [_text(row[place]) for _, row in self._head if isinstance(row, list) and place < len(row)]
            below = [cell for cell in cells if cell]
            if len(below) < 2 or _NUMBER.fullmatch(name) or is_code(name):
                continue
            if all(_NUMBER.fullmatch(cell) or is_code(cell) for cell in below) or set(below) == {below[0]} != {name}:
                return True
        return False

    def _find_header(self) -> int | None:
        """The place of the first row whose cells name a layout; above it only narrower rows, such as a title."""
        for place, (_, row) in enumerate(self._head):
            if isinstance(row, RowError):
                continue
            if is_header(_texts(row)):
                width = _filled(row)
                above = [_filled(other) for _, other in self._head[:place] if not isinstance(other, RowError)]
                return place if all(count < width for count in above) else None
        return None

    def _looks_like_data(self) -> bool:
        first = self._head[0][1]
        if isinstance(first, RowError):
            return False
        texts = _texts(first)
        filled = [text for text in texts if text]
        if len(filled) < 2 or any(knows(text) for text in filled) or len(set(filled)) < len(filled):
            return False
        below = [_texts(row) for _, row in self._head[1:] if not isinstance(row, RowError)]
        again = any(
            text and text == row[place] for place, text in enumerate(texts) for row in below if place < len(row)
        )
        worded = [text for text in filled if not _NUMBER.fullmatch(text)]
        if len(worded) == 2 and _in_two_scripts(texts, below):
            return True
        said = any(_SENTENCE.search(text) or len(text) > _LONG for text in worded)
        asks = len(worded) == 2 and bool(_ASKED.search(worded[0])) and not _ASKED.search(worded[1])
        return len(worded) > 1 and (said or again or asks) and (bool(below) or all(map(_SENTENCE.search, worded)))

    def _invented(self) -> list[str]:
        """Names for columns that have none: question and answer where exactly two hold words."""
        rows = [row for _, row in self._head if not isinstance(row, RowError)]
        width = max(map(len, rows), default=0)
        worded = [
            place
            for place in range(width)
            if any(place < len(row) and not _NUMBER.fullmatch(_text(row[place])) for row in rows)
        ]
        names = [f"#{place + 1}" for place in range(width)]
        if len(worded) == 2:
            names[worded[0]], names[worded[1]] = "question", "answer"
        return names

    def _name_columns(self, first: tuple[int, list | RowError], place: int) -> None:
        line, header = first
        if isinstance(header, RowError):
            raise DataError("data.header", file=self._file, line=line, reason=str(header))
        texts = _texts(header)
        check_names(texts, self._file)
        self._head = self._head[place + 1 :]
        self.names = unique(texts)
        self._header = texts if self.known else []
        for name, renamed in zip(texts, self.names, strict=True):
            if name and name != renamed:
                self._repeats.append((line, RowError("data.row.same_header", name, renamed=renamed)))


def _in_two_scripts(first: list[str], below: list[list[str]]) -> bool:
    """Return whether of two columns one is in Chinese characters and one in letters from the first row on, as pairs of languages are.

    Two names of columns are of one language.
    """
    places = [place for place, text in enumerate(first) if text and not _NUMBER.fullmatch(text)]
    columns = [[row[place] for row in [first, *below] if place < len(row) and row[place]] for place in places]
    scripts = [{bool(HAN.search(text)) for text in column} for column in columns]
    return len(below) > 0 and scripts in ([{True}, {False}], [{False}, {True}])


def _names_again(cells: list[str], header: list[str]) -> bool:
    """Return whether a row below the header names the same columns once more, as sheets in two languages do."""
    pairs = [(cell, name) for cell, name in zip(cells, header, strict=False) if cell or name]
    return (
        len(pairs) > 1
        and all(cell and name and knows(cell) and knows(name) for cell, name in pairs)
        and is_header(cells)
    )


def table_in(rows: list[tuple[int, list]], others: int) -> tuple[list[tuple[int, list]], int] | None:
    """The lines and cells of a table in a text, header first, and the number of other lines.

    None where there is none, or where most of the text is something else and the header names no known layout.
    """
    is_most = len(rows) > others or is_header(map(str, rows[0][1] if rows else ()))
    return (rows, others) if len(rows) > 1 and is_most else None


def named_rows(cells: Cells, file: str, tally: NoticeTally, headless: bool | None = None) -> Iterator[Row]:
    """The rows of a file of one table.

    Raises:
        DataError: no header, or too many columns.
    """
    table = Table(cells, file, headless)
    if not table.names:
        raise DataError("data.empty", file=file)
    table.note(tally)
    return table.rows()


def trimmed(cells: Iterable) -> list:
    """`cells` without the blank ones at the end."""
    cells = list(cells)
    while cells and is_blank(cells[-1]):
        cells.pop()
    return cells


def check_names(names: list[str], file: str) -> None:
    """Refuse a header that is none.

    Raises:
        DataError: it is JSON, empty, or too wide.
    """
    if names and names[0].startswith(("{", "[")):
        raise DataError("data.json_in_table", file=file)
    if not any(names):
        raise DataError("data.empty", file=file)
    if len(names) > MAX_COLUMNS:
        raise DataError("data.columns", file=file, columns=len(names), limit=MAX_COLUMNS)


def unique(header: list[str]) -> list[str]:
    """Column names without repeats: the second `output` becomes `output (2)`, an unnamed column `#3`."""
    names: dict[str, None] = {}
    for position, name in enumerate(header, 1):
        found, count = name or f"#{position}", 1
        while found in names:
            count += 1
            found = f"{name} ({count})"
        names[found] = None
    return list(names)


def _record(names: list[str], row: list) -> dict | RowError:
    if len(row) > len(names):
        row = trimmed(row)
        if len(row) > len(names):
            return RowError("data.row.extra_cells", cells=len(row), columns=len(names))
    if error := next((cell for cell in row if isinstance(cell, RowError)), None):
        place = row.index(error)
        return RowError(error.key, names[place])
    return dict(zip(names, row, strict=False))


def _filled(row: list) -> int:
    return sum(not is_blank(cell) for cell in row)


def _text(cell: object) -> str:
    return "" if is_blank(cell) else str(cell).strip()


def _texts(row: list) -> list[str]:
    return [_text(cell) for cell in row]
