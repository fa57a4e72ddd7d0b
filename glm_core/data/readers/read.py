"""A file, an upload or a pasted text becomes examples: json, jsonl, csv, tsv, xlsx, parquet, txt, md, yml.

Good rows become examples, each bad row one problem with its line and field. Only a file that cannot be read at all
raises. Columns that fit no layout are given back for mapping, with layout "unknown".
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from glm_core import i18n
from glm_core.data.compact import CompactExamples
from glm_core.data.documents.extract import DOCUMENT_ENDINGS
from glm_core.data.examples import UNKNOWN, DataError, Example, Problem, ReadResult, RowError
from glm_core.data.readers import others
from glm_core.data.readers.formats.csv_rows import csv_rows
from glm_core.data.readers.formats.intents import yaml_rows
from glm_core.data.readers.formats.json_rows import json_rows
from glm_core.data.readers.formats.parquet_rows import parquet_rows
from glm_core.data.readers.formats.plaintext import text_rows
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.formats.text_encoding import decode
from glm_core.data.readers.formats.xlsx_rows import SheetLine, xlsx_rows
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.row_reader import RowReader
from glm_core.data.readers.rows import contests, languages, speakers
from glm_core.data.readers.rows.nested import unfolded
from glm_core.data.readers.templates import row_mapping, task_template
from glm_core.data.readers.values import RowNotLearned

Progress = Callable[[str, float | None], None]

ENDINGS = ("json", "jsonl", "csv", "tsv", "xlsx", "parquet", "txt", "md", "yml")
MAX_BYTES = 1_000_000_000
READINGS = ("pairs", "conversations", "paragraphs", languages.REVERSED)
SPEAKER_ROLES = ("user", "assistant", others.TEXT)
_HEAD = 1_000  # rows looked at to tell the layout of a file
_STEP = 2_000  # rows between two reports of progress
_SAMPLE = 20
_COMPACT = 20_000  # rows from which examples are kept as text
MOST_PROBLEMS = 100_000  # rows with problems that are named; where hardly any row is good, reading stops there

_TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".parquet")


@dataclass(frozen=True)
class ReadOptions:
    """Answers to what a file leaves open.

    Attributes:
        reading: one of `READINGS`, where a notice names the other reading.
        sheets: names of the sheets of a workbook to read; empty: those with data.
        header: whether the first row of a table names its columns; None looks.
        assistant: the name of the one who answers, in a chat of several names.
        roles: names and their roles ("user", "assistant"; "text" for a name that is no speaker), where notices name them.
        encoding: of a text file; empty: found from its bytes.
        reasoning: keep chains of thought with their answers (`reasoning_content`), for models that think.
    """

    reading: str = ""
    sheets: tuple[str, ...] = ()
    header: bool | None = None
    reasoning: bool = False
    assistant: str = ""
    roles: tuple[tuple[str, str], ...] = ()
    encoding: str = ""

    @property
    def headless(self) -> bool | None:
        """The same as tables ask for it."""
        return None if self.header is None else not self.header


@dataclass
class _Source:
    """A file while it is read."""

    content: bytes
    file: str
    options: ReadOptions
    tally: NoticeTally = field(default_factory=NoticeTally)
    sheets: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return _text(self)


def _table(delimiter: str | None) -> Callable[[_Source], Iterator[Row]]:
    return lambda one: csv_rows(one.text, one.file, delimiter, one.tally, one.options.headless)


def _plain(one: _Source) -> Iterator[Row]:
    return text_rows(one.text, one.file, one.tally, one.options.reading, one.options.assistant)


_BY_ENDING: dict[str, Callable[[_Source], Iterator[Row]]] = {
    "json": lambda one: json_rows(one.text, one.file, by_line=False, tally=one.tally),
    "jsonl": lambda one: json_rows(one.text, one.file, by_line=True, tally=one.tally),
    "ndjson": lambda one: json_rows(one.text, one.file, by_line=True, tally=one.tally),
    "csv": _table(None),
    "tsv": _table("\t"),
    "tab": _table("\t"),
    "xlsx": lambda one: xlsx_rows(
        one.content, one.file, one.tally, one.options.sheets, one.options.headless, one.sheets
    ),
    "parquet": lambda one: parquet_rows(one.content, one.file),
    "txt": _plain,
    "md": _plain,
    "yml": lambda one: yaml_rows(one.text, one.file, one.tally),
    "yaml": lambda one: yaml_rows(one.text, one.file, one.tally),
}


def read(
    path,
    template: str | None = None,
    *,
    mapping: dict[str, str] | None = None,
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> ReadResult:
    """Read the data set at `path`.

    Args:
        path: a file whose ending is one of `ENDINGS`.
        template: a task of `templates.TEMPLATES` ("translation", "classification", …) whose words ask the question.
        mapping: role ("user", "assistant", "system", "history") or field of the template -> column, or words with
            {column} in them, or a dotted path into nested fields. Without it the layout is recognized.
        options: answers to what the file leaves open.
        progress: called with "data.stage.reading" and the fraction done (None: not known).

    Raises:
        DataError: the file cannot be read at all, or template or mapping name what is not there.
    """
    path = Path(path)
    return read_bytes(_content(path), path.name, template, mapping=mapping, options=options, progress=progress)


def read_bytes(
    content: bytes,
    file: str,
    template: str | None = None,
    *,
    mapping: dict[str, str] | None = None,
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> ReadResult:
    """As `read`, of an upload: its `content`, and `file`, the name it came with."""
    task = task_template.template_named(template) if template else None
    ending = file.rsplit(".", 1)[-1].lower() if "." in file else ""
    if ending in DOCUMENT_ENDINGS and ending not in _BY_ENDING:
        raise DataError("data.document", file=file)
    if ending not in _BY_ENDING:
        raise DataError("data.ending", file=file, endings=", ".join(ENDINGS))
    if not content.strip():
        raise DataError("data.empty", file=file)
    report = progress or (lambda stage, fraction: None)
    lines = None if ending in ("xlsx", "parquet") else content.count(b"\n") + 1
    options = options or ReadOptions()
    tally = NoticeTally(assistant=options.assistant, roles=dict(options.roles), keeps_reasoning=options.reasoning)
    if content.startswith(b"PK\x03\x04") and ending not in ("xlsx", "parquet"):
        raise DataError("data.is_zip", file=file)
    source = _Source(content, file, options, tally)
    rows = _reported(_BY_ENDING[ending](source), lines, report)
    result = _gather(rows, source, task, mapping)
    report("data.stage.reading", 1.0)
    return result


def read_text(
    pasted: str,
    template: str | None = None,
    *,
    mapping: dict[str, str] | None = None,
    options: ReadOptions | None = None,
) -> ReadResult:
    """As `read`, of text pasted into a box: JSON, a table, dialogues or paragraphs, by what it looks like."""
    content = pasted.encode("utf-8", errors="surrogatepass")
    return read_bytes(content, "text.txt", template, mapping=mapping, options=options)


def raw_records(content: bytes, file: str) -> Iterator[object]:
    """Yield the records of a file as they stand in it, before any layout is recognized; a RowError for a broken one.

    Raises:
        DataError: the ending is not known, or the file cannot be read at all.
    """
    ending = file.rpartition(".")[2].lower()
    if ending not in _BY_ENDING:
        raise DataError("data.ending", file=file, endings=", ".join(ENDINGS))
    yield from (record for _line, record in _BY_ENDING[ending](_Source(content, file, ReadOptions())))


def json_lines(
    content: bytes, file: str, start: int, count: int, check: Callable[[], None] = lambda: None
) -> tuple[list[bytes], int]:
    """Return records `start` to `start + count` of a file as lines of JSON, and how many were seen; see `isolated.read_records`."""
    lines: list[bytes] = []
    seen = 0
    try:
        for record in islice((one for one in raw_records(content, file) if isinstance(one, dict)), start + count):
            seen += 1
            if seen > start:
                lines.append(_json_line(record))
            if seen % _STEP == 0:
                check()
    except RecursionError as error:
        raise DataError("data.too_heavy", file=file) from error
    return lines, seen


def _json_line(record: dict) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False, default=_as_text).encode() + b"\n"
    except UnicodeEncodeError:  # half of a character, which JSON can write as an escape
        return json.dumps(record, default=_as_text).encode() + b"\n"


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


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


def _text(source: _Source) -> str:
    file = source.file
    text = decode(source.content, file, source.options.encoding, source.tally)
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


def _peek(rows: Iterator[Row]) -> tuple[Iterator[Row], list[Row], list[dict]]:
    """Return all of `rows` again, the first of them, and the records among those."""
    head = list(islice(rows, _HEAD))
    return chain(head, rows), head, [record for _, record in head if isinstance(record, dict)]


def _gather(rows: Iterator[Row], source: _Source, task, mapping) -> ReadResult:
    """Find out what the rows are, and read them as that."""
    rows, head, records = _peek(rows)
    if not records:
        if source.tally.speakers and head:
            return _unanswered(head, source)
        raise _nothing(head, source.file)
    if not task and not (mapping and row_mapping.are_there(mapping.values(), _columns(records))):
        rows, head, records = _peek(unfolded(rows, source.tally))
        if decide := contests.find(records):
            rows, head, records = _peek(contests.settled(rows, decide, source.tally))
            if not records:
                return _nothing_learned(head, source)
    if not mapping and (task is None or task.name == "translation"):
        try:
            pair = languages.find(records)
        except RowError as error:
            return _refused(error, head, records, source)
        if pair:
            task = task_template.template_named("translation")
            rows, head, records = _peek(languages.parted(rows, pair, source.tally, source.options.reading))
    if not mapping and (found := speakers.find_columns(records)):
        options = source.options
        talks = speakers.conversations(rows, found, source.tally, options.reading, options.assistant)
        rows, head, records = _peek(talks)
        if not records:
            return _unanswered(head, source)
    reader = RowReader(records, _columns(records), task, mapping, source.tally, source.file.lower().endswith(_TABLES))
    return _convert(rows, head, records, reader, source)


def _convert(
    rows: Iterator[Row], head: list[Row], records: list[dict], reader: RowReader, source: _Source
) -> ReadResult:
    """Make examples of `rows`, of which `head` are the first and `records` those of these that are no problems."""
    problems = reader.notes(head)
    examples, count = _examples(rows, reader, source, problems)
    if not examples and not problems:
        error = RowError("data.row.none_learned", rows=f"{count:,}")
        problems.append(Problem(int(head[0][0]), error.field, str(error)))
    if reader.layout not in ("mapped", UNKNOWN):
        source.tally.counts.pop("names_taken", None)  # the columns spoke for themselves
    notices = source.tally.notices(count)
    sheets, names = tuple(source.sheets), tuple(source.tally.speakers)
    columns, sample = _columns(records), records[:_SAMPLE]
    return ReadResult(examples, problems, reader.layout, columns, source.file, count, sample, notices, sheets, names)


def _examples(
    rows: Iterator[Row], reader: RowReader, source: _Source, problems: list[Problem]
) -> tuple[list[Example] | CompactExamples, int]:
    """Return the examples of `rows` and the number of rows; adds to `problems` what is wrong with the others.

    Raises:
        DataError: so many are wrong that the file is not what it was taken for.
    """
    examples: list[Example] | CompactExamples = []
    count = 0
    for line, record in rows:
        count += 1
        if len(examples) == _COMPACT and isinstance(examples, list):
            examples = _compacted(examples)
        if len(problems) >= MOST_PROBLEMS > len(examples):
            raise DataError("data.too_broken", file=source.file, line=int(line), count=f"{len(problems):,}")
        try:
            if isinstance(record, RowError):
                raise record
            if reader.convert and reader.wanted(record):
                examples.append(Example(reader.messages(record), int(line)))
        except RowNotLearned:
            source.tally.add("rows_not_learned")
        except RowError as error:
            if len(problems) < MOST_PROBLEMS:
                problems.append(_problem(line, error))
    return examples, count


def _unanswered(head: list[Row], source: _Source) -> ReadResult:
    """The result of a chat of several names, of whom nobody is known to answer: the reader is asked who."""
    problems = [_problem(line, record) for line, record in head if isinstance(record, RowError)]
    names = tuple(source.tally.speakers)
    return ReadResult([], problems, "messages", ("messages",), source.file, len(head), speakers=names)


def _refused(error: RowError, head: list[Row], records: list[dict], source: _Source) -> ReadResult:
    """The result of a file whose columns are told, to be mapped, with the reason why they are not read."""
    problem, columns = _problem(head[0][0], error), _columns(records)
    return ReadResult([], [problem], UNKNOWN, columns, source.file, len(head), records[:_SAMPLE])


def _nothing_learned(head: list[Row], source: _Source) -> ReadResult:
    """The result of a file without a row whose answers can be told apart."""
    problems = [_problem(line, record) for line, record in head if isinstance(record, RowError)]
    if not problems:
        error = RowError("data.row.none_learned", rows=f"{source.tally.counts.total():,}")
        problems = [Problem(1, error.field, str(error))]
    return ReadResult([], problems, "preference", ("chosen",), source.file, len(head), notices=source.tally.notices(0))


def _compacted(examples: Sequence[Example]) -> CompactExamples:
    compact = CompactExamples()
    for example in examples:
        compact.append(example)
    return compact


def _problem(line: int, error: RowError) -> Problem:
    message = str(error)
    if isinstance(line, SheetLine):
        message = i18n.t("data.row.in_sheet", sheet=line.sheet, message=message)
    return Problem(int(line), error.field, message)


def _nothing(rows: list[Row], file: str) -> DataError:
    """Reason why a file gave no readable row: the first row's, or that there are none."""
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
