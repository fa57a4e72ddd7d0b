"""Answers that are never right, whatever was asked: empty, looping, broken off, the question again, another language.

Each check takes the raw answer and returns a reason or None.
"""

import re

from glm_core.evaluation.judge import text
from glm_core.evaluation.judge.reasons import Reason

_LOOP = re.compile(r"(.{2,60}?)\1{3,}|([^\W\d_])\2{9,}", re.DOTALL)
_WORD_LOOP = re.compile(rf"([{text.CJK}]{{2,8}})\1{{2,}}")
_DOUBLED = re.compile(rf"([{text.CJK}]{{2,8}})[,、]?\1")
_OPEN_END = re.compile(
    r"[,、:(\[{]$|(?:由|和|与|把|被|向|给|及|以及|并且|而且|但是|因为|所以|如果|名字叫|名叫|叫做|我叫|我是|名字是|作者是|开发者是|正在|一个|一种)$|"
    r"\b(?:the|a|an|of|to|and|or|by|with|is|my|i am|named|called)$"
)
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_ECHO = 0.8
_ASKING = frozenset("是什么呢吗呀啊的了哪谁吧这个问题请")
_TRANSLATES = re.compile(
    r"翻译|译成|译为|英文|英语|中文|汉语|日语|法语|英译|中译|怎么说|translat|in english|in chinese|[\u3040-\u30ff]"
)


def find(answer: str, question: str, reference: str, known: str = "") -> Reason | None:
    """Return the first defect of `answer`, None for none.

    Args:
        known: other texts that a right answer may quote (accepted words, names), which say nothing about its language.
    """
    folded = text.fold(answer)
    return (
        _empty(folded)
        or _looping(folded, reference)
        or _echo(folded, question, reference, known)
        or _other_language(folded, question, reference, known)
        or _cut(folded, reference)
    )


def _empty(answer: str) -> Reason | None:
    return None if any(one.isalnum() for one in answer) else Reason("empty")


def _looping(answer: str, reference: str) -> Reason | None:
    """Repeats a stretch four times, a word three times, a clause three times, or stammers word after word."""
    if loops(text.fold(reference)) or not loops(answer):
        return None
    return Reason("looping")


def loops(answer: str) -> bool:
    """True for folded text that repeats itself over and over."""
    plain = "".join(answer.split())
    found = _LOOP.search(plain)
    if found and any(one.isalpha() for one in found[0]):
        return True
    parts = [one.text for one in text.clauses(answer) if len(one.text) > 1]
    repeated = max((parts.count(one) for one in set(parts)), default=0)
    return bool(_WORD_LOOP.search(plain)) or repeated >= 3 or len(_DOUBLED.findall(plain)) >= 3


def _echo(answer: str, question: str, reference: str, known: str) -> Reason | None:
    """The question given back, word for word or nearly."""
    asked, said = text.skeleton(question), text.skeleton(answer)
    if not asked or said == text.skeleton(reference) or (known and said in map(text.skeleton, known.split("\n"))):
        return None
    if said == asked:
        return Reason("echo")
    parts = text.clauses(answer)
    asks = any(one.asks for one in parts) and "?" not in text.fold(reference)
    near = text.likeness(answer, question) >= _ECHO
    longer = len(said) >= 6 and near and (asks or asked in said and not set(said.replace(asked, "")) - _ASKING)
    return Reason("echo") if longer else None


def _other_language(answer: str, question: str, reference: str, known: str) -> Reason | None:
    wanted = text.fold(reference)
    for word in sorted(filter(None, map(text.fold, known.split("\n"))), key=len, reverse=True):
        answer, wanted = answer.replace(word, " "), wanted.replace(word, " ")
    wanted = text.language(wanted)
    if not wanted and not _TRANSLATES.search(text.fold(question)) and not text.skeleton(reference):
        wanted = text.language(text.fold(question))
    said = text.language(answer)
    if wanted and said and wanted != said:
        return Reason("other_language", {"wanted": wanted, "said": said})
    return None


def _cut(answer: str, reference: str) -> Reason | None:
    """Ends where no sentence ends, or stops within a clause of the reference that it follows word for word."""
    wanted = text.fold(reference)
    if wanted and _OPEN_END.search(wanted):
        return None
    if _OPEN_END.search(answer) or _left_open(answer) and not _left_open(wanted):
        return Reason("cut")
    said = answer.rstrip(" .。!?")
    if len(said) >= 4 and said == answer.rstrip(" ") and wanted.startswith(said):
        rest = wanted[len(said) :]
        inside = rest[:1].isalnum() and len(text.skeleton(rest)) >= 2
        return Reason("cut") if inside else None
    return None


def _left_open(answer: str) -> bool:
    """True where a bracket is opened and not closed."""
    depth = {one: 0 for one in _BRACKETS.values()}
    for character in answer:
        if character in depth:
            depth[character] += 1
        elif character in _BRACKETS:
            depth[_BRACKETS[character]] -= 1
    return any(count > 0 for count in depth.values())
