"""Conversations become messages: turns of role and content, rounds of question and answer, texts in turn, transcripts.

Covers whole conversations in one value; a row of columns is `pairs`.
"""

import re
from functools import lru_cache
from itertools import pairwise

from glm_core.data.examples import RowError, check_messages, is_blank
from glm_core.data.readers import columns as names_of
from glm_core.data.readers import marks, media
from glm_core.data.readers.layouts import Layout, recognize
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.others import heard, with_name
from glm_core.data.readers.roles import cast, role_like, role_of
from glm_core.data.readers.tools import CALLING, call_list, calls_in_text, result_text, tool_list
from glm_core.data.readers.values import RowNotLearned, answer_text, content_text, joined, listed, refuses

_LONGEST_NAME = 20
_ONE_SIDED = ("turns", "user turns", "prompts")  # names under which test sets keep questions alone
_MARKED = re.compile(r"\s*([^\s:：]{1,12})\s*[:：]\s*(?=\S)")


def messages_of(value: object, column: str, tally: NoticeTally) -> list[dict]:
    """The messages of a conversation, an answer last.

    Raises:
        RowError: names the turn, such as `conversations[3].from`.
    """
    turns = listed(value, column)
    if not turns:
        raise RowError("data.row.no_turns", column)
    messages = turn_messages(turns, column, tally)
    check_messages(messages, column, *_keys(turns[0]))
    return messages


def turn_messages(turns: list, column: str, tally: NoticeTally) -> list[dict]:
    """The messages of turns, whose order is not checked yet."""
    if len(turns) > 1 and all(isinstance(turn, str) for turn in turns):
        if marked := _marked(turns):
            turns = heard([marked], tally)[0]
        elif len(turns) % 2 == 0:
            return _in_turn(turns, column, tally)
    messages: list[dict] = []
    for index, turn in enumerate(_with_roles(_spoken_lists(turns), tally)):
        found = _turn(turn, f"{column}[{index}]", tally)
        if isinstance(turn, dict) and turn.get("tools"):
            found[0] = {**found[0], "tools": tool_list(turn["tools"], f"{column}[{index}].tools")}
        messages += found
    return _with_calls(messages, column)


def _spoken_lists(turns: list) -> list:
    """`turns` of lists of a speaker and what is said, such as ["Ann", "Hi"], as objects; all others as they are."""
    if len(turns) < 2 or not all(isinstance(turn, list) and len(turn) == 2 for turn in turns):
        return turns
    if not all(isinstance(one, str) for turn in turns for one in turn):
        return turns
    names = {turn[0] for turn in turns}
    known = {role_of(name) for name in names} >= {"user", "assistant"}
    in_turn = all(turn[0] != after[0] for turn, after in pairwise(turns))
    again = in_turn and len(turns) > 3 and 1 < len(names) <= len(turns) / 2 and max(map(len, names)) <= _LONGEST_NAME
    return [{"from": name, "value": said} for name, said in turns] if known or again else turns


def _marked(turns: list[str]) -> list[dict]:
    """The messages of texts that begin with who speaks, most of them one that is known; empty where they do not."""
    marks = [(mark, role) for turn in turns if (mark := _MARKED.match(turn)) and (role := role_like(mark[1]))]
    if 2 * len(marks) < len(turns) or {role for _mark, role in marks} < {"user", "assistant"}:
        return []
    roles = {mark.string: (role, mark.string[mark.end() :]) for mark, role in marks}
    messages: list[dict] = []
    for turn in turns:
        role, said = roles.get(turn, ("", turn))
        if messages and not role:
            messages[-1]["content"] += f"\n{said}"
        else:
            again = bool(messages) and messages[-1]["role"] == role
            messages.append({"role": role or "user", "content": said, "again": again})
    return messages


