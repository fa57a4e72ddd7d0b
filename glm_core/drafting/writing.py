"""The words that a model is asked with, and its answer read back as pairs, with what looks wrong about each."""

import json
import re
from collections.abc import Collection, Sequence

from glm_core import i18n
from glm_core.data.similar import normalize
from glm_core.drafting.drafts import Item

LEAST_SUPPORT = 0.35
"Share of an answer's character pairs that should stand in the passage."
MOST_WRITTEN = 30  # pairs of one item that are kept
LONGEST_SAID = 60_000  # characters of one answer that are looked at
_HOLES = re.compile(r"\{(passage|question|answer|count|heading)\}")
_THOUGHT = re.compile(r"<think>.*?(</think>|$)", re.DOTALL | re.IGNORECASE)
_MARK = re.compile(
    r"^[ \t>#*\-\d.、)）]{0,20}(?:(?P<ask>问题?|提问|Q|Question)|(?P<say>答案?|回答|A|Answer))"
    r"[ \t]{0,3}\d{0,3}[ \t*]{0,4}[:：][ \t*]{0,4}",
    re.MULTILINE | re.IGNORECASE,
)
_ASKED, _SAID = (
    ("question", "q", "问题", "问", "instruction", "prompt"),
    ("answer", "a", "答案", "答", "回答", "output", "response"),
)
_LETTERS = re.compile(r"[^\W\d_]+")
_BULLET = re.compile(r"^\s*(?:[-*•·]|[(（]?\d{1,3}[)）.、:：])\s*")
_WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]")


def usual_instruction(kind: str, sample: str) -> str:
    """The instruction that the form begins with, in the language of the text to write from."""
    chinese = 10 * len(_WIDE.findall(sample)) >= len(sample)
    return i18n.table("zh" if chinese else "en")[f"drafting.instruction.{kind}"]


def prompt(instruction: str, item: Item, count: int) -> str:
    """The message that asks for `count` pairs; a passage or question that the instruction leaves out goes below it."""
    values = {
        "passage": item.text,
        "question": item.text,
        "answer": item.answer,
        "count": str(count),
        "heading": item.heading,
    }
    asked = _HOLES.sub(lambda hole: values[hole[1]], instruction)
    holes = set(_HOLES.findall(instruction))
    return asked if holes & {"passage", "question"} else f"{asked}\n\n{item.text}"


def read_pairs(said: str) -> list[tuple[str, str]]:
    """The questions and answers in what a model said: JSON in any of its usual forms, else lines with 问/答 or Q/A marks."""
    said = _THOUGHT.sub("", said[:LONGEST_SAID])
    found = _from_json(said) or _from_marks(said)
    known: dict[str, tuple[str, str]] = {}
    for question, answer in found:
        if question and answer and question != answer:
            known.setdefault(normalize(question) or question, (question, answer))
    return list(known.values())[:MOST_WRITTEN]


def read_rewordings(said: str, item: Item) -> list[tuple[str, str]]:
    """The other wordings in what a model said, each with the row's own answer."""
    said = _THOUGHT.sub("", said[:LONGEST_SAID])
    listed = [one for one in _json_values(said) if isinstance(one, str)]
    lines = listed or [_BULLET.sub("", line) for line in said.split("\n")]
    known = {normalize(item.text)}
    found = []
    for line in lines:
        text = _MARK.sub("", line).strip().strip("\"'“”「」*").strip()
        if not 1 < len(text) <= 4 * len(item.text) + 40 or text.endswith((":", "：")) or normalize(text) in known:
            continue
        known.add(normalize(text))
        found.append((text, item.answer))
    return found[:MOST_WRITTEN]


