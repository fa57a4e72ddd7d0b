"""Rows of one message each (who spoke, what was said) become rows of whole conversations.

Messages of one conversation share a number where the table has one, else all rows are one conversation. Of two names
that stand for no known role the one who speaks first asks; of more the reader says who answers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from glm_core.data.examples import RowError, is_blank
from glm_core.data.readers import columns as names_of
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.layouts import recognize
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.roles import cast, role_like
from glm_core.data.readers.values import number_in

_ORDERS = (
    "turn",
    "turn id",
    "turn index",
    "turn no",
    "order",
    "seq",
    "sequence",
    "position",
    "step",
    "message index",
    "轮次",
    "顺序",
    "次序",
    "第几句",
)
_CROWD = 20  # speakers of a group
_GROUP = re.compile(
    r".*(conversation|dialog(ue)?|session|chat|thread|conv|对话|会话).*(id|no|编号|号)?|.*(对话|会话)(号|编号)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Columns:
    """The columns of the speaker, of what is said, of the conversation it belongs to, and of its place there."""

    speaker: str
    text: str
    group: str | None = None
    names: tuple[str, ...] = ()
    order: str | None = None


def find_columns(records: Sequence[dict]) -> Columns | None:
    """The columns of rows that are one message each; None where rows are something else."""
    keys = [key for key in dict.fromkeys(key for record in records for key in record)]
    names = names_of.folded(keys)
    speaker = names_of.first(names, names_of.SPEAKERS) or (None if recognize(keys) else names.get("user"))
    text = names_of.first({name: key for name, key in names.items() if key != speaker}, names_of.TEXTS)
    if speaker is None or text is None or len(records) < 2:
        return None
    said = [record.get(speaker) for record in records if not is_blank(record.get(speaker))]
    if not said or not all(isinstance(one, str) for one in said):
        return None
    speakers = set(said)
    roles = {role_like(one) for one in speakers}
    known = {"user", "assistant"} <= roles and None not in roles
    crowd = len(speakers) > _CROWD or (len(speakers) > 2 and len(said) <= len(speakers))
    if not known and (len(said) < 4 or len(speakers) < 2 or crowd or recognize(keys)):
        return None
    rest = [key for key in keys if key not in (speaker, text)]
    group = next((key for key in rest if _GROUP.fullmatch(key)), None) or _numbering(rest, records)
    order = names_of.first(names_of.folded(rest), _ORDERS)
    return Columns(speaker, text, group, tuple(dict.fromkeys(map(str, said))), order if order != group else None)


def _numbering(columns: Sequence[str], records: Sequence[dict]) -> str | None:
    """The column that numbers conversations: the same number in several rows after each other, and then another one."""
    for column in filter(names_of.is_identifier, columns):
        values = [record.get(column) for record in records]
        runs = [value for value, _run in groupby(values)]
        if None not in runs and 1 < len(runs) == len(set(map(str, runs))) and 2 * len(runs) <= len(values):
            return column
    return None


def _in_order(rows: Iterator[Row], columns: Columns) -> Iterator[Row]:
    """`rows`, those of each conversation by the number that a column gives them."""
    if columns.order is None:
        yield from rows
        return
    for _own, run in groupby(
        rows, lambda row: row[1].get(columns.group) if columns.group and isinstance(row[1], dict) else None
    ):
        found = list(run)
        numbers = [number_in(row.get(columns.order)) if isinstance(row, dict) else None for _line, row in found]
        if None not in numbers and len(set(numbers)) == len(numbers):
            found = [row for _number, row in sorted(zip(numbers, found, strict=True), key=lambda pair: pair[0] or 0)]
        yield from found


def conversations(
    rows: Iterator[Row], columns: Columns, tally: NoticeTally, reading: str = "", assistant: str = ""
) -> Iterator[Row]:
    """Rows of whole conversations.

    Args:
        reading: "pairs" makes a row of every question and its answer.
        assistant: the name of the one who answers.
    """
    known = all(role_like(name) for name in columns.names) and not assistant
    roles = {name: role_like(name) or "user" for name in columns.names} if known else {}
    roles = roles or cast(columns.names, tally, assistant)
    if not roles:
        names = ", ".join(columns.names)
        yield 1, RowError("data.row.group", columns.speaker, names=names)
        return
    named = columns if list(roles.values()).count("user") > 1 and not known else None
    turns: list[dict] = []
    start, group, blocks, rounds = 1, None, 0, 0
    for line, record in _in_order(rows, columns):
        if isinstance(record, RowError):
            yield line, record
            continue
        role = roles.get(str(record.get(columns.speaker))) or role_like(record.get(columns.speaker)) or "user"
        own = record.get(columns.group) if columns.group else None
        begins = turns and (
            own != group
            or role == "system"
            or (reading == "pairs" and role == "user" and turns[-1]["role"] == "assistant")
        )
        if begins:
            yield start, {"messages": _trimmed(turns, tally)}
            turns, blocks = [], blocks + 1
        start, group = (start if turns else line), own
        rounds += role == "assistant"
        _append(turns, role, _with_name(record, named, role), columns)
    if turns:
        yield start, {"messages": _trimmed(turns, tally)}
    if rounds > 1 and not columns.group and (reading == "pairs" or not blocks):
        tally.guess("pairs" if reading == "pairs" else "conversations", "" if reading == "pairs" else "pairs")


def _with_name(record: dict, columns: Columns | None, role: str) -> dict:
    """`record`, with the name of one of several who ask before what is said."""
    name = record.get(columns.speaker) if columns else None
    if columns is None or role != "user" or is_blank(record.get(columns.text)) or role_like(name) == "user":
        return record
    return {**record, columns.text: f"{name}：{record[columns.text]}"}


def _trimmed(turns: list[dict], tally: NoticeTally) -> list[dict]:
    """A conversation from its first question to its last answer; greetings before and thanks behind are left out."""
    asked = [place for place, turn in enumerate(turns) if turn["role"] == "user"]
    answered = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
    if not asked or not answered or answered[-1] < asked[0]:
        return turns
    system = [turn for turn in turns[: asked[0]] if turn["role"] == "system"]
    kept = [*system, *turns[asked[0] : answered[-1] + 1]]
    if len(kept) < len(turns):
        tally.add("turns_unused", len(turns) - len(kept))
    return kept


def _append(turns: list[dict], role: str, record: dict, columns: Columns) -> None:
    """Add a message; what one speaker says in several lines is one."""
    text = record.get(columns.text)
    if turns and turns[-1]["role"] == role and isinstance(text, str) and isinstance(turns[-1]["content"], str):
        turns[-1]["content"] += f"\n{text}"
        return
    rest = {key: value for key, value in record.items() if key not in (columns.speaker, columns.text)}
    turns.append({**rest, "role": role, "content": text})