def _with_roles(turns: list, tally: NoticeTally) -> list:
    """`turns` of people under their own names, with roles instead; all others as they are."""
    first = turns[0] if isinstance(turns[0], dict) else {}
    key = _speaker_keys(tuple(first))[0] if first else None
    if key is None or key == "role" or not all(isinstance(turn, dict) for turn in turns):
        return turns
    said = [turn.get(key) for turn in turns]
    names = list(dict.fromkeys(name for name in said if isinstance(name, str) and name.strip()))
    known = all(map(role_of, names)) or not all(isinstance(name, str) for name in said)
    if len(names) < 2 or known or any(name.lower() in CALLING or role_of(name) == "tool" for name in names):
        return turns
    roles = cast([name for name in names if role_of(name) != "system"], tally)
    if not roles and len(names) > 2:
        raise RowError("data.row.group", key, names=", ".join(names))
    text = _speaker_keys(tuple(first))[1] or "content"
    if len(names) == 2 or not all(isinstance(turn.get(text), str) for turn in turns):
        return [{**turn, key: roles.get(turn[key], turn[key])} for turn in turns]
    return _of_several(turns, key, text, roles)


def _of_several(turns: list[dict], key: str, text: str, roles: dict[str, str]) -> list[dict]:
    """The turns of three and more people, those of one role in a row as one, with the names of whom nobody knows."""
    found: list[dict] = []
    for turn in turns:
        role, name = roles.get(turn[key], turn[key]), turn[key]
        said = with_name(name, turn[text]) if role == "user" and role_like(name) is None else turn[text]
        if found and found[-1][key] == role:
            found[-1] = {**found[-1], text: f"{found[-1][text]}\n{said}"}
        else:
            found.append({**turn, key: role, text: said})
    return found


def _with_calls(messages: list[dict], column: str) -> list[dict]:
    """`messages` in which an answer before a result is the call that its text spells; text and calls in a row are one."""
    found: list[dict] = []
    for index, message in enumerate(messages):
        follows = index + 1 < len(messages) and messages[index + 1]["role"] == "tool"
        if message["role"] == "assistant" and not message.get("tool_calls") and message["content"]:
            if follows or "<tool_call>" in message["content"]:
                text, calls = calls_in_text(message["content"], f"{column}[{index}]")
                message = {**message, "content": text, "tool_calls": calls} if calls else message
        last = found[-1] if found else {}
        if last.get("role") == "assistant" == message["role"] and message.get("tool_calls"):
            joined_calls = [*(last.get("tool_calls") or []), *message["tool_calls"]]
            text = "\n".join(filter(None, (last["content"], message["content"])))
            found[-1] = {**last, "content": text, "tool_calls": joined_calls}
        else:
            found.append(message)
    return found


def past_turns(value: object, column: str, tally: NoticeTally) -> list[dict]:
    """Earlier turns as messages: a list of [question, answer] pairs, rounds, or messages; JSON text of it; or nothing.

    Raises:
        RowError: names the pair, such as `history[1]`.
    """
    messages: list[dict] = []
    for index, turn in enumerate(listed(value, column)):
        if not isinstance(turn, dict | list | tuple) or (not isinstance(turn, dict) and len(turn) != 2):
            raise RowError("data.row.history", f"{column}[{index}]")
        messages += _turn(turn, f"{column}[{index}]", tally)
    if messages:
        check_messages(messages, column)
        if messages[0]["role"] == "system":
            raise RowError("data.row.role_order", f"{column}[0].role", expected="user", found="system")
    return messages


def settle(messages: list[dict], tally: NoticeTally) -> list[dict]:
    """`messages` without marks of a model's own transcript, their unlearned answers and placeholders counted.

    Raises:
        RowNotLearned: none of the answers is to be learned.
        RowError: none is left, since all are about pictures or the like.
    """
    messages, unseen = media.unlearned([_unmarked(message, tally) for message in messages])
    answers = [message for message in messages if message["role"] == "assistant"]
    unlearned = sum(not message.get("learn", True) for message in answers)
    if answers and unlearned == len(answers):
        if unseen:
            raise RowError("data.row.media", "question" if len(answers) == 1 else "messages")
        raise RowNotLearned
    if unseen:
        tally.add("media_unseen", unseen)
    if unlearned > unseen:
        tally.add("answers_not_learned", unlearned - unseen)
    tally.check_answers(messages)
    return messages


