"""The rows of a file become examples: what they are is found out from the first of them, each bad row is a problem with its line."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from glm_core import i18n
from glm_core.data.compact import CompactExamples
from glm_core.data.examples import UNKNOWN, DataError, Example, Problem, ReadResult, RowError
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.formats.xlsx_rows import SheetLine
from glm_core.data.readers.opened_file import OpenedFile
from glm_core.data.readers.row_reader import RowReader
from glm_core.data.readers.rows import contests, languages, speakers
from glm_core.data.readers.rows.nested import unfolded
from glm_core.data.readers.templates import row_mapping, task_template
from glm_core.data.readers.values import RowNotLearned

_HEAD = 1_000  # rows looked at to tell the layout of a file
_SAMPLE = 20
_COMPACT = 20_000  # rows from which examples are kept as text
MOST_PROBLEMS = 100_000  # rows with problems that are named; where hardly any row is good, reading stops there
TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".parquet")


def _peek(rows: Iterator[Row]) -> tuple[Iterator[Row], list[Row], list[dict]]:
    """Return all of `rows` again, the first of them, and the records among those."""
    head = list(islice(rows, _HEAD))
    return chain(head, rows), head, [record for _, record in head if isinstance(record, dict)]


def gather(rows: Iterator[Row], source: OpenedFile, task, mapping) -> ReadResult:
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
    reader = RowReader(records, _columns(records), task, mapping, source.tally, source.file.lower().endswith(TABLES))
    return _convert(rows, head, records, reader, source)


def _convert(
    rows: Iterator[Row], head: list[Row], records: list[dict], reader: RowReader, source: OpenedFile
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
    rows: Iterator[Row], reader: RowReader, source: OpenedFile, problems: list[Problem]
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


def _unanswered(head: list[Row], source: OpenedFile) -> ReadResult:
    """The result of a chat of several names, of whom nobody is known to answer: the reader is asked who."""
    problems = [_problem(line, record) for line, record in head if isinstance(record, RowError)]
    names = tuple(source.tally.speakers)
    return ReadResult([], problems, "messages", ("messages",), source.file, len(head), speakers=names)


def _refused(error: RowError, head: list[Row], records: list[dict], source: OpenedFile) -> ReadResult:
    """The result of a file whose columns are told, to be mapped, with the reason why they are not read."""
    problem, columns = _problem(head[0][0], error), _columns(records)
    return ReadResult([], [problem], UNKNOWN, columns, source.file, len(head), records[:_SAMPLE])


def _nothing_learned(head: list[Row], source: OpenedFile) -> ReadResult:
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
    is_table = file.lower().endswith(TABLES)
    return DataError("data.header_only" if is_table else "data.empty", file=file)


def _columns(records: list[dict]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    return tuple(islice(names, 1_000))
