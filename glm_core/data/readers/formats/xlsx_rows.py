"""xlsx becomes rows: the sheets that hold data, cells as a reader sees them, formulas by their stored values.

Sheets whose header names a known layout are read together; notes are left out and named. How a number is shown is
`cell_text`, which row is the header `table_header`.
"""

import io
import zipfile
import zlib
from collections.abc import Collection, Iterator

from glm_core.data.examples import DataError, RowError, is_blank
from glm_core.data.readers.formats.cell_text import shown
from glm_core.data.readers.formats.guarded import MAX_UNPACKED, guarded, unpacked_too_much
from glm_core.data.readers.formats.shapes import Row, split_role
from glm_core.data.readers.formats.table_header import Table, trimmed
from glm_core.data.readers.notices import NoticeTally


class SheetLine(int):
    """A row of a sheet that is not the first one read; `sheet` is its name."""

    sheet: str = ""


def xlsx_rows(
    content: bytes,
    file: str,
    tally: NoticeTally | None = None,
    sheets: Collection[str] = (),
    headless: bool | None = None,
    names: list[str] | None = None,
) -> Iterator[Row]:
    """Rows of the sheets with data.

    Args:
        sheets: the names of those to read; empty: all whose header is known, else the first that is not empty.
        headless: as `table_header.Table`.
        names: is filled with the names of all sheets.

    Raises:
        DataError: no xlsx, protected by a password, damaged, without such a sheet, or absurdly large when unpacked.
    """
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError("data.xlsx.old", file=file)
    formulas = _check_zip(content, file)
    rows = _rows(content, file, NoticeTally() if tally is None else tally, sheets, headless, formulas, names)
    return guarded(rows, "data.xlsx.broken", file)


def _check_zip(content: bytes, file: str) -> bool:
    """Return whether some sheet has formulas, after a look at what the archive claims to hold."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
                raise unpacked_too_much(file, MAX_UNPACKED)
            sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
            return any(_has_formula(archive, name) for name in sheets)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError("data.xlsx.none", file=file) from error
    except (OSError, ValueError) as error:
        raise DataError("data.xlsx.broken", file=file, reason=str(error)[:200]) from error
    except zlib.error as error:
        raise DataError("data.xlsx.broken", file=file, reason=str(error)[:200]) from error


def _has_formula(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as source:
        before = b""
        while piece := source.read(1 << 20):
            if b"<f>" in before + piece or b"<f " in before + piece:
                return True
            before = piece[-3:]
    return False


def _rows(content, file, tally, sheets, headless, formulas, names) -> Iterator[Row]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    plain = openpyxl.load_workbook(io.BytesIO(content), read_only=True) if formulas else None
    tables = {}
    for sheet in book.worksheets:
        cells = _sheet_cells(sheet, plain[sheet.title] if plain else None)
        table = Table(cells, file, headless)
        if table.names:
            tables[sheet.title] = table
    if names is not None:
        names += list(tables)
    chosen = _chosen(
        tables, sheets, file, tally, {sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"}
    )
    for place, name in enumerate(chosen):
        tables[name].note(tally)
        for line, row in tables[name].rows():
            yield _line(line, name if place else ""), row


def _line(number: int, sheet: str) -> int:
    if not sheet:
        return number
    line = SheetLine(number)
    line.sheet = sheet
    return line


def _chosen(
    tables: dict[str, Table], wanted: Collection[str], file: str, tally: NoticeTally, hidden: set[str]
) -> list[str]:
    """The names of the sheets to read; what is left out is told."""
    if missing := [name for name in wanted if name not in tables]:
        raise DataError("data.xlsx.sheet", file=file, name=missing[0], names=", ".join(tables))
    seen = {name: table for name, table in tables.items() if name not in hidden} or tables
    usable = [name for name, table in seen.items() if table.known or (table.headless and "question" in table.names)]
    first = next(iter(seen.values()), None)  # of sheets of unknown columns those that are built like the first
    alike = [name for name, table in seen.items() if first and table.names == first.names]
    chosen = list(wanted) or usable or alike
    others = [name for name in chosen if split_role(name) == "other"] if not wanted else []
    if others and any(split_role(name) == "train" for name in chosen):
        chosen = [name for name in chosen if name not in others]
        tally.add("splits", len(others), *others)
    if len(tables) > 1:
        tally.add("sheets", len(tables), *chosen)
        if unread := [name for name in tables if name not in (*chosen, *others)]:
            tally.add("sheets_unread", len(unread), *unread)
    return chosen


def _sheet_cells(sheet, plain) -> Iterator[tuple[int, list]]:
    sheet.reset_dimensions()  # the size a file claims may be a million rows of nothing
    formulas = None
    if plain is not None:
        plain.reset_dimensions()
        formulas = plain.iter_rows(values_only=True)
    width = 0
    for number, cells in enumerate(sheet.iter_rows(), 1):
        written = next(formulas, ()) if formulas else ()
        row = trimmed(
            _cell_value(cell, written[place] if place < len(written) else None) for place, cell in enumerate(cells)
        )
        if row:
            width = width or len(row)
            yield number, row + [None] * (width - len(row))  # blank, as those in the middle of a row are


def _cell_value(cell, written: object) -> object:
    """The cell's text; a formula that the file has no value of is an error of its row."""
    if is_blank(cell.value) and isinstance(written, str) and written.startswith("="):
        return RowError("data.row.formula")
    return shown(cell.value, cell.number_format) if cell.value is not None else None