def _unmarked(message: dict, tally: NoticeTally) -> dict:
    """`message` without the marks at its ends; those that stay inside an answer are named."""
    text, found = marks.stripped(message["content"])
    if found:
        tally.add("marks_removed", 1, *found)
        message = {**message, "content": text}
    if message["role"] == "assistant" and (left := marks.inside(text)):
        tally.add("marks_left", 1, *left)
    return message


def said(role: str, content: str, turn: dict | None = None) -> dict:
    """One message; an answer that `turn` marks as not to be learned says so."""
    message: dict = {"role": role, "content": content}
    if turn and role == "assistant" and any(refuses(key, turn[key]) for key in _flag_keys(tuple(turn))):
        message["learn"] = False
    return message


def answered(value: object, field: str, tally: NoticeTally, turn: dict | None = None, thought: str = "") -> dict:
    """The message of an answer's cell, with its chain of thought where such are kept.

    Args:
        turn: may mark it as not to be learned.
        thought: from a column of its own; else the answer may begin with it.
    """
    text, own = answer_text(value, field, tally)
    return tally.take_reasoning(said("assistant", text, turn), thought or own)


def is_message(value: object) -> bool:
    """Return whether a value is an object with a speaker."""
    return isinstance(value, dict) and ("role" in value or "from" in value)


def _keys(turn: object) -> tuple[str, str]:
    if isinstance(turn, dict):
        role, text = _speaker_keys(tuple(turn))
        return role or "role", text or "content"
    return "role", "content"


def _in_turn(texts: list[str], column: str, tally: NoticeTally) -> list[dict]:
    if names_of.fold(column) in _ONE_SIDED:
        tally.guess("in_turn")
    return [
        said("user", content_text(text, f"{column}[{index}]"))
        if index % 2 == 0
        else answered(text, f"{column}[{index}]", tally)
        for index, text in enumerate(texts)
    ]


