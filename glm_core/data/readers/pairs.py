"""A row of columns becomes messages: question columns joined, the answer, and what else its layout names."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from glm_core.data.examples import RowError, check_messages, is_blank
from glm_core.data.readers.chats import answered, is_message, messages_of, past_turns, said, settle, turn_messages
from glm_core.data.readers.columns import REFUSALS, WEIGHTS, fold, folded, holds_text, option_letter
from glm_core.data.readers.formats.dialogues import written_down
from glm_core.data.readers.layouts import Convert, Layout, ignored
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.tools import tool_list
from glm_core.data.readers.transcripts import OPEN_END, transcript
from glm_core.data.readers.values import (
    RowNotLearned,
    cell,
    content_text,
    is_flag,
    is_pending,
    joined,
    listed,
    optional_cell,
    refuses,
    truth,
)

_END = "…"  # stands for the answer that a prompt leaves open
_ENDS = (":", "：", "assistant", "]")
_LETTERS = "ABCDEFGH"
_OPTIONS = ("options", "choices", "option", "选项", "选择项", "备选项")


def converter(layout: Layout, tally: NoticeTally | None = None) -> Convert:
    """The function that makes messages of one row in `layout`.

    It raises RowError for a row that cannot be used and RowNotLearned for one that its file says not to learn.
    """
    tally = NoticeTally() if tally is None else tally
    watch = unused_counter(layout, tally)
    build = _chat if layout.chat else _preference if layout.name == "preference" and not layout.questions else _pair

    def convert(record: dict) -> list[dict]:
        _judge(record, layout, tally)
        for column in layout.media:
            if not is_blank(record.get(column)) and record[column] not in ([], {}):
                raise RowError("data.row.media", column)
        messages = _weighed(build(record, layout, tally), record)
        messages = settle(_with_thought(messages, record, layout, tally), tally)
        watch(record)
        return messages

    return convert


def _judge(record: dict, layout: Layout, tally: NoticeTally) -> None:
    """Raise `RowNotLearned` where the row's verdict says so; one that is still to come is counted."""
    refusing = [column for column in layout.verdict if refuses(column, record.get(column))]
    if refusing:
        tally.add("rows_not_learned", 0, *refusing)  # counted by who leaves the row out
        raise RowNotLearned
    for column in layout.verdict:
        if is_pending(record.get(column)):
            tally.add("verdicts_pending", 1, record[column].strip())
        elif (
            is_blank(record.get(column)) and fold(column) not in REFUSALS
        ):  # a mark of refusals is blank where there is none
            tally.add("verdicts_pending", 1, column)


