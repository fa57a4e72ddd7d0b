"""A file, an upload or a pasted text becomes examples: json, jsonl, csv, tsv, xlsx, parquet, txt.

Good rows become examples, each bad row one problem with its line and field. Only a file that cannot be read at all
raises. Columns that fit no layout are given back for mapping, with layout "unknown".
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

from glm_core.data.examples import UNKNOWN, DataError, Example, Problem, ReadResult, RowError
from glm_core.data.readers import layouts, templates
from glm_core.data.readers.json_rows import Row, json_rows
from glm_core.data.readers.plaintext import TEXT, text_rows
from glm_core.data.readers.tables import csv_rows, parquet_rows, xlsx_rows
from glm_core.data.readers.text_encoding import decode

Progress = Callable[[str, float | None], None]

ENDINGS = ("json", "jsonl", "csv", "tsv", "xlsx", "parquet", "txt")
MAX_BYTES = 1_000_000_000
_HEAD = 1_000  # rows looked at to tell the layout of a file
_STEP = 2_000  # rows between two reports of progress
_SAMPLE = 20

_TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".parquet")
_BY_ENDING = {
    "json": lambda content, file: json_rows(_text(content, file), file, by_line=False),
    "jsonl": lambda content, file: json_rows(_text(content, file), file, by_line=True),
    "ndjson": lambda content, file: json_rows(_text(content, file), file, by_line=True),
    "csv": lambda content, file: csv_rows(_text(content, file), file),
    "tsv": lambda content, file: csv_rows(_text(content, file), file, "\t"),
    "tab": lambda content, file: csv_rows(_text(content, file), file, "\t"),
    "xlsx": xlsx_rows,
    "parquet": parquet_rows,
    "txt": lambda content, file: text_rows(_text(content, file), file),
    "md": lambda content, file: text_rows(_text(content, file), file),
}


def read(
    path, template: str | None = None, *, mapping: dict[str, str] | None = None, progress: Progress | None = None
) -> ReadResult:
    """Read the data set at `path`.

    Args:
        path: a file whose ending is one of `ENDINGS`.
        template: a task of `templates.TEMPLATES` ("translation", "classification", …) whose words ask the question.
        mapping: role ("user", "assistant", "system", "history") or field of the template -> column, or words with
            {column} in them. Without it the layout is recognized.
        progress: called with "data.stage.reading" and the fraction done (None: not known).

    Raises:
        DataError: the file cannot be read at all, or template or mapping name what is not there.
    """
    return read_bytes(_content(Path(path)), Path(path).name, template, mapping=mapping, progress=progress)


def read_bytes(
    content: bytes,
    file: str,
    template: str | None = None,
    *,
    mapping: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> ReadResult:
    """As `read`, of an upload: its `content`, and `file`, the name it came with."""
    task = templates.template_named(template) if template else None
    ending = file.rsplit(".", 1)[-1].lower() if "." in file else ""
    if ending not in _BY_ENDING:
        raise DataError("data.ending", file=file, endings=", ".join(ENDINGS))
    if not content.strip():
        raise DataError("data.empty", file=file)
    report = progress or (lambda stage, fraction: None)
    lines = None if ending in ("xlsx", "parquet") else content.count(b"\n") + 1
    rows = _reported(_BY_ENDING[ending](content, file), lines, report)
    result = _gather(rows, file, task, mapping)
    report("data.stage.reading", 1.0)
    return result


def read_text(pasted: str, template: str | None = None, *, mapping: dict[str, str] | None = None) -> ReadResult:
    """As `read`, of text pasted into a box: JSON, a table, dialogues or paragraphs, by what it looks like."""
    content = pasted.encode("utf-8", errors="surrogatepass")
    return read_bytes(content, "text.txt", template, mapping=mapping)


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise DataError("data.folder", file=path.name or str(path))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError("data.too_large", file=path.name, limit=MAX_BYTES // 10**6)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("data.no_file", file=str(path)) from error
    except (OSError, ValueError) as error:  # no permission, a broken disk; a NUL in the name
        raise DataError("data.unreadable", file=str(path), reason=getattr(error, "strerror", None) or error) from error


def _text(content: bytes, file: str) -> str:
    text = decode(content, file)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip("\ufeff \t\n"):
        raise DataError("data.empty", file=file)
    return text


def _reported(rows: Iterator[Row], lines: int | None, report: Progress) -> Iterator[Row]:
    """`rows`, telling `report` the share of the `lines` that is read (None where a table does not say its length)."""
    for count, row in enumerate(rows):
        if count % _STEP == 0:
            report("data.stage.reading", min(1.0, row[0] / lines) if lines else None)
        yield row


def _gather(rows: Iterator[Row], file: str, task, mapping) -> ReadResult:
    head = list(islice(rows, _HEAD))
    records = [record for _, record in head if isinstance(record, dict)]
    if not records:
        raise _nothing(head, file)
    columns = _columns(records)
    reader = _Reader(records, columns, task, mapping)
    examples, problems, count = [], reader.notes(head), 0
    for line, record in chain(head, rows):
        count += 1
        try:
            if isinstance(record, RowError):
                raise record
            if reader.convert:
                examples.append(Example(reader.messages(record), line))
        except RowError as error:
            problems.append(Problem(line, error.field, str(error)))
    return ReadResult(examples, problems, reader.layout, columns, file, count, records[:_SAMPLE])


def _nothing(rows: list[Row], file: str) -> DataError:
    """Why a file gave not one readable row: the first row's reason, or that there are none."""
    for line, record in rows:
        if isinstance(record, RowError):
            return DataError("data.nothing", file=file, line=line, message=str(record))
    is_table = file.lower().endswith(_TABLES)
    return DataError("data.header_only" if is_table else "data.empty", file=file)