@lru_cache(maxsize=256)
def _flag_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The names under which a turn may say that it is not to be learned."""
    known = {*names_of.VERDICTS, *names_of.REFUSALS}
    return tuple(key for key in keys if names_of.fold(key) in known)


@lru_cache(maxsize=256)
def _speaker_keys(keys: tuple[str, ...]) -> tuple[str | None, str | None]:
    """The names under which a turn says who speaks, and what."""
    names = names_of.folded(keys)
    role = names_of.first(names, names_of.SPEAKERS)
    return role, names_of.first({name: key for name, key in names.items() if key != role}, names_of.TEXTS)


@lru_cache(maxsize=256)
def _round_layout(keys: tuple[str, ...]) -> Layout | None:
    """Fields of question and answer in a turn that is a whole round."""
    found = recognize(keys)
    return found if found and found.questions and found.answer else None


def _turn(turn: object, place: str, tally: NoticeTally) -> list[dict]:
    if isinstance(turn, list | tuple) and len(turn) == 2 and all(isinstance(one, str) for one in turn):
        return [said("user", content_text(turn[0], f"{place}[0]")), answered(turn[1], f"{place}[1]", tally)]
    if isinstance(turn, list | tuple) and len(turn) == 2:
        content_text(turn[0], f"{place}[0]")
        content_text(turn[1], f"{place}[1]")
    if not isinstance(turn, dict):
        raise RowError("data.row.turn", place)
    if len(turn) == 1 and (role := role_of(name := next(iter(turn)))) in ("user", "assistant", "system"):
        turn = {"role": role, "content": turn[name]}  # {"user": "…"}, {"bot": "…"}
    keys = tuple(turn)
    role_key, text_key = _speaker_keys(keys)
    speaker = turn.get(role_key or "role")
    if (called := _calling_turn(turn, speaker, text_key, place, tally)) is not None:
        return called
    if (layout := _round_layout(keys)) and text_key is None:
        return _round(turn, layout, place, tally)
    return [_message(turn, role_key or "role", text_key, place, tally)]


def _round(turn: dict, layout: Layout, place: str, tally: NoticeTally) -> list[dict]:
    """A question and its answer in one object, with a system message where there is one."""
    question = "\n".join(text for column in layout.questions if (text := joined(turn.get(column), f"{place}.{column}")))
    answer, field = turn.get(layout.answer), f"{place}.{layout.answer}"
    if role_of(turn.get("role")) == "system" and is_blank(answer):
        return [said("system", content_text(question, place))]
    messages = [said("system", system)] if (system := joined(turn.get(layout.system), place)) else []
    messages.append(said("user", content_text(question, f"{place}.{layout.questions[-1]}")))
    thought = joined(turn.get(layout.reasoning), field) if layout.reasoning else ""
    return [*messages, answered(answer, field, tally, turn, thought)]


def _calling_turn(
    turn: dict, speaker: object, text_key: str | None, place: str, tally: NoticeTally
) -> list[dict] | None:
    """The messages of a turn that calls a function or gives its result; None for any other."""
    name = speaker.strip().lower() if isinstance(speaker, str) else ""
    if name in CALLING:
        calls = call_list(turn.get(text_key or "value"), f"{place}.{text_key or 'value'}")
        if not calls:
            raise RowError("data.row.call", place)
        return [{**said("assistant", "", turn), "tool_calls": calls}]
    if role_of(speaker) == "tool" and "parameters" in turn and "observation" in turn:  # ChatGLM3's own form
        call = call_list({"name": turn.get("name"), "arguments": turn["parameters"]}, place)
        result = {"role": "tool", "content": result_text(turn["observation"])}
        return [{**said("assistant", "", turn), "tool_calls": call}, result]
    if role_of(speaker) == "tool":
        return [{"role": "tool", "content": result_text(turn.get(text_key or "content"))}]
    key = names_of.first(names_of.folded(turn), names_of.CALLS)
    if role_of(speaker) == "assistant" and key and not is_blank(turn[key]) and turn[key] not in ([], {}):
        text = turn.get(text_key or "content")
        spoken = "" if is_blank(text) or text == [] else content_text(text, f"{place}.{text_key}")
        reasoning = names_of.first(names_of.folded(turn), names_of.REASONING)
        thought = joined(turn[reasoning], f"{place}.{reasoning}") if reasoning else ""
        message = {**said("assistant", spoken, turn), "tool_calls": call_list(turn[key], f"{place}.{key}")}
        return [tally.take_reasoning(message, thought)]
    if role_of(speaker) == "system" and turn.get("tools"):
        text = turn.get(text_key or "content")
        spoken = "" if is_blank(text) else content_text(text, f"{place}.{text_key}")
        return [said("system", spoken)]
    return None


def _message(turn: dict, role_key: str, text_key: str | None, place: str, tally: NoticeTally) -> dict:
    text_key = text_key or ("value" if role_key == "from" else "content")
    for key in (role_key, text_key):
        if key not in turn:
            raise RowError("data.row.missing", f"{place}.{key}")
    role = role_of(turn[role_key])
    if role is None:
        raise RowError("data.row.role", f"{place}.{role_key}", found=str(turn[role_key])[:40])
    field = f"{place}.{text_key}"
    if role != "assistant":
        return said(role, content_text(turn[text_key], field))
    reasoning = names_of.first(names_of.folded(turn), names_of.REASONING)
    thought = joined(turn[reasoning], f"{place}.{reasoning}") if reasoning else ""
    return answered(turn[text_key], field, tally, turn, thought)
