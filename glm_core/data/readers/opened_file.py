"""A file while it is read: its content, the answers to what it leaves open, and its rows by the ending of its name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from glm_core.data.examples import DataError
from glm_core.data.readers import others
from glm_core.data.readers.formats.csv_rows import csv_rows
from glm_core.data.readers.formats.intents import yaml_rows
from glm_core.data.readers.formats.json_rows import json_rows
from glm_core.data.readers.formats.parquet_rows import parquet_rows
from glm_core.data.readers.formats.plaintext import text_rows
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.formats.text_encoding import decode
from glm_core.data.readers.formats.xlsx_rows import xlsx_rows
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.rows import languages

READINGS = ("pairs", "conversations", "paragraphs", languages.REVERSED)
SPEAKER_ROLES = ("user", "assistant", others.TEXT)


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
class OpenedFile:
    """A file while it is read."""

    content: bytes
    file: str
    options: ReadOptions
    tally: NoticeTally = field(default_factory=NoticeTally)
    sheets: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return _text(self)


def _table(delimiter: str | None) -> Callable[[OpenedFile], Iterator[Row]]:
    return lambda one: csv_rows(one.text, one.file, delimiter, one.tally, one.options.headless)


def _plain(one: OpenedFile) -> Iterator[Row]:
    return text_rows(one.text, one.file, one.tally, one.options.reading, one.options.assistant)


BY_ENDING: dict[str, Callable[[OpenedFile], Iterator[Row]]] = {
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


def _text(source: OpenedFile) -> str:
    file = source.file
    text = decode(source.content, file, source.options.encoding, source.tally)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip("\ufeff \t\n"):
        raise DataError("data.empty", file=file)
    return text
