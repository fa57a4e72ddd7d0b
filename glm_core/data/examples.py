"""A data set's parts: examples, the problems of rows that could not become one, notices about the file, shared checks.

Covers one row at a time; how rows come out of a file is `readers`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time
from decimal import Decimal

from glm_core import i18n
from glm_core.errors import EasyError

# A row longer than any context this project trains (128k tokens are about 200,000 characters) is a mistake in the file.
MAX_TEXT = 1_000_000

UNKNOWN = "unknown"


class DataError(EasyError):
    """A file or data set that cannot be used at all: says what, where, and what to do."""


class RowError(EasyError):
    """A fault of one row, in `field`; readers turn it into a `Problem`."""

    def __init__(self, key: str, field: str = "", **values):
        super().__init__(key, field=field, **values)
        self.field = field


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was left out: `line` in the file (from 1; the sheet row of tables), `field`, and why."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return i18n.t("data.problem", line=self.line, message=self.message)


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation that ends with the answer to learn.

    `messages` is a list of {"role": "system" | "user" | "assistant", "content": str}: an optional system message, then
    user and assistant in turn; an answer that must not be learned has "learn": False, one that was thought about may have
    "reasoning_content". Where functions may be called, the first message has `tools`, an answer that calls has
    `tool_calls`, and messages of role "tool" with the results follow it. `line` is where it stood in its file (0 when it
    came from none).
    """

    messages: list[dict]
    line: int = 0

    @property
    def has_tools(self) -> bool:
        """Return whether functions are offered, called or answered in it."""
        return any(one.get("tools") or one.get("tool_calls") or one["role"] == "tool" for one in self.messages)

    @property
    def prompt(self) -> list[dict]:
        """The messages before the last answer."""
        return self.messages[:-1]

    @property
    def question(self) -> str:
        """The last thing the user said."""
        return self.messages[-2]["content"]

    @property
    def answer(self) -> str:
        """The last answer, calls as lines of JSON."""
        return message_text(self.messages[-1])


@dataclass(frozen=True)
class Notice:
    """Something that was read otherwise than it stands in the file, or was not used at all.

    Attributes:
        kind: one of `NOTICES`.
        count: how many rows, answers, columns, sheets or splits it is about.
        key, values: entry of the text tables that words it, and what fills it.
        other: the `reading` that gives the other plausible reading of the file; empty where there is none.
    """

    kind: str
    count: int
    key: str
    values: dict[str, str | list[str]] = field(default_factory=dict)
    other: str = ""

    @property
    def message(self) -> str:
        """The sentence, in the language of the reader."""
        said = {
            name: i18n.join(value, "item") if isinstance(value, list) else value for name, value in self.values.items()
        }
        return i18n.t(self.key, count=f"{self.count:,}", **said)

    def __str__(self) -> str:
        return self.message

    def as_record(self) -> dict:
        """The form that JSON keeps, for `notices_from`."""
        return asdict(self)


NOTICES = (
    "rows_not_learned",
    "verdicts_pending",
    "answers_not_learned",
    "media_unseen",
    "columns_ignored",
    "flags_unused",
    "holes_empty",
    "rejected_unused",
    "reasoning_unused",
    "reasoning_kept",
    "reading_guessed",
    "sheets",
    "sheets_unread",
    "no_header",
    "names_taken",
    "placeholder",
    "splits",
    "speakers",
    "turns_unused",
    "lines_unused",
    "unknown_words",
    "marks_removed",
    "marks_left",
    "branches_unused",
    "totals_unused",
    "scores_unused",
    "ties_unused",
    "rows_unanswered",
    "speakers_added",
    "speakers_unclear",
    "speakers_by_role",
    "encoding",
)


def notices_from(records: object) -> list[Notice]:
    """The notices that `records` keep; what this version cannot word is left out."""
    found = []
    for record in records if isinstance(records, list | tuple) else ():
        try:
            notice = Notice(**record)
            str(notice)
        except (TypeError, KeyError, IndexError, ValueError, AttributeError):
            continue
        found.append(notice)
    return found


