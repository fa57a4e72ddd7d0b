"""Rows whose example lies deeper: one object inside another, a list of turns under any name, the tree of a chat export.

Only rows whose own columns are no known layout are looked into.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from glm_core.data.examples import RowError
from glm_core.data.readers.chats import is_message
from glm_core.data.readers.columns import fold
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.layouts import guess, recognize

_TALK = re.compile(r"^(data|texts?|lines|contents?|rounds?)$|conv|dialog|chat|turn|messages?$|msgs|对话|会话|聊天|轮")
_SPOKEN = ("user", "assistant")


def unfolded(rows: Iterator[Row]) -> Iterator[Row]:
    """`rows`, with the example of each where columns are looked for."""
    for line, record in rows:
        if isinstance(record, RowError) or _is_known(tuple(record)):
            yield line, record
            continue
        if (name := _rows_under(record)) is not None:
            outer = {key: value for key, value in record.items() if key != name}
            for row in record[name]:
                yield line, {**outer, **row}
            continue
        yield line, _lifted(record)


@lru_cache(maxsize=256)
def _is_known(columns: tuple[str, ...]) -> bool:
    return recognize(columns) is not None


def _lifted(record: dict) -> dict:
    if isinstance(nodes := record.get("mapping"), dict) and (turns := _tree(nodes, record.get("current_node"))):
        return {"messages": turns}
    if (name := _turns_under(record)) is not None:
        return {("messages" if key == name else key): value for key, value in record.items()}
    inner = [name for name, value in record.items() if isinstance(value, dict) and _holds_example(value)]
    if len(inner) != 1 or guess(record):
        return record
    outer = {name: value for name, value in record.items() if name != inner[0] and name not in record[inner[0]]}
    return {**outer, **record[inner[0]]}


def _holds_example(value: dict) -> bool:
    return recognize(value) is not None or _turns_under(value) is not None


def _turns_under(record: dict) -> str | None:
    """The one column whose list is a conversation."""
    found = [name for name, value in record.items() if isinstance(value, list) and value and _are_turns(name, value)]
    return found[0] if len(found) == 1 else None


def _are_turns(name: str, value: list) -> bool:
    """Return whether a list is a conversation: of messages by any name, of bare texts and rounds by a name that says so."""
    if all(isinstance(one, dict) for one in value):
        spoken = all(is_message(one) or "sender" in one or "speaker" in one for one in value)
        return spoken or (_of_talk(name) and all(map(recognize, value)))
    if not _of_talk(name):
        return False
    if all(isinstance(one, str) for one in value):
        return len(value) > 1 and len(value) % 2 == 0
    return all(isinstance(one, list) and len(one) == 2 and all(isinstance(text, str) for text in one) for one in value)


def _of_talk(name: str) -> bool:
    return _TALK.search(fold(name)) is not None


def _rows_under(record: dict) -> str | None:
    """The one column whose list holds rows of its own, such as the questions about one document."""
    found = [
        name
        for name, value in record.items()
        if isinstance(value, list) and value and not _of_talk(name) and all(map(_is_pair, value[:20]))
    ]
    return found[0] if len(found) == 1 else None


def _is_pair(value: object) -> bool:
    layout = recognize(value) if isinstance(value, dict) and not is_message(value) else None
    return layout is not None and layout.chat is None and layout.answer is not None


def _tree(nodes: dict, last: object) -> list[dict]:
    """The messages of a chat that is kept as a tree of versions: the branch that ends at `last`, or the newest one."""
    place = last if last in nodes else next(reversed(nodes), None)
    turns: list[dict] = []
    for _ in nodes:
        node = nodes.get(place) if isinstance(place, str) else None
        if not isinstance(node, dict):
            break
        if turn := _said(node.get("message")):
            turns.append(turn)
        place = node.get("parent")
    return _merged(turns[::-1])


def _said(message: object) -> dict | None:
    """The turn of one node; None for what neither side said: settings, tools, empty texts."""
    if not isinstance(message, dict) or not isinstance(message.get("author"), dict):
        return None
    role, content = message["author"].get("role"), message.get("content")
    parts = content.get("parts") if isinstance(content, dict) else content
    texts = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else [parts]
    text = "\n".join(text for text in texts if isinstance(text, str)).strip()
    return {"role": role, "content": text} if role in _SPOKEN and text else None


def _merged(turns: list[dict]) -> list[dict]:
    """`turns` with what one side said in several messages as one; only as far as the last answer."""
    merged: list[dict] = []
    for turn in turns:
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1]["content"] += f"\n{turn['content']}"
        else:
            merged.append(turn)
    return merged[:-1] if merged and merged[-1]["role"] == "user" else merged
