"""A file, an upload or a pasted text becomes examples: json, jsonl, csv, tsv, xlsx, parquet, txt, md, yml.

Good rows become examples, each bad row one problem with its line and field. Only a file that cannot be read at all
raises. Columns that fit no layout are given back for mapping, with layout "unknown".
"""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from glm_core.data.documents.extract import DOCUMENT_ENDINGS
from glm_core.data.examples import DataError, ReadResult
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.opened_file import BY_ENDING, OpenedFile, ReadOptions
from glm_core.data.readers.rows.gather import gather
from glm_core.data.readers.templates import task_template

Progress = Callable[[str, float | None], None]
ENDINGS = ("json", "jsonl", "csv", "tsv", "xlsx", "parquet", "txt", "md", "yml")
MAX_BYTES = 1_000_000_000
_STEP = 2_000  # rows between two reports of progress


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
        template: a task of `task_template.TEMPLATES` ("translation", "classification", …) whose words ask the question.
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
    if ending in DOCUMENT_ENDINGS and ending not in BY_ENDING:
        raise DataError("data.document", file=file)
    if ending not in BY_ENDING:
        raise DataError("data.ending", file=file, endings=", ".join(ENDINGS))
    if not content.strip():
        raise DataError("data.empty", file=file)
    report = progress or (lambda stage, fraction: None)
    lines = None if ending in ("xlsx", "parquet") else content.count(b"\n") + 1
    options = options or ReadOptions()
    tally = NoticeTally(assistant=options.assistant, roles=dict(options.roles), keeps_reasoning=options.reasoning)
    if content.startswith(b"PK\x03\x04") and ending not in ("xlsx", "parquet"):
        raise DataError("data.is_zip", file=file)
    source = OpenedFile(content, file, options, tally)
    rows = _reported(BY_ENDING[ending](source), lines, report)
    result = gather(rows, source, task, mapping)
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
    if ending not in BY_ENDING:
        raise DataError("data.ending", file=file, endings=", ".join(ENDINGS))
    yield from (record for _line, record in BY_ENDING[ending](OpenedFile(content, file, ReadOptions())))


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


def _reported(rows: Iterator[Row], lines: int | None, report: Progress) -> Iterator[Row]:
    """`rows`, telling `report` the share of the `lines` that is read (None where a table does not say its length)."""
    for count, row in enumerate(rows):
        if count % _STEP == 0:
            report("data.stage.reading", min(1.0, row[0] / lines) if lines else None)
        yield row