def _columns(records: list[dict]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    return tuple(islice(names, 1_000))


class _Reader:
    """Turns the rows of one file into messages: by the mapping, the template, or each row's own layout."""

    def __init__(self, records: list[dict], columns: tuple[str, ...], task, mapping):
        self.task = task
        self.by_columns: dict[tuple, layouts.Convert] = {}
        self.layout, self.convert = self._choose(records, columns, mapping)
        self.columns = columns
        self.mixed = mapping is None and self.convert is not None and columns != (TEXT,)

    def _choose(self, records, columns, mapping) -> tuple[str, layouts.Convert | None]:
        """The layout of the file and its conversion: that of the kind of row there is most of."""
        if mapping:
            return "mapped", templates.from_mapping(mapping, self.task, columns)
        if columns == (TEXT,):
            return TEXT, templates.continue_text
        for kind, _ in Counter(tuple(record) for record in records).most_common():
            if found := self._recognize(kind):
                layout, convert = found
                first = next(record for record in records if tuple(record) == kind)
                return layouts.variant(layout, first), convert
        if guessed := layouts.guess(columns):
            return guessed.name, layouts.converter(guessed)
        return UNKNOWN, None

    def _recognize(self, kind: tuple) -> tuple[layouts.Layout, layouts.Convert] | None:
        layout = layouts.recognize(kind)
        if self.task and (layout is None or not layout.has_instruction):
            if convert := templates.from_columns(self.task, kind):
                return layout or layouts.Layout(self.task.name), convert
        if layout is None:
            return None
        return layout, templates.from_layout(self.task, layout) if self.task else layouts.converter(layout)

    def messages(self, record: dict) -> list[dict]:
        if not self.mixed:
            return self.convert(record)
        kind = tuple(record)
        convert = self.by_columns.get(kind)
        if convert is None:
            found = self._recognize(kind)
            half = layouts.guess(kind)
            convert = found[1] if found else layouts.converter(half) if half else self.convert
            self.by_columns[kind] = convert
        return convert(record)

    def notes(self, head: list[Row]) -> list[Problem]:
        """The one problem of a file whose columns fit nothing: which there are, and what to do."""
        if self.convert:
            return []
        error = RowError("data.row.unknown", columns=", ".join(self.columns[:20]))
        return [Problem(head[0][0], error.field, str(error))]
