"""Examples leave the house: as jsonl in the messages layout, or as tables (csv, xlsx) that read back as they were.

A table has a column each for prompt and response, and, only where some row has them, for the system message and for
earlier turns (history, as JSON text of [question, answer] pairs). Rows with tools have their messages in one column, as
JSON text.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from glm_core import i18n
from glm_core.data.examples import DataError, Example, RowError, is_blank
from glm_core.data.readers.layouts import Layout
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.pairs import converter

FORMATS = ("jsonl", "csv", "xlsx")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"What a cell begins with that some spreadsheet runs: Excel also takes the full-width forms."
UNSEEN = " \u00a0\u3000\ufeff\u200b\u200e\u2060\x00"
"Blanks and marks without width before it, some of which programs take away."
COLUMNS = ("system", "history", "prompt", "reasoning", "response", "messages")
_STEP = 500  # rows between two calls of progress
_MAX_CELL = 32_767  # characters; Excel cuts longer ones without a word
_CONTROL = {code: None for code in range(32) if chr(code) not in "\t\n\r"}  # not allowed in xlsx (XML 1.0)


def export(examples: Sequence[Example], format: str, quote: bool = False) -> bytes:
    """The content of a file of `format`: "jsonl", "csv" (UTF-8 with the mark Excel needs) or "xlsx".

    Args:
        quote: put an apostrophe before the cells of a csv that a spreadsheet would run as a formula (`quote_formula`);
            read back, these cells have it. Cells of xlsx say that they are text.

    Raises:
        DataError: unknown format, or a text too long for a cell of xlsx.
    """
    if format == "jsonl":
        return "".join(map(json_line, examples)).encode("utf-8")
    if format == "csv":
        return _csv(table(examples), quote_formula if quote else str)
    if format == "xlsx":
        target = io.BytesIO()
        write_xlsx(examples, target)
        return target.getvalue()
    raise DataError("data.export", format=format, formats=", ".join(FORMATS))


def json_line(example: Example) -> str:
    """One line of jsonl in the messages layout; the form whose hash identifies a data set."""
    return json.dumps({"messages": example.messages}, ensure_ascii=False, separators=(",", ":")) + "\n"


def table(examples: Iterable[Example]) -> list[dict]:
    """Rows as dictionaries of text with the columns that are used, in the order of `COLUMNS`."""
    examples = list(examples)
    if any(example.has_tools for example in examples):
        return [{"messages": json.dumps(example.messages, ensure_ascii=False)} for example in examples]
    rows = [_table_row(example) for example in examples]
    used = [column for column in COLUMNS if column in ("prompt", "response") or any(row.get(column) for row in rows)]
    return [{column: row[column] for column in used} for row in rows]


def from_table(rows: Iterable[dict], start: int = 0) -> list[Example]:
    """The reverse of `table`, for rows edited by hand; rows without any text are left out.

    Args:
        start: how many rows of the set stand before these, so that a wrong one is named by its number in the set.

    Raises:
        DataError: names the first row and field that cannot be used.
    """
    layout = Layout(
        "prompt_response", ("prompt",), "response", history="history", system="system", reasoning="reasoning"
    )
    convert = converter(layout, NoticeTally(keeps_reasoning=True))
    whole = converter(Layout("messages", chat="messages"), NoticeTally(keeps_reasoning=True))
    examples = []
    for number, row in enumerate(rows, start + 1):
        if all(is_blank(value) for value in row.values()):
            continue
        try:
            examples.append(Example(whole(row) if "messages" in row else convert(row), number))
        except RowError as error:
            raise DataError("data.row_invalid", row=number, message=_in_words(error)) from error
    return examples


def _in_words(error: RowError) -> str:
    """The sentence of `error` with the name that the edited table's reader sees over the column."""
    column = error.field
    seen = i18n.t(f"datasets.column.{column}") if column in COLUMNS else column
    return str(RowError(error.key, **error.values | {"field": seen}))


def _table_row(example: Example) -> dict:
    prompt = example.prompt
    system = prompt[0]["content"] if prompt[0]["role"] == "system" else ""
    past = prompt[1 if system else 0 : -1]
    pairs = [[past[index]["content"], past[index + 1]["content"]] for index in range(0, len(past), 2)]
    history = json.dumps(pairs, ensure_ascii=False) if pairs else ""
    thought = example.messages[-1].get("reasoning_content", "")
    found = {"system": system, "history": history, "prompt": example.question, "reasoning": thought}
    return found | {"response": example.answer}


def quote_formula(cell: str) -> str:
    """Return `cell` with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{cell}" if cell.lstrip(UNSEEN).startswith(FORMULA) else cell


def count_formulas(examples: Iterable[Example]) -> int:
    """The number of cells of the table that a spreadsheet would run; none where its cells hold whole conversations (`table`)."""
    count = 0
    for example in examples:
        if example.has_tools:
            return 0
        count += sum(quote_formula(cell) != cell for cell in _table_row(example).values())
    return count


def _csv(rows: list[dict], written: Callable[[str], str]) -> bytes:
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows({column: written(cell) for column, cell in row.items()} for row in rows)
    return target.getvalue().encode("utf-8-sig")


def write_xlsx(
    examples: Sequence[Example], target: Path | BinaryIO, progress: Callable[[float], None] | None = None
) -> None:
    """Write `examples` into `target` as an Excel file, a row at a time.

    Args:
        progress: called now and then with the share of the rows that are written; what it raises ends the writing.

    Raises:
        DataError: a text too long for a cell.
    """
    import openpyxl

    rows = table(examples)
    for number, row in enumerate(rows, 1):
        if (length := max(map(len, row.values()))) > _MAX_CELL:
            raise DataError("data.cell_too_long", row=number, length=length, limit=_MAX_CELL)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("data")
    sheet.append(list(rows[0]))
    try:
        for number, row in enumerate(rows):
            if progress and number % _STEP == 0:
                progress(number / len(rows))
            sheet.append([_cell(sheet, text) for text in row.values()])
    except BaseException:
        sheet.close()
        Path(sheet._writer.out).unlink()  # where rows wait to be packed, which only saving clears away
        raise
    book.save(target)


def _cell(sheet, text: str):
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text.translate(_CONTROL))
    cell.data_type = "s"  # text that begins with "=" is an answer, not a formula
    return cell