@lru_cache(maxsize=256)
def _weight_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that may hold a list of weights."""
    names = folded(columns)
    return tuple(names[name] for name in WEIGHTS if name in names)


def _weighed(messages: list[dict], record: dict) -> list[dict]:
    """`messages`, those answers marked as not to be learned to which a list of weights in the row says so.

    Raises:
        RowError: the list has neither as many values as there are answers nor as there are messages.
    """
    column = next((key for key in _weight_columns(tuple(record)) if isinstance(record[key], list)), None)
    values = record[column] if column else []
    if not values or not all(map(is_flag, values)):
        return messages
    answers = [place for place, one in enumerate(messages) if one["role"] == "assistant"]
    if len(values) == len(messages):
        values = [values[place] for place in answers]
    if len(values) != len(answers):
        raise RowError("data.row.weights", column or "", count=len(values), answers=len(answers))
    refused = {place for place, value in zip(answers, values, strict=True) if refuses(column or "", value)}
    return [{**one, "learn": False} if place in refused else one for place, one in enumerate(messages)]


def watched(convert: Convert, layout: Layout, tally: NoticeTally) -> Convert:
    """`convert`, counting what the columns of `layout` leave unused."""

    watch = unused_counter(layout, tally)

    def counted(record: dict) -> list[dict]:
        _judge(record, layout, tally)
        messages = settle(_with_thought(convert(record), record, layout, tally), tally)
        watch(record)
        return messages

    return counted


def _with_thought(messages: list[dict], record: dict, layout: Layout, tally: NoticeTally) -> list[dict]:
    """`messages`, whose last answer gets the chain of thought that has a column of its own."""
    thought = joined(record.get(layout.reasoning), layout.reasoning) if layout.reasoning else ""
    if not thought or messages[-1]["role"] != "assistant":
        return messages
    return [*messages[:-1], tally.take_reasoning(messages[-1], thought)]


def unused_counter(layout: Layout, tally: NoticeTally) -> Callable[[dict], None]:
    """The function that counts what a row in `layout` has beside its example."""
    used = layout.used
    known: dict[tuple, list[str]] = {}

    def count(record: dict) -> None:
        if layout.rejected and not is_blank(record.get(layout.rejected)) and record[layout.rejected] != []:
            tally.add("rejected_unused")
        keys = tuple(record)
        if keys not in known:
            known[keys] = ignored(keys, used)
        for column in known[keys]:
            if column in tally.names.get("columns_ignored", {}):
                continue
            if worded := holds_text(record[column]):
                tally.add("columns_ignored", 1, column)
            if tally.truths.get(column, True) is not None:
                tally.truth(column, None if worded else truth(record[column]))

    return count


def _chat(record: dict, layout: Layout, tally: NoticeTally) -> list[dict]:
    if layout.chat not in record:
        raise RowError("data.row.missing", layout.chat)
    value = record[layout.chat]
    if isinstance(value, str) and (found := written_down(value, tally)):
        messages = found
    elif layout.answer and not is_blank(record.get(layout.answer)):
        messages = _continued(turn_messages(listed(value, layout.chat), layout.chat, tally), record, layout, tally)
    else:
        messages = messages_of(value, layout.chat, tally)
    if (text := optional_cell(record, layout.system)) and messages[0]["role"] != "system":
        messages.insert(0, said("system", text))
    return _offered(messages, record, layout)


def _offered(messages: list[dict], record: dict, layout: Layout) -> list[dict]:
    """`messages` with the tools of the row, which may also stand on a message, on the first one."""
    tools = tool_list(record.get(layout.tools), layout.tools) if layout.tools else []
    tools = tools or next((message["tools"] for message in messages if message.get("tools")), [])
    kept = [{key: value for key, value in message.items() if key != "tools"} for message in messages]
    if len(kept) > 1 and kept[0]["role"] == "system" and not kept[0]["content"]:
        kept = kept[1:]
    if tools:
        kept[0]["tools"] = tools
    return kept


def _continued(messages: list[dict], record: dict, layout: Layout, tally: NoticeTally) -> list[dict]:
    """`messages`, with the answer that has a column of its own behind them where they end with a question."""
    if messages and messages[-1]["role"] == "assistant":
        check_messages(messages, layout.chat or "")
        return messages
    messages = messages + _answers(record[layout.answer or ""], layout.answer or "", tally)
    check_messages(messages, layout.chat or layout.answer or "")
    return messages


def _preference(record: dict, layout: Layout, tally: NoticeTally) -> list[dict]:
    """Whole conversations that were chosen and rejected, as lists of messages or as one text."""
    value = record.get(layout.answer or "")
    if isinstance(value, str):
        found = written_down(value, tally)
        if not found:
            raise RowError("data.row.no_turns", layout.answer or "")
        return found
    return messages_of(value, layout.answer or "", tally)


def _pair(record: dict, layout: Layout, tally: NoticeTally) -> list[dict]:
    answer = layout.answer or ""
    if rounds := _rounds(record, layout, tally):
        return rounds
    messages = [said("system", system)] if (system := optional_cell(record, layout.system)) else []
    if layout.history:
        messages += past_turns(record.get(layout.history), layout.history, tally)
    record = _lettered(record, layout, tally)
    asked = next((turns for name in layout.questions if (turns := _turns_in(record.get(name)))), None)
    if asked is not None:
        messages += turn_messages(asked, layout.questions[0], tally)
    else:
        asked = _told_so_far(record, layout)
        messages += asked or [said("user", question_text(record, layout.questions))]
    if answer not in record:
        raise RowError("data.row.missing", answer)
    answers = _answers(record[answer], answer, tally)
    if is_messages(record[answer]) and len(answers) > 1 and answers[0]["role"] != "assistant":
        messages = answers  # the whole conversation stands in the answer's column again
    else:
        messages += answers
    if len(messages) > 2 or asked:
        check_messages(messages, layout.questions[0])
    return messages


def _told_so_far(record: dict, layout: Layout) -> list[dict] | None:
    """The turns of a prompt that writes a whole conversation down to the mark of the answer; None for any other."""
    filled = [text for name in layout.questions if not is_blank(text := record.get(name))]
    text = filled[0] if len(filled) == 1 else None
    if not isinstance(text, str) or not text.rstrip().endswith(_ENDS) or not OPEN_END.search(text[-60:]):
        return None
    turns = transcript(f"{text.rstrip()} {_END}")
    return turns[:-1] if turns and turns[-1]["content"] == _END else None


def _lettered(record: dict, layout: Layout, tally: NoticeTally) -> dict:
    """`record` with its list of options as lines A, B, C, where the answer is one's letter or number."""
    name = next((one for one in layout.questions if isinstance(record.get(one), list) and fold(one) in _OPTIONS), None)
    options = record[name] if name else []
    if not options or len(options) > len(_LETTERS) or not all(isinstance(one, str) for one in options):
        return record
    column = layout.answer or ""
    answer, letters = record.get(column), _LETTERS[: len(options)]
    if type(answer) is int and 0 <= answer < len(options):
        tally.guess("letters")
        answer = letters[answer]
    if not isinstance(answer, str) or answer.strip().upper() not in (*letters,):
        return record
    lines = [
        one if re.match(r"[A-Ha-h][.、．:：)）]", one) else f"{letter}. {one}"
        for letter, one in zip(letters, options, strict=True)
    ]
    return {**record, name: lines, column: answer}


