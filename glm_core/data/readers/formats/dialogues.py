"""Text with marks of who speaks becomes rows: questions and answers (问：… 答：…), or conversations (客户：… 客服：…).

Marks of questions and answers make a row of every pair, marks of speakers one conversation of every run without a blank
line; where blank lines divide, what stands between two of them is one row. Where the other reading is as plausible the
tally says so, and `reading` asks for it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from glm_core.data.examples import RowError
from glm_core.data.readers.chats import ROLES
from glm_core.data.readers.notices import NoticeTally

_ASKED = "问 问题 提问 问句 题目 题 咨询 q question query ask 问者 提问者".split()
_ANSWERED = "答 回答 答案 回复 答复 解答 a answer reply response 答者 回答者".split()
_OTHERS = {"我": "user", "bot": "assistant", "系统": "system", "system": "system"}
_KNOWN = {**ROLES, **dict.fromkeys(_ASKED, "user"), **dict.fromkeys(_ANSWERED, "assistant"), **_OTHERS}
_FAQ = {*_ASKED, *_ANSWERED}
_PREFIX = r"[ \t\u3000]*(?:[-*+>•]\s+|#{1,6}\s*)?(?:[(（]?\d{1,4}[)）]?\s*[.、．:：)）]?\s*)?(?:\*\*|__)?"
_NUMBER = r"\s*[\d一二三四五六七八九十]{0,4}"
_WORD = "|".join(sorted(map(re.escape, _KNOWN), key=len, reverse=True))
_TIME = r"(?:\s*[(（\[]?\d{1,4}[\d:/.\-年月日 ]*[)）\]]?)?"
_BRACKETED = re.compile(
    rf"{_PREFIX}[【\[<〔「(（]\s*({_WORD}){_NUMBER}\s*[】\]>〕」)）](?:\*\*|__)?\s*[:：]?[ \t]*", re.IGNORECASE
)
_COLON = re.compile(
    rf"{_PREFIX}({_WORD})({_NUMBER})(?:[(（][^)）\n]{{1,12}}[)）])?{_TIME}\s*(?:\*\*|__)?\s*[:：](?!\d\d\s*[:：])(?:\*\*|__)?[ \t]*",
    re.IGNORECASE,
)
_INLINE = re.compile(r"[\s。？！?!；;](?:答|回答|答案|A|Answer)\s*[:：]\s*")
_NAME = re.compile(
    r"[ \t\u3000]*(?:\[?\d{1,4}[\d:/\-年月日., ]{3,20}(?:[AaPp]\.?[Mm]\.?)?[\] \-]{0,4}\s+)?"
    r"([^\s:：,，。？！?!\"“](?:[^:：,，。？！?!\"“\n]{0,18}[^\s:：,，。？！?!\"“])?)\s*[:：]\s*(?=\S)"
)
_STAMP = re.compile(
    r"\s*(?:\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}日?\s+)?\d{1,2}:\d{2}(?::\d{2})?\s+(\S.{0,20})$|^(\S.{0,20}?)\s+(?:\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}日?\s+|昨天\s*|今天\s*)?\d{1,2}:\d{2}(?::\d{2})?(?:\s*[AaPp][Mm])?\s*$"
)
_SAID = re.compile(r"\s*(?:#{1,6}\s*)?(\S.{0,20}?)\s?(?:said|says|说)\s*[:：]\s*$", re.IGNORECASE)


@dataclass
class _Turn:
    line: int
    role: str
    text: str
    faq: bool
    bracket: bool = False
    after_blank: bool = False
    rest: list[str] = field(default_factory=list)

    @property
    def content(self) -> str:
        return "\n".join([self.text, *self.rest]).strip()


def is_dialogue(text: str) -> bool:
    """Return whether `text` begins with a mark of a question or a speaker that is known."""
    return _mark(text.lstrip().split("\n", 1)[0]) is not None


def dialogue_rows(text: str, tally: NoticeTally, reading: str = "") -> Iterator[tuple[int, dict | RowError]]:
    """The rows of text whose speakers have known marks.

    Args:
        reading: "pairs" makes every question and answer a row, "conversations" every run without a blank line.
    """
    turns = _turns(text.split("\n"), _mark)
    yield from _rows(turns, tally, reading)


def speaker_rows(text: str, tally: NoticeTally, reading: str = "") -> Iterator[tuple[int, dict | RowError]] | None:
    """The rows of a chat export or paste: lines that two names begin in turn, or a line of time and name, or of
    "name said:", over each message."""
    lines = text.split("\n")
    for find in (_stamped, _saying, _named):
        names = Counter(found for line in lines[:2_000] if (found := find(line)))
        once = find is not _named and len(names) == 2  # one exchange
        likely = [name for name, count in names.most_common(3) if count > 1 or once]
        marked, filled = sum(names[name] for name in likely), sum(1 for line in lines[:2_000] if line.strip())
        enough = filled / 2 if find is _named else min(filled / 3, 2) if once else filled / 8
        if len(likely) == 2 and marked >= max(4 if find is _named else 2, enough):
            return _rows(_exported(lines, find, likely), tally, reading)
    return None


def _stamped(line: str) -> str | None:
    found = _STAMP.match(line.rstrip())
    return (found[1] or found[2]).strip().rstrip(":：") if found else None


def _saying(line: str) -> str | None:
    found = _SAID.match(line)
    return found[1] if found else None


def _named(line: str) -> str | None:
    found = _NAME.match(line)
    return found[1] if found else None


def _exported(lines: list[str], find, names: list[str]) -> list[_Turn]:
    first = next(name for line in lines if (name := find(line)) in names)
    known = {name: _KNOWN.get(name.lower()) for name in names}
    if set(known.values()) != {"user", "assistant"}:
        known = {name: "user" if name == first else "assistant" for name in names}

    def mark(line: str):
        name = find(line)
        if name not in known:
            return None
        text = "" if find is not _named else line[_NAME.match(line).end() :]
        return known[name], text, False, False

    return _turns(lines, mark)


def _mark(line: str) -> tuple[str, str, bool, bool] | None:
    """Role, text behind the mark, whether it is one of questions and answers, and whether it stands in brackets."""
    found = _BRACKETED.match(line)
    bracket = found is not None
    found = found or _COLON.match(line)
    if not found:
        return None
    word = found[1].lower()
    return _KNOWN[word], line[found.end() :], word in _FAQ, bracket


def _turns(lines: list[str], mark) -> list[_Turn]:
    turns: list[_Turn] = []
    blank = False
    for number, line in enumerate(lines, 1):
        if found := mark(line):
            turns += _begin(number, found, blank)
        elif turns and not (found is None and not turns):
            turns[-1].rest.append(line)
        blank = not line.strip()
    return turns


def _begin(number: int, found: tuple[str, str, bool, bool], blank: bool) -> list[_Turn]:
    """The turn that a marked line begins; two where the answer stands on the same line."""
    role, text, faq, bracket = found
    if faq and role == "user" and (inner := _INLINE.search(text)):
        asked = text[: inner.start() + 1].strip()
        return [
            _Turn(number, role, asked, faq, bracket, blank),
            _Turn(number, "assistant", text[inner.end() :], faq, bracket),
        ]
    return [_Turn(number, role, text, faq, bracket, blank)]


def _rows(turns: list[_Turn], tally: NoticeTally, reading: str) -> Iterator[tuple[int, dict | RowError]]:
    turns = _merged(turns)
    blocks = _blocks(turns)
    rounds = sum(turn.role == "assistant" for turn in turns)
    faq = bool(turns) and 2 * sum(turn.faq for turn in turns) > len(turns)
    pairs = reading == "pairs" or (not reading and faq and len(blocks) == 1)
    clear = rounds == len(blocks) or (faq and all(turn.bracket for turn in turns))
    if rounds > 1 and not clear:
        tally.guess("pairs" if pairs else "conversations", "conversations" if pairs else "pairs")
    for block in blocks:
        for part in _pairs(block) if pairs else [block]:
            yield part[0].line, _conversation(part)


def _merged(turns: list[_Turn]) -> list[_Turn]:
    """`turns` with what one speaker said in several messages as one."""
    merged: list[_Turn] = []
    for turn in turns:
        if merged and turn.role == merged[-1].role and not turn.faq and not turn.after_blank:
            merged[-1].rest += [turn.text, *turn.rest]
        else:
            merged.append(turn)
    return merged


def _blocks(turns: list[_Turn]) -> list[list[_Turn]]:
    """Runs of turns: a blank line before a user's mark, behind an answer, begins the next."""
    blocks: list[list[_Turn]] = []
    for turn in turns:
        ended = blocks and blocks[-1][-1].role == "assistant"
        if not blocks or (turn.after_blank and ended and turn.role in ("user", "system")):
            blocks.append([])
        blocks[-1].append(turn)
    return blocks


def _pairs(block: list[_Turn]) -> list[list[_Turn]]:
    parts: list[list[_Turn]] = []
    for turn in block:
        if not parts or (turn.role in ("user", "system") and parts[-1][-1].role == "assistant"):
            parts.append([])
        parts[-1].append(turn)
    return parts


def _conversation(turns: list[_Turn]) -> dict:
    return {"messages": [{"role": turn.role, "content": turn.content} for turn in turns]}