def doubt_of(kind: str, question: str, answer: str, item: Item, others: Collection[str] = ()) -> str:
    """The text key of what looks wrong with a pair; empty where nothing does.

    Args:
        others: normalized questions that were written before.
    """
    if kind == "rewordings":
        if share_found(question, item.text) == 0.0 and len(question) > 3:
            return "drafting.doubt.other_question"
        lost = set(_numbers(item.text)) - set(_numbers(question))
        return "drafting.doubt.numbers" if lost else ""
    if share_supported(answer, item.text) < LEAST_SUPPORT:
        return "drafting.doubt.unsupported"
    if normalize(question) in others:
        return "drafting.doubt.repeated"
    if set(_numbers(answer)) - set(_numbers(item.text)):
        return "drafting.doubt.numbers"
    return ""


def is_usable(kind: str, doubts: Sequence[str]) -> bool:
    """Return whether an item's pairs show that the model understood: at least one, and half of them without a serious doubt."""
    serious = {"drafting.doubt.unsupported", "drafting.doubt.other_question"}
    return bool(doubts) and 2 * sum(one in serious for one in doubts) <= len(doubts)


def share_supported(answer: str, passage: str) -> float:
    """Share of what `answer` says that stands in `passage`: by its words where it is written in letters, else as `share_found`.

    Nearly all pairs of letters stand in any passage of the same language; words do not.
    """
    words = _stems(answer)
    if not words or _WIDE.search(answer):
        return share_found(answer, passage)
    return len(words & _stems(passage)) / len(words)


def _stems(text: str) -> set[str]:
    """The beginnings of the longer words of `text`, so that other endings are the same word."""
    return {word[:5] for word in _LETTERS.findall(text.lower()) if len(word) > 3}


def share_found(text: str, passage: str) -> float:
    """Share of the character pairs of `text` that stand in `passage`, spaces and punctuation aside."""
    text, passage = normalize(text), normalize(passage)
    pieces = {text[at : at + 2] for at in range(len(text) - 1)} or {text}
    return sum(piece in passage for piece in pieces) / len(pieces)


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:[.,]\d+)*", text)


def _from_json(said: str) -> list[tuple[str, str]]:
    found = []
    for value in _json_values(said):
        if isinstance(value, dict):
            names = {str(name).strip().lower(): one for name, one in value.items()}
            question = next((names[name] for name in _ASKED if isinstance(names.get(name), str)), "")
            answer = next((names[name] for name in _SAID if isinstance(names.get(name), str | int | float)), "")
            found.append((question.strip(), str(answer).strip()))
        elif isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value):
            found.append((value[0].strip(), value[1].strip()))
    return found


def _json_values(said: str) -> list:
    """The elements of the JSON in a text, however it is wrapped; objects in sequence where a list was cut off."""
    decoder = json.JSONDecoder(strict=False)
    start = min((at for mark in "[{" if (at := said.find(mark)) >= 0), default=-1)
    if start < 0:
        return []
    try:
        value, _ = decoder.raw_decode(said, start)
    except (ValueError, RecursionError):
        return _objects(said, decoder)
    if isinstance(value, dict):
        inner = [one for one in value.values() if isinstance(one, list)]
        rest = [] if inner else _objects(said, decoder)
        return inner[0] if inner else rest
    return value if isinstance(value, list) else []


def _objects(said: str, decoder: json.JSONDecoder) -> list:
    found, at = [], said.find("{")
    while at >= 0 and len(found) < MOST_WRITTEN:
        try:
            value, end = decoder.raw_decode(said, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found.append(value)
        at = said.find("{", end)
    return found


def _from_marks(said: str) -> list[tuple[str, str]]:
    marks = list(_MARK.finditer(said))
    ends = [*(mark.start() for mark in marks), len(said)][1:]
    found, question = [], ""
    for mark, end in zip(marks, ends, strict=True):
        words = said[mark.end() : end].strip().strip("*").strip()
        words = re.sub(r"\n\s*(?:\d{1,3}[.、)）]|-{3,}|#+)\s*$", "", words).strip()
        if mark["ask"]:
            question = words
        elif question:
            found.append((question, words))
            question = ""
    return found
