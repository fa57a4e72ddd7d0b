"""Rows of one message each (who spoke, what was said) become rows of whole conversations.

Messages of one conversation share a number where the table has one, else all rows are one conversation. Names that stand
for no known role are the user's, who speaks first, and the assistant's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glm_core.data.examples import RowError, is_blank
from glm_core.data.readers import columns as names_of
from glm_core.data.readers.chats import role_of
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.layouts import recognize
from glm_core.data.readers.notices import NoticeTally

_GROUP = re.compile(
    r".*(conversation|dialog(ue)?|session|chat|thread|conv|对话|会话).*(id|no|编号|号)?|.*(对话|会话)(号|编号)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Columns:
    """The columns of the speaker, of what is said, and of the conversation it belongs to."""

    speaker: str
    text: str
    group: str | None = None


def find_columns(records: Sequence[dict]) -> Columns | None:
    """The columns of rows that are one message each; None where rows are something else."""
    keys = [key for key in dict.fromkeys(key for record in records for key in record)]
    names = names_of.folded(keys)
    speaker = names_of.first(names, names_of.SPEAKERS)
    text = names_of.first({name: key for name, key in names.items() if key != speaker}, names_of.TEXTS)
    if speaker is None or text is None or len(records) < 2:
        return None
    said = [record.get(speaker) for record in records if not is_blank(record.get(speaker))]
    if not said or not all(isinstance(one, str) for one in said):
        return None
    speakers = set(said)
    roles = {role_of(one) for one in speakers}
    known = {"user", "assistant"} <= roles and None not in roles
    if not known and (len(speakers) != 2 or len(said) < 4 or recognize(keys)):
        return None
    rest = [key for key in keys if key not in (speaker, text)]
    group = next((key for key in rest if _GROUP.fullmatch(key)), None)
    return Columns(speaker, text, group)


def conversations(rows: Iterator[Row], columns: Columns, tally: NoticeTally, reading: str = "") -> Iterator[Row]:
    """Rows of whole conversations; `reading` "pairs" makes a row of every question and its answer."""
    roles: dict[str, str] = {}
    turns: list[dict] = []
    start, group, blocks, rounds = 1, None, 0, 0
    for line, record in rows:
        if isinstance(record, RowError):
            yield line, record
            continue
        role = _role(record.get(columns.speaker), roles)
        own = record.get(columns.group) if columns.group else None
        begins = turns and (
            own != group
            or role == "system"
            or (reading == "pairs" and role == "user" and turns[-1]["role"] == "assistant")
        )
        if begins:
            yield start, {"messages": turns}
            turns, blocks = [], blocks + 1
        start, group = (start if turns else line), own
        rounds += role == "assistant"
        _append(turns, role, record, columns)
    if turns:
        yield start, {"messages": turns}
    if rounds > 1 and not columns.group and (reading == "pairs" or not blocks):
        tally.guess("pairs" if reading == "pairs" else "conversations", "" if reading == "pairs" else "pairs")


def _role(speaker: object, roles: dict[str, str]) -> str:
    name = speaker if isinstance(speaker, str) else ""
    if known := role_of(name):
        return known
    return roles.setdefault(name, "assistant" if "user" in roles.values() else "user")


def _append(turns: list[dict], role: str, record: dict, columns: Columns) -> None:
    """Add a message; what one speaker says in several lines is one."""
    text = record.get(columns.text)
    if turns and turns[-1]["role"] == role and isinstance(text, str) and isinstance(turns[-1]["content"], str):
        turns[-1]["content"] += f"\n{text}"
        return
    rest = {key: value for key, value in record.items() if key not in (columns.speaker, columns.text)}
    turns.append({**rest, "role": role, "content": text})
