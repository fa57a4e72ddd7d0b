"""The layouts that data sets are published in, recognized by their column names: which column is what.

Covers Alpaca, ShareGPT, messages, conversations, content/summary, prompt/response/history, question/answer, and the
Chinese and common English names for the same columns. What is none of these is mapped by hand (`templates`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from glm_core.data.examples import RowError, check_messages, is_blank, kind_of, text_of

Convert = Callable[[dict], list[dict]]


@dataclass(frozen=True)
class Layout:
    """A recognized layout: `columns` gives for each role (question, answer, …) the name the file has for it."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def has_instruction(self) -> bool:
        """Return whether its rows already say what to do, so that a task template must not say it again."""
        return "chat" in self.columns or self.name == "alpaca" or not {"history", "system"}.isdisjoint(self.columns)


# name -> names of the question column, names of the answer column, in order of preference
_PAIRS = {
    "alpaca": (("instruction", "指令"), ("output", "response", "输出", "回答")),
    "content_summary": (("content",), ("summary",)),
    "prompt_response": (
        ("prompt", "query", "input", "提示", "输入"),
        ("response", "completion", "output", "answer", "回复", "回答", "输出"),
    ),
    "question_answer": (
        ("question", "问题", "提问", "q", "问"),
        ("answer", "response", "output", "答案", "回答", "回复", "a", "答"),
    ),
}
_MARKS = ("instruction", "output", "prompt", "response", "question", "answer", "summary")  # of a half-named layout
_CHATS = ("messages", "conversations", "conversation")
_OPTIONAL = {
    "input": ("input", "输入"),
    "history": ("history", "历史"),
    "system": ("system", "system_prompt", "系统提示", "系统"),
}
_ROLES = {
    "human": "user",
    "user": "user",
    "用户": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "助手": "assistant",
    "system": "system",
}


def recognize(columns: Iterable[str]) -> Layout | None:
    """The layout that has all its columns among `columns` (case and spaces aside), or None."""
    names = _folded(columns)
    for chat in _CHATS:
        if chat in names:
            found = _first(names, _OPTIONAL["system"])
            return Layout(
                "messages" if chat == "messages" else "conversations",
                {"chat": names[chat]} | ({"system": found} if found else {}),
            )
    for layout, (questions, answers) in _PAIRS.items():
        question, answer = _first(names, questions), _first(names, answers)
        if question and answer:
            return Layout(layout, {"question": question, "answer": answer} | _optional(layout, names, question))
    return None


def guess(columns: Iterable[str]) -> Layout | None:
    """The layout of which only one of question and answer is there: the missing one goes by its usual name."""
    names = _folded(columns)
    for layout, (questions, answers) in _PAIRS.items():
        question, answer = _first(names, questions[:1]), _first(names, answers[:1])
        if (question or answer) and (question or answer).strip().lower() in _MARKS:
            found = {"question": question or questions[0], "answer": answer or answers[0]}
            return Layout(layout, found | _optional(layout, names, question))
    return None


def converter(layout: Layout) -> Convert:
    """The function that makes messages of one row in `layout`; it raises RowError."""
    if "chat" in layout.columns:
        return lambda record: _chat(record, layout.columns["chat"], layout.columns.get("system"))
    return lambda record: _pair(record, layout.columns)


def variant(layout: Layout, record: dict) -> str:
    """The published name of a layout of conversations: "sharegpt" where turns say `from`, else its column's name."""
    chat = layout.columns.get("chat")
    if chat is None:
        return layout.name
    try:
        turns = _listed(record.get(chat), chat)
    except RowError:
        return layout.name
    return "sharegpt" if turns and isinstance(turns[0], dict) and "from" in turns[0] else layout.name


def cell(record: dict, column: str) -> str:
    """The text of one column of a row.

    Raises:
        RowError: the column is missing, or as `text_of`.
    """
    if column not in record:
        raise RowError("data.row.missing", column)
    return text_of(record[column], column)


