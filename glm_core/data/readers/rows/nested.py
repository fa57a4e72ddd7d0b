"""Rows whose example lies deeper: one object inside another, a list of turns under any name, the tree of a chat export.

Only rows whose own columns are no known layout are looked into.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from glm_core.data.examples import RowError
from glm_core.data.readers.chats import is_message
from glm_core.data.readers.columns import ANSWERS, first, fold, folded
from glm_core.data.readers.formats.chat_exports import is_service, named
from glm_core.data.readers.formats.dialogues import written_down
from glm_core.data.readers.formats.plaintext import TEXT
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.layouts import guess, recognize
from glm_core.data.readers.notices import NoticeTally

_TALK = re.compile(r"^(data|texts?|lines|contents?|rounds?)$|conv|dialog|chat|turn|messages?$|msgs|对话|会话|聊天|轮")
_TURNS = ("turns", "prompts", "questions", "user turns")
_REFERENCES = ("reference", "references", "reference answers")
_SPOKEN = ("user", "assistant")


def unfolded(rows: Iterator[Row], tally: NoticeTally) -> Iterator[Row]:
    """`rows`, with the example of each where columns are looked for."""
    for line, record in rows:
        if isinstance(record, RowError):
            yield line, record
            continue
        if "ts" in record:
            if is_service(record):
                tally.add("lines_unused", 1)
                continue
            record = named(record)
        pair, known = _columns_of(tuple(record))
        if pair and (rounds := _rounds(record, *pair)):
            yield line, {**{key: value for key, value in record.items() if key not in pair}, "conversations": rounds}
            continue
        if known:
            yield line, record
            continue
        if (name := _rows_under(record)) is not None:
            outer = {key: value for key, value in record.items() if key != name}
            for row in record[name]:
                yield line, {**outer, **row}
            continue
        yield line, _lifted(record, tally)


@lru_cache(maxsize=256)
def _columns_of(columns: tuple[str, ...]) -> tuple[tuple[str, str] | None, bool]:
    """The columns of a list of questions and of the list of their answers, as test sets of several turns have them; and whether the columns are a known layout."""
    names = folded(columns)
    asked, answered = first(names, _TURNS), first(names, (*_REFERENCES, *ANSWERS))
    return (asked, answered) if asked and answered else None, recognize(columns) is not None


def _rounds(record: dict, asked: str, answered: str) -> list[list[str]] | None:
    """Questions and answers in pairs; None where one of the two is no list of as many texts."""
    lists = record[asked], record[answered]
    if not all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in lists):
        return None
    return [list(pair) for pair in zip(*lists, strict=True)] if len(lists[0]) == len(lists[1]) else None


def _lifted(record: dict, tally: NoticeTally) -> dict:
    if isinstance(nodes := record.get("mapping"), dict) and (turns := _tree(nodes, record.get("current_node"), tally)):
        return {"messages": turns}
    if (written := _written_down(record, tally)) is not None:
        column, turns = written
        return {**{key: value for key, value in record.items() if key != column}, "messages": turns}
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


def _tree(nodes: dict, last: object, tally: NoticeTally) -> list[dict]:
    """The messages of a chat that is kept as a tree of versions: the branch that ends at `last`, or the newest one."""
    place = last if isinstance(last, str) and last in nodes else next(reversed(nodes), None)
    path = _path(nodes, place, set())
    if left := _other_branches(nodes, set(path)):
        tally.add("branches_unused", left)
    return _merged([turn for name in reversed(path) if (turn := _said(nodes[name].get("message")))])


def _path(nodes: dict, place: object, known: set[str]) -> list[str]:
    """The names from the node `place` upwards, as far as the root or a `known` node."""
    path: dict[str, None] = {}
    while isinstance(place, str) and place not in known and place not in path and isinstance(nodes.get(place), dict):
        path[place] = None
        place = nodes[place].get("parent")
    return list(path)


def _other_branches(nodes: dict, used: set[str]) -> int:
    """How many ends of the tree lie off the `used` path, with something said on the way to them."""
    inner = {node.get("parent") for node in nodes.values() if isinstance(node, dict)}
    count = 0
    for end in nodes:
        if end not in inner and end not in used:
            path = _path(nodes, end, used)
            count += any(_said(nodes[name].get("message")) for name in path)
    return count


def _written_down(record: dict, tally: NoticeTally) -> tuple[str, list[dict]] | None:
    """The one column that writes a whole conversation down in the marks of a model, and its messages."""
    texts = [name for name, value in record.items() if isinstance(value, str) and len(value) > 20]
    if len(texts) != 1 or tuple(record) == (TEXT,):
        return None
    turns = written_down(record[texts[0]], tally)
    return (texts[0], turns) if turns else None


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
