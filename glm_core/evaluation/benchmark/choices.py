"""Files of multiple-choice tasks: JSON lines, and the CSV files of C-Eval and CMMLU."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glm_core import workspace
from glm_core.data.readers.formats.text_encoding import decode
from glm_core.errors import EasyError

BUNDLED = workspace.ASSETS / "evaluation" / "general_choices.jsonl"
LETTERS = "ABCDEFGH"
FEWEST_CHOICES = 2
LARGEST = 32 << 20  # bytes of a file; all of C-Eval is 4 MB


class TaskError(EasyError):
    """A file of tasks that cannot be read: says which line, and what a line looks like."""


@dataclass(frozen=True)
class ChoiceTask:
    """One question. `answer` is the place of the right one among `choices`."""

    question: str
    choices: tuple[str, ...]
    answer: int

    @property
    def context(self) -> str:
        """Return what the choices are continuations of."""
        return f"{self.question}\n答案："


def read_tasks(path: str | Path) -> list[ChoiceTask]:
    """Return the tasks of a file; see `parse_tasks`.

    Raises:
        TaskError, DataError: it cannot be read, or a line is no task.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TaskError("benchmark.unreadable", file=path.name, why=error) from error
    return parse_tasks(content, path.name)


def parse_tasks(content: bytes, file: str) -> list[ChoiceTask]:
    """Return the tasks of JSON lines (question, choices, answer as number or letter), or of a CSV with columns A, B, C, D.

    Args:
        file: its name; one that ends in .csv is read as CSV.

    Raises:
        TaskError: a line is no task, or there is none.
        DataError: the encoding is not known.
    """
    if len(content) > LARGEST:
        raise TaskError("benchmark.too_large", file=file, limit=LARGEST >> 20)
    text = decode(content, file)
    rows = _csv_rows(text) if file.lower().endswith(".csv") else _json_rows(text, file)
    tasks = [_task(row, file, line) for line, row in rows]
    if not tasks:
        raise TaskError("benchmark.empty", file=file)
    return tasks


def _csv_rows(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the last line and the fields of each row that has any."""
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="")
    for row in reader:
        if any(row.values()):
            yield reader.line_num, row


def _json_rows(text: str, file: str) -> Iterator[tuple[int, Any]]:
    """Yield the line and the value of each line that is not empty."""
    for line, row in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 may stand in a string
        if row.strip():
            try:
                yield line, json.loads(row)
            except (ValueError, RecursionError) as error:
                raise TaskError("benchmark.no_task", file=file, line=line) from error


def _task(row: Any, file: str, line: int) -> ChoiceTask:
    fields = {key.strip().lower(): value for key, value in row.items()} if isinstance(row, Mapping) else {}
    if {"question", "answer"} <= fields.keys() and fields["answer"] in ("", None):
        raise TaskError("benchmark.no_answer", file=file, line=line)
    question, choices, answer = fields.get("question"), _choices(fields), _place(fields.get("answer"))
    texts = [question, *choices]
    if len(choices) < FEWEST_CHOICES or not 0 <= answer < len(choices) or not all(map(_is_text, texts)):
        raise TaskError("benchmark.no_task", file=file, line=line)
    return ChoiceTask(str(question), tuple(choices), answer)


def _choices(fields: dict[str, Any]) -> list[Any]:
    """Return the list of `choices`, or the columns A, B, C ... up to the last one that is filled."""
    given = fields.get("choices")
    if given is not None:
        return given if isinstance(given, list) else []
    lettered = [fields.get(letter.lower()) for letter in LETTERS]
    while lettered and not lettered[-1]:
        lettered.pop()
    return lettered


def _place(answer: Any) -> int:
    """Return the place that a number or a letter names, -1 where it names none."""
    if isinstance(answer, str):
        letter = answer.strip().upper()
        return LETTERS.index(letter) if len(letter) == 1 and letter in LETTERS else -1
    return answer if isinstance(answer, int) and not isinstance(answer, bool) else -1


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