@dataclass(frozen=True)
class ReadResult:
    """A file as examples. `layout` names what was recognized ("unknown": map the `columns` by hand).

    Attributes:
        columns: of the first rows; `sample` are the first raw rows, for a live example while mapping.
        rows: rows of the file that were looked at.
        notices: parts of the file that were read otherwise than they stand there or not used, by kind.
        sheets: all sheets of a workbook by name.
        speakers: the names of those who talk, where the file is a chat of names that stand for no known role.
    """

    examples: Sequence[Example]
    problems: list[Problem]
    layout: str
    columns: tuple[str, ...] = ()
    file: str = ""
    rows: int = 0
    sample: list[dict] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    sheets: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()


def pair(question: str, answer: str) -> Example:
    """The example of a single question and its answer."""
    return Example([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])


def is_blank(value: object) -> bool:
    """Return whether a cell holds nothing: null, NaN, or only white space."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value


def kind_of(value: object) -> str:
    """Return what a value is, in the reader's words: a list, an object, a number, text, or nothing."""
    kinds = ((dict, "object"), (list, "list"), (str, "text"), (type(None), "nothing"))
    return i18n.t("data.kind." + next((name for kind, name in kinds if isinstance(value, kind)), "number"))


def text_of(value: object, field: str) -> str:
    """The text of a cell; numbers, truth values and dates become text as a reader would write them.

    Raises:
        RowError: the cell is blank, is a list or object, is too long, or holds broken characters.
    """
    if not isinstance(value, str):
        value = _scalar_text(value, field)
    if not value or value.isspace():
        raise RowError("data.row.blank", field)
    if len(value) > MAX_TEXT:
        raise RowError("data.row.too_long", field, length=len(value), limit=MAX_TEXT)
    if not value.isascii():
        _refuse_broken_characters(value, field)
    return value


def check_messages(messages: list[dict], path: str = "messages", role_key: str = "role", text_key: str = "content"):
    """Check the order of the roles: an optional system message, then user and assistant in turn, an answer last.

    Args:
        path, role_key, text_key: what the fields are called in the reader's own file.

    Raises:
        RowError: names the message, such as `conversations[3].from`.
    """
    start = 1 if messages and messages[0]["role"] == "system" else 0
    for index in range(start, len(messages)):
        before = messages[index - 1] if index > start else {"role": "assistant"}
        expected = _next_role(before)
        found = messages[index]["role"]
        if found == "tool" == before["role"]:
            continue  # several calls have several results
        if found != expected:
            raise RowError("data.row.role_order", f"{path}[{index}].{role_key}", expected=expected, found=found)
    if len(messages) == start:
        raise RowError("data.row.no_turns", path)
    if messages[-1]["role"] != "assistant":
        raise RowError("data.row.no_answer", f"{path}[{len(messages) - 1}].{text_key}")


def _next_role(before: dict) -> str:
    """The role of what follows a message."""
    if before["role"] != "assistant":
        return "assistant"
    return "tool" if before.get("tool_calls") else "user"


def message_text(message: dict) -> str:
    """Return the text of a message, then its calls, a line of JSON each."""
    calls = [
        json.dumps({"name": one["function"]["name"], "arguments": one["function"]["arguments"]}, ensure_ascii=False)
        for one in message.get("tool_calls") or ()
    ]
    return "\n".join([message["content"], *calls] if message["content"] else calls)


def check_example(example: Example, line: int) -> Example:
    """`example` with `line` as its place, after all checks (for rows edited by hand).

    Raises:
        RowError: as `text_of` and `check_messages`.
    """
    for index, message in enumerate(example.messages):
        if message["content"] or not (message.get("tool_calls") or message["role"] == "tool"):
            text_of(message["content"], f"messages[{index}].content")
        for call in message.get("tool_calls") or ():
            if not isinstance(call["function"]["name"], str) or not isinstance(call["function"]["arguments"], dict):
                raise RowError("data.row.call", f"messages[{index}].tool_calls")
    check_messages(example.messages)
    return Example(example.messages, line)


def _scalar_text(value: object, field: str) -> str:
    if is_blank(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # A whole-number column with gaps arrives as floats: 3.0 was written 3.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, (int, Decimal, date, datetime, time)):
        return str(value)
    if isinstance(value, bytes):
        return _bytes_text(value, field)
    raise RowError("data.row.not_text", field, kind=kind_of(value))


def _bytes_text(value: bytes, field: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError("data.row.broken_characters", field) from error


def _refuse_broken_characters(value: str, field: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:  # half a surrogate pair: cannot be saved nor tokenized
        raise RowError("data.row.broken_characters", field) from error
