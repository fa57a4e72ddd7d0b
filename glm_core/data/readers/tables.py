"""csv, tsv, xlsx and parquet become rows: dictionaries by column name, with the line or sheet row each stood in.

Covers the shape of a table (header, quotes, widths, sizes); what the columns mean is `layouts`.
"""

import csv
import io
import zipfile
from collections.abc import Iterator

from glm_core.data.examples import MAX_TEXT, DataError, RowError, is_blank
from glm_core.data.readers.json_rows import Row

MAX_COLUMNS = 1_000
MAX_UNPACKED = 1_000_000_000  # bytes of an unpacked xlsx or parquet: beyond it the file is a bomb, not a data set
_MAX_RESTARTS = 100

csv.field_size_limit(MAX_TEXT)


def csv_rows(text: str, file: str, delimiter: str | None = None) -> Iterator[Row]:
    """Rows of comma- or tab-separated text; the first line that is not empty names the columns.

    A quote that is never closed is a problem of the line where it opened; reading goes on with the next line.

    Raises:
        DataError: no header, too many columns, or quotes that break more than a hundred times.
    """
    cells = _csv_cells(text, file, delimiter or _delimiter(text))
    return _named_rows(cells, file)


def _delimiter(text: str) -> str:
    """The separator of the header: a comma, or what Excel writes in other countries."""
    header = text.lstrip().split("\n", 1)[0]
    return "," if "," in header else max(";\t|", key=header.count)


def _csv_cells(text: str, file: str, delimiter: str) -> Iterator[tuple[int, list[str] | RowError]]:
    lines = list(io.StringIO(text, newline=""))
    position = 0
    for _ in range(_MAX_RESTARTS):
        reader = csv.reader(lines[position:], delimiter=delimiter, strict=True)
        start = position
        try:
            for cells in reader:
                if cells:
                    yield start + 1, cells
                start = position + reader.line_num
            return
        except csv.Error:
            long = len(lines[start]) > MAX_TEXT
            yield (
                start + 1,
                RowError("data.row.too_long" if long else "data.row.quotes", length=len(lines[start]), limit=MAX_TEXT),
            )
            position = start + 1
    raise DataError("data.quotes", file=file, line=position)


def xlsx_rows(content: bytes, file: str) -> Iterator[Row]:
    """Rows of the first sheet that is not empty; formulas give the values Excel stored for them.

    Raises:
        DataError: no xlsx, protected by a password, damaged, or absurdly large when unpacked.
    """
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError("data.xlsx.old", file=file)
    _check_zip(content, file)
    return _named_rows(_guarded(_xlsx_cells(content), "data.xlsx.broken", file), file)


def _check_zip(content: bytes, file: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise DataError("data.xlsx.none", file=file) from error
    if unpacked > MAX_UNPACKED:
        raise DataError("data.unpacked", file=file, gigabytes=round(unpacked / 1e9, 1))


def _xlsx_cells(content: bytes) -> Iterator[tuple[int, list]]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # the size a file claims may be a million rows of nothing
        width = 0
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            cells = _trimmed(cells)
            if cells:
                width = width or len(cells)
                yield number, cells + [None] * (width - len(cells))  # blank, as those in the middle of a row are
        if width:
            return


def parquet_rows(content: bytes, file: str) -> Iterator[Row]:
    """Rows of a parquet file, nested columns as lists and dictionaries; the line is the row's number.

    Raises:
        DataError: no parquet, damaged, or too large when unpacked.
    """
    yield from _guarded(_parquet_rows(content, file), "data.parquet.broken", file)


def _parquet_rows(content: bytes, file: str) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content))
    _check_header(table.schema_arrow.names, file)
    groups = (table.metadata.row_group(index) for index in range(table.metadata.num_row_groups))
    unpacked = sum(group.total_byte_size for group in groups)
    if unpacked > MAX_UNPACKED:
        raise DataError("data.unpacked", file=file, gigabytes=round(unpacked / 1e9, 1))
    number = 0
    for batch in table.iter_batches(batch_size=1_000):
        for record in batch.to_pylist():
            number += 1
            yield number, record


def _guarded(rows: Iterator, key: str, file: str) -> Iterator:
    """`rows`, with whatever a parser raises on damaged bytes (they are many and undocumented) as one DataError."""
    try:
        yield from rows
    except DataError:
        raise
    except Exception as error:
        raise DataError(key, file=file, reason=f"{type(error).__name__}: {str(error)[:200]}") from error


def _trimmed(cells) -> list:
    """`cells` without the blank ones at the end."""
    cells = list(cells)
    while cells and is_blank(cells[-1]):
        cells.pop()
    return cells


def _named_rows(cells: Iterator[tuple[int, list | RowError]], file: str) -> Iterator[Row]:
    line, header = next(cells, (1, []))
    if isinstance(header, RowError):
        raise DataError("data.header", file=file, line=line)
    header = [str("" if is_blank(name) else name).strip() for name in header]
    _check_header(header, file)
    names = _unique(header)
    for name, unique in zip(header, names, strict=True):
        if name and name != unique:
            yield line, RowError("data.row.same_header", name, renamed=unique)
    for number, row in cells:
        if isinstance(row, RowError):
            yield number, row
        elif any(not is_blank(cell) for cell in row):
            yield number, _record(names, row)


def _record(names: list[str], row: list) -> dict | RowError:
    if len(row) > len(names):
        row = _trimmed(row)
        if len(row) > len(names):
            return RowError("data.row.extra_cells", cells=len(row), columns=len(names))
    return dict(zip(names, row, strict=False))


def _check_header(names: list[str], file: str) -> None:
    if names and names[0].startswith(("{", "[")):
        raise DataError("data.json_in_table", file=file)
    if not any(names):
        raise DataError("data.empty", file=file)
    if len(names) > MAX_COLUMNS:
        raise DataError("data.columns", file=file, columns=len(names), limit=MAX_COLUMNS)


def _unique(header: list[str]) -> list[str]:
    """Column names without repeats: the second `output` becomes `output (2)`, an unnamed column `#3`."""
    names: dict[str, None] = {}
    for position, name in enumerate(header, 1):
        unique, count = name or f"#{position}", 1
        while unique in names:
            count += 1
            unique = f"{name} ({count})"
        names[unique] = None
    return list(names)
