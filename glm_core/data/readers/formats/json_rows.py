"""JSON text becomes rows with their real line numbers: an array, one object a line, objects in sequence, or a single
object that holds rows in one of the forms of `shapes`.

A broken line of a line file is a problem of that line. A broken array cannot be trusted beyond the break: DataError.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from glm_core.data.examples import MAX_TEXT, DataError, RowError
from glm_core.data.readers.formats.shapes import WRAPPERS, Row, expand, is_row, unfold
from glm_core.data.readers.layouts import recognize
from glm_core.data.readers.notices import NoticeTally
from glm_core.errors import Phrase

_SPACE = re.compile(r"[ \t\r\n]*")
_LOOKED_AT = 20_000  # characters in which comments are looked for
_COMMENTED = re.compile(r"^[ \t]*(?://|/\*)|[,\[{][ \t]*(?://|/\*)", re.MULTILINE)
_NOTES = re.compile(
    r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.{0,20000}?\*/|,(?=(?:\s|//[^\n]*|/\*.{0,20000}?\*/)*[}\]])', re.DOTALL
)
_DECODER = json.JSONDecoder(parse_constant=lambda name: None)  # NaN and Infinity are empty cells
_REASONS = {  # what Python's json says -> entry of the text tables
    "Expecting value": "data.json.value",
    "Expecting ',' delimiter": "data.json.comma",
    "Expecting ':' delimiter": "data.json.colon",
    "Expecting property name enclosed in double quotes": "data.json.name",
    "Illegal trailing comma before end of object": "data.json.name",
    "Unterminated string starting at": "data.json.string",
    "Invalid control character at": "data.json.control",
    "Extra data": "data.json.extra",
}


def json_rows(text: str, file: str, by_line: bool, tally: NoticeTally | None = None) -> Iterator[Row]:
    """The rows of JSON `text`; `by_line` when the ending promises one object a line.

    Raises:
        DataError: the text is no JSON at all, with line and column.
    """
    if not by_line and _COMMENTED.search(text[:_LOOKED_AT]):
        text = _NOTES.sub(_blanked, text)
    start = _SPACE.match(text).end()
    if _is_line_file(text, by_line):
        return _expanded(_lines(text))
    if text[start : start + 1] == "[":
        return _expanded(_array(text, start + 1, file))
    return _expanded(_objects(text, start, file, not by_line, NoticeTally() if tally is None else tally))


def _blanked(part: re.Match) -> str:
    """A text as it is; a comment, or a comma behind the last element, as spaces on as many lines."""
    return part[0] if part[0].startswith('"') else re.sub(r"[^\n]", " ", part[0])


def _expanded(values: Iterator[tuple[int, object]]) -> Iterator[Row]:
    """The rows in the elements of a file. A first element that is a list of column names heads lists of cells."""
    header: list[str] | None = None
    for position, (line, value) in enumerate(values):
        if isinstance(value, RowError):
            yield line, value
        elif position == 0 and isinstance(value, list) and _is_header(value):
            header = value
        elif header and isinstance(value, list):
            yield line, dict(zip(header, value, strict=False))
        else:
            for row in expand(value):
                yield line, row


def _is_header(value: list) -> bool:
    return len(value) > 1 and all(isinstance(cell, str) for cell in value) and recognize(value) is not None


def _is_line_file(text: str, by_line: bool) -> bool:
    """Return whether each line is an object: the first of several is, or, in a line file, half of the first twenty are."""
    lines = [line for line in text[: 20 * MAX_TEXT].split("\n", 200) if line.strip()][:20]
    if len(lines) < 2:
        return False
    readable = [_parses(line) for line in lines]
    if lines[0].lstrip().startswith("["):
        return sum(readable) > 1 and 2 * sum(readable) >= len(readable)
    return readable[0] or (by_line and 2 * sum(readable) >= len(readable))


def _parses(line: str) -> bool:
    try:
        return is_row(_DECODER.decode(line))
    except (ValueError, RecursionError):
        return False


def _lines(text: str) -> Iterator[tuple[int, object]]:
    # Not splitlines: it also breaks at U+2028 and form feeds, which are legal inside JSON strings.
    number = start = 0
    while start <= len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        number += 1
        if end - start > MAX_TEXT:
            yield number, RowError("data.row.too_long", length=end - start, limit=MAX_TEXT)
        elif (line := text[start:end]) and not line.isspace():
            yield number, _line_row(line)
        start = end + 1


def _line_row(line: str) -> object:
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return RowError("data.row.json", column=error.colno, reason=_reason(error))
    except RecursionError:
        return RowError("data.row.too_deep")
    except ValueError:  # a number of more than 4,300 digits
        return RowError("data.row.number")


def _array(text: str, index: int, file: str, whole: bool = True) -> Iterator[tuple[int, object]]:
    """Elements of the array whose "[" ended at `index`; `whole` when nothing may follow the array."""
    line, counted = 1, 0
    index = _SPACE.match(text, index).end()
    more = text[index : index + 1] != "]"
    while more:
        line, counted = line + text.count("\n", counted, index), index
        value, end = _parse(text, index, file)
        long = end - index > MAX_TEXT
        yield line, RowError("data.row.too_long", length=end - index, limit=MAX_TEXT) if long else value
        index = _SPACE.match(text, end).end()
        more = text[index : index + 1] == ","
        if more:
            index = _SPACE.match(text, index + 1).end()
        elif text[index : index + 1] != "]":
            raise _broken(json.JSONDecodeError("Expecting ',' delimiter", text, index), file)
    rest = _SPACE.match(text, index + 1).end()
    if whole and rest < len(text):
        raise _broken(json.JSONDecodeError("Extra data", text, rest), file)


def _objects(text: str, index: int, file: str, as_table: bool, tally: NoticeTally) -> Iterator[tuple[int, object]]:
    """Objects one after another, each over as many lines as it likes; or a single one that holds the rows."""
    value: Any
    value, end = _parse(text, index, file)
    single = isinstance(value, dict) and _SPACE.match(text, end).end() == len(text)
    if single and (key := _wrapper(value)) is not None:
        yield from _array(text, _member(text, index, key) + 1, file, whole=False)
        return
    if single and (rows := unfold(value, as_table, tally)) is not None:
        for number, row in enumerate(rows, 1):
            long = isinstance(row, dict) and any(
                isinstance(cell, str) and len(cell) > MAX_TEXT for cell in row.values()
            )
            yield number, RowError("data.row.too_long", length=MAX_TEXT, limit=MAX_TEXT) if long else row
        return
    line, counted = 1, 0
    while True:
        line, counted = line + text.count("\n", counted, index), index
        yield line, value
        index = _SPACE.match(text, end).end()
        if index == len(text):
            return
        value, end = _parse(text, index, file)


def _wrapper(value: dict) -> str | None:
    """The key under which `value` keeps a plain list of objects, whose lines can be told."""
    named = (key for key, rows in value.items() if key.lower() in WRAPPERS and isinstance(rows, list))
    return next((key for key in named if not value[key] or isinstance(value[key][0], dict)), None)


def _member(text: str, index: int, key: str) -> int:
    """Index of the value of `key` in the (valid) object that begins at `index`."""
    while True:
        index = _SPACE.match(text, index + 1).end()  # behind "{" or ","
        name, index = _DECODER.raw_decode(text, index)
        index = _SPACE.match(text, index).end() + 1  # behind ":"
        index = _SPACE.match(text, index).end()
        if name == key:
            return index
        index = _SPACE.match(text, _DECODER.raw_decode(text, index)[1]).end()


def _parse(text: str, index: int, file: str) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, index)
    except json.JSONDecodeError as error:
        raise _broken(error, file) from error
    except RecursionError as error:
        raise DataError("data.too_deep", file=file, line=text.count("\n", 0, index) + 1) from error
    except ValueError as error:
        raise DataError("data.number", file=file, line=text.count("\n", 0, index) + 1) from error


def _broken(error: json.JSONDecodeError, file: str) -> DataError:
    return DataError("data.json", file=file, line=error.lineno, column=error.colno, reason=_reason(error))


def _reason(error: json.JSONDecodeError) -> Phrase:
    return Phrase(_REASONS.get(error.msg, "data.json.other"))