def optional_cell(record: dict, column: str | None) -> str:
    """As `cell`, but empty where the column is missing or blank."""
    if column is None or is_blank(record.get(column)):
        return ""
    return text_of(record[column], column)


def _folded(columns: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for column in columns:
        names.setdefault(column.strip().lower(), column)
    return names


def _first(names: dict[str, str], wanted: Iterable[str]) -> str | None:
    return next((names[name] for name in wanted if name in names), None)


def _optional(layout: str, names: dict[str, str], question: str | None) -> dict[str, str]:
    roles = ("input", "history", "system") if layout == "alpaca" else ("history", "system")
    found = {role: _first(names, _OPTIONAL[role]) for role in roles}
    return {role: column for role, column in found.items() if column and column != question}


def _pair(record: dict, columns: dict[str, str]) -> list[dict]:
    messages = []
    if system := optional_cell(record, columns.get("system")):
        messages.append({"role": "system", "content": system})
    if "history" in columns:
        messages += past_turns(record.get(columns["history"]), columns["history"])
    messages.append({"role": "user", "content": _question(record, columns)})
    messages.append({"role": "assistant", "content": cell(record, columns["answer"])})
    return messages


def _question(record: dict, columns: dict[str, str]) -> str:
    """The question; in Alpaca the instruction and, on the next line, its input."""
    extra = optional_cell(record, columns.get("input"))
    if not extra:
        return cell(record, columns["question"])
    instruction = optional_cell(record, columns["question"])
    return f"{instruction}\n{extra}" if instruction else extra


def past_turns(value: object, column: str) -> list[dict]:
    """Earlier turns as messages: a list of [question, answer] pairs, or of messages; JSON text of either; or nothing.

    Raises:
        RowError: names the pair, such as `history[1]`.
    """
    messages: list[dict] = []
    for index, turn in enumerate(_listed(value, column)):
        place = f"{column}[{index}]"
        if isinstance(turn, dict) and ("role" in turn or "from" in turn):
            messages.append(_message(turn, place))
        elif isinstance(turn, (list, tuple)) and len(turn) == 2:
            messages.append({"role": "user", "content": text_of(turn[0], f"{place}[0]")})
            messages.append({"role": "assistant", "content": text_of(turn[1], f"{place}[1]")})
        else:
            raise RowError("data.row.history", place)
    if messages:
        check_messages(messages, column)
        if messages[0]["role"] == "system":
            raise RowError("data.row.role_order", f"{column}[0].role", expected="user", found="system")
    return messages


def _chat(record: dict, column: str, system: str | None) -> list[dict]:
    if column not in record:
        raise RowError("data.row.missing", column)
    turns = _listed(record[column], column)
    if not turns:
        raise RowError("data.row.no_turns", column)
    messages = [_message(turn, f"{column}[{index}]") for index, turn in enumerate(turns)]
    named = ("from", "value") if "from" in turns[0] else ("role", "content")
    check_messages(messages, column, *named)
    if (text := optional_cell(record, system)) and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": text})
    return messages


def _message(turn: object, place: str) -> dict:
    if not isinstance(turn, dict):
        raise RowError("data.row.turn", place)
    role_key = "from" if "from" in turn else "role"
    text_key = "value" if "value" in turn or (role_key == "from" and "content" not in turn) else "content"
    for key in (role_key, text_key):
        if key not in turn:
            raise RowError("data.row.missing", f"{place}.{key}")
    role = _ROLES.get(turn[role_key].strip().lower()) if isinstance(turn[role_key], str) else None
    if role is None:
        raise RowError("data.row.role", f"{place}.{role_key}", found=str(turn[role_key])[:40])
    return {"role": role, "content": text_of(turn[text_key], f"{place}.{text_key}")}


def _listed(value: object, column: str) -> list:
    """A list, or the list that a table's cell holds as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RowError("data.row.list_text", column) from error
    if is_blank(value):
        return []
    if not isinstance(value, list):
        raise RowError("data.row.not_list", column, kind=kind_of(value))
    return value