def _turns_in(value: object) -> list | None:
    """The messages that a question's cell is, or holds under `messages`."""
    inner = value.get("messages") if isinstance(value, dict) else value
    return inner if isinstance(inner, list) and is_messages(inner) else None


def is_messages(value: object) -> bool:
    """Return whether a value is a list of messages."""
    return isinstance(value, list) and bool(value) and all(is_message(one) for one in value)


def question_text(record: dict, columns: tuple[str, ...]) -> str:
    """The question: its columns' texts, a line each.

    Raises:
        RowError: all are blank, or one cannot be text.
    """
    if len(columns) == 1:
        return cell(record, columns[0])
    texts = [text for column in columns if (text := _extra(record, column, columns))]
    return "\n".join(texts) if texts else cell(record, columns[0])


def _extra(record: dict, column: str, columns: tuple[str, ...]) -> str:
    text = joined(record.get(column), column)
    letter = option_letter(column, columns)
    return f"{letter}. {text}" if text and letter else text


def _answers(value: Any, column: str, tally: NoticeTally) -> list[dict]:
    """The messages of an answer's cell: one, or those of a list of them."""
    if is_messages(value):
        return turn_messages(value, column, tally)
    flagged = value if isinstance(value, dict) else None
    return [answered(value, column, tally, flagged)]


def _rounds(record: dict, layout: Layout, tally: NoticeTally) -> list[dict]:
    """Lists of as many questions as answers: the rounds of one conversation; empty where they are none."""
    questions = record.get(layout.questions[-1]) if layout.questions else None
    answers = record.get(layout.answer or "")
    same = isinstance(questions, list) and isinstance(answers, list) and 0 < len(questions) == len(answers)
    if not same or not all(isinstance(one, str) for one in [*questions, *answers]):
        return []
    messages = [said("system", system)] if (system := optional_cell(record, layout.system)) else []
    for index, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        messages.append(said("user", content_text(question, f"{layout.questions[-1]}[{index}]")))
        messages.append(answered(answer, f"{layout.answer}[{index}]", tally))
    return messages
