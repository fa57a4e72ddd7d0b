"""Text with marks of who speaks becomes rows: questions and answers (问：… 答：…), or conversations (客户：… 客服：…).

Marks of questions and answers make a row of every pair, marks of speakers one conversation of every run without a blank
line; where blank lines divide, what stands between two of them is one row. Where the other reading is as plausible the
tally says so, and `reading` asks for it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from glm_core.data.examples import RowError
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.others import TEXT, heard, is_somebody, label_of, note_roles, role_with_name
from glm_core.data.readers.roles import ROLES, cast, role_like
from glm_core.data.readers.transcripts import transcript

_ASKED = (
    "问 问题 提问 问句 题目 题 咨询 q question query ask 问者 提问者 問 問題 質問 ｑ pregunta frage pergunta domanda вопрос 질문"
).split()
_ANSWERED = (
    "答 回答 答案 回复 答复 解答 a answer reply response 答者 回答者 答覆 回覆 ａ respuesta antwort réponse reponse resposta"
    " risposta ответ 답변"
).split()
_OTHERS = {"我": "user", "bot": "assistant", "系统": "system", "system": "system"}
_KNOWN = {**ROLES, **dict.fromkeys(_ASKED, "user"), **dict.fromkeys(_ANSWERED, "assistant"), **_OTHERS}
_FAQ = {*_ASKED, *_ANSWERED}
_HEAD, _TITLES, _CROWD = 400, 3, 20  # lines looked at, lines of titles above a dialogue, speakers of a group
_TITLE = re.compile(
    r"#{1,6}\s.{1,40}|第[\d一二三四五六七八九十]{1,3}[章节部分篇].{0,20}|【[^】]{1,20}】|={2,}.{1,40}={2,}"
)
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
_INLINE = re.compile(r"(?<=[\s。？！?!；;])(?:(答|回答|答案|A|Answer)|(?:问|问题|Q|Question))\d{0,3}\s*[:：]\s*")
_NAME = re.compile(
    r"[ \t\u3000]*(?:\[?\d{1,4}[\d:/\-年月日., ]{3,20}(?:[AaPp]\.?[Mm]\.?)?[\] \-]{0,4}\s+)?"
    r"([^\s:：,，。？！?!\"“](?:[^:：,，。？！?!\"“\n]{0,18}[^\s:：,，。？！?!\"“])?)\s*[:：]\s*(?=\S)"
)
_STAMP = re.compile(
    r"\s*(?:\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}日?\s+)?\d{1,2}:\d{2}(?::\d{2})?\s+(\S.{0,20})$|^(\S.{0,20}?)\s+(?:[—–]\s+)?(?:\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}日?\s+|\d{1,2}/\d{1,2}/\d{2,4},?\s+|昨天\s*|今天\s*|(?:today|yesterday) at\s+)?\d{1,2}:\d{2}(?::\d{2})?(?:\s*[AaPp][Mm])?\s*$",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*(?:-{3,}|={3,}|\*{3,}|_{3,}|#{3,}|~{3,}|—{2,}|·{3,})\s*")
_ENDED, _LONGEST = re.compile(r"[。！？!?.；;，,]\s*$"), 30  # no heading ends so or is longer
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
    name: str = ""
    again: bool = False

    @property
    def message(self) -> dict:
        return {"role": self.role, "content": self.content} | ({"again": True} if self.again else {})

    @property
    def content(self) -> str:
        text = "\n".join([self.text, *self.rest]).strip()
        return f"{self.name}：{text}" if self.name else text


def is_dialogue(text: str) -> bool:
    """Return whether `text` begins, below a title at most, with a mark of a question or a speaker that is known."""
    lines = [line for line in text.lstrip().split("\n", _HEAD)[:_HEAD] if line.strip()]
    if not lines or (_mark(lines[0]) is not None and not _are_letters(lines)):
        return bool(lines)
    marks = [(place, found[0]) for place, line in enumerate(lines) if (found := _mark(line))]
    both = {role for _place, role in marks} >= {"user", "assistant"}
    return both and marks[0][0] <= _TITLES and 3 * len(marks) >= len(lines)


def _are_letters(lines: list[str]) -> bool:
    """Return whether the people are called A, B and so on, where A is no mark of answers."""
    letters = {found[1].upper() for line in lines if (found := re.match(r"\s*([A-Za-z])\s*[:：]", line))}
    return "A" in letters and bool(letters - {"A", "Q"}) and "Q" not in letters


def dialogue_rows(text: str, tally: NoticeTally, reading: str = "") -> Iterator[tuple[int, dict | RowError]]:
    """The rows of text whose speakers have known marks.

    Args:
        reading: "pairs" makes every question and answer a row, "conversations" every run without a blank line.
    """
    lines = text.split("\n")
    yield from _with_others(list(_rows(_turns(lines, _marker(lines, tally), tally), tally, reading)), tally)


def written_down(text: str, tally: NoticeTally) -> list[dict]:
    """The messages of one conversation that stands in one text, in the marks of a model or of known speakers; else empty."""
    messages = transcript(text) or _spoken(text, tally)
    return heard([messages], tally)[0] if messages else []


def _spoken(text: str, tally: NoticeTally) -> list[dict]:
    if "\n" not in text.strip() or not is_dialogue(text):
        return []
    lines, own = text.split("\n"), NoticeTally(roles=tally.roles)
    turns = _trimmed(_merged(_turns(lines, _marker(lines, own), own)), own)
    if [turn.role for turn in turns][-1:] != ["assistant"] or all(turn.role != "user" for turn in turns):
        return []
    tally.take(own)
    return [turn.message for turn in turns]


def _with_others(rows: list[tuple[int, dict | RowError]], tally: NoticeTally) -> Iterator[tuple[int, dict | RowError]]:
    """`rows` of conversations, with others who speak in them as messages of their own."""
    spoken = heard([row["messages"] for _line, row in rows if isinstance(row, dict)], tally)
    apart = iter(spoken)
    for line, row in rows:
        yield line, {**row, "messages": next(apart)} if isinstance(row, dict) else row


def _marker(lines: list[str], tally: NoticeTally) -> Callable[[str], tuple | None]:
    """The function that finds the mark of a line: a known one, or a name with the word of a role, such as 客服小王."""
    names = {name for line in lines if (name := label_of(line)[0])}
    roles = {name: role for name in names if name not in tally.roles and (role := role_with_name(name))}
    if not roles:
        return _mark

    def mark(line: str) -> tuple | None:
        if found := _mark(line):
            return found
        name, said = label_of(line)
        if name not in roles:
            return None
        note_roles([name], tally)
        return roles[name], said, False, False, ""

    return mark


def speaker_rows(
    text: str, tally: NoticeTally, reading: str = "", assistant: str = ""
) -> Iterator[tuple[int, dict | RowError]] | None:
    """The rows of a chat export or paste: lines that names begin in turn, or a line of time and name, or of
    "name said:", over each message.

    Args:
        assistant: the name of the one who answers; needed where more than two speak and none has the name of a role.
    """
    lines = text.split("\n")
    for find in (_stamped, _saying, _named):
        names = Counter(found for line in lines[:2_000] if (found := find(line)))
        filled = sum(1 for line in lines[:2_000] if line.strip())
        if likely := _two(names, find, filled) or _group(names, find, filled):
            return _exported(lines, find, likely, tally, reading, assistant)
    return None


def _two(names: Counter, find, filled: int) -> list[str]:
    """The names of the two who talk; empty where the lines do not look so."""
    once = find is not _named and len(names) == 2  # one exchange
    likely = [name for name, count in names.most_common(3) if count > 1 or once]
    marked = sum(names[name] for name in likely)
    enough = filled / 2 if find is _named else min(filled / 3, 2) if once else filled / 8
    others = sum(names.values()) - marked
    return (
        likely
        if len(likely) == 2
        and marked >= max(4 if find is _named else 2, enough, (3 if find is _named else 20) * others)
        else []
    )


def _group(names: Counter, find, filled: int) -> list[str]:
    """The names of three or more who talk; empty where the lines do not look so."""
    marked = names.total()
    some_again = max(names.values(), default=0) > 1
    enough = 0.8 * filled if find is _named else max(4, filled / 8)
    steady = marked >= 2 * len(names) or all(map(is_somebody, names)) if find is _named else some_again
    return list(names) if 2 < len(names) <= _CROWD and marked >= enough and steady else []


def _stamped(line: str) -> str | None:
    found = _STAMP.match(line.rstrip())
    return (found[1] or found[2]).strip().rstrip(":：") if found else None


def _saying(line: str) -> str | None:
    found = _SAID.match(line)
    return found[1] if found else None


def _named(line: str) -> str | None:
    found = _NAME.match(line)
    return found[1] if found else None


def _exported(
    lines: list[str], find, names: list[str], tally: NoticeTally, reading: str, assistant: str
) -> Iterator[tuple[int, dict | RowError]]:
    spoken = list(dict.fromkeys(name for line in lines if (name := find(line)) in names))
    chosen = {name: role for name, role in tally.roles.items() if role != TEXT}
    known = cast(spoken, tally, assistant)
    if not known:
        yield 1, RowError("data.row.group", names=", ".join(spoken))
        return
    known |= chosen
    several = list(known.values()).count("user") > 1

    def mark(line: str):
        name = find(line)
        if name not in known:
            if name and find is not _named and name not in tally.roles:
                tally.add("speakers_unclear", 1, name)
            return None
        text = "" if find is not _named else line[_NAME.match(line).end() :]
        return known[name], text, False, False, name if several and known[name] == "user" != role_like(name) else ""

    yield from _with_others(list(_rows(_turns(lines, mark, tally), tally, reading)), tally)


def _mark(line: str) -> tuple[str, str, bool, bool, str] | None:
    """Role, text behind the mark, whether it is one of questions and answers, whether it stands in brackets, and no name."""
    found = _BRACKETED.match(line)
    bracket = found is not None
    found = found or _COLON.match(line)
    if not found:
        return None
    word = found[1].lower()
    text = line[found.end() :]
    if found[0].rstrip().endswith(("**", "__")) or text.count("**") == 1:  # bold up to the colon, or to the line's end
        text = text.rstrip().removesuffix("**").removesuffix("__")
    return _KNOWN[word], text, word in _FAQ, bracket, ""


def _are_divided(lines: list[str], mark) -> bool:
    """Return whether lines such as --- or ===== divide conversations: a question follows each, a heading at most between."""
    places = [place for place, line in enumerate(lines) if _RULE.fullmatch(line)]
    for place in places:
        below = [line for line in lines[place + 1 : place + 8] if line.strip()][:2]
        if len(below) == 2 and not mark(below[0]) and len(below[0]) <= _LONGEST and not _ENDED.search(below[0]):
            below = below[1:]  # a heading
        if below and ((found := mark(below[0])) is None or found[0] == "assistant"):
            return False
    return bool(places)


def _turns(lines: list[str], mark, tally: NoticeTally) -> list[_Turn]:
    turns: list[_Turn] = []
    blank = ended = False
    divided = _are_divided(lines, mark)
    for number, line in enumerate(lines, 1):
        if divided and _RULE.fullmatch(line):
            blank = ended = True
            continue
        if ended and line.strip() and not mark(line):
            tally.add("lines_unused", 1)
            continue
        ended = ended and not line.strip()
        blank = blank or ended
        if found := mark(line):
            _drop_heading(turns, found, tally)
            turns += _begin(number, found, blank)
        elif turns:
            turns[-1].rest.append(line)
        elif line.strip():
            tally.add("lines_unused", 1)
        blank = not line.strip()
    return turns


def _drop_heading(turns: list[_Turn], found: tuple, tally: NoticeTally) -> None:
    """Take the title of a section, which stands over the next question, from the answer before it."""
    if not turns or found[0] != "user" or turns[-1].role != "assistant":
        return
    rest = turns[-1].rest
    while rest and not rest[-1].strip():
        rest.pop()
    if rest and _TITLE.fullmatch(rest[-1].strip()):
        rest.pop()
        tally.add("lines_unused", 1)


def _begin(number: int, found: tuple[str, str, bool, bool, str], blank: bool) -> list[_Turn]:
    """The turn that a marked line begins, and those whose marks follow in turn on the same line: Q: … A: … Q: … A: …"""
    role, text, faq, bracket, name = found
    if not faq or role != "user":
        return [_Turn(number, role, text, faq, bracket, blank, name=name)]
    turns, start = [_Turn(number, role, text, faq, bracket, blank, name=name)], 0
    for mark in _INLINE.finditer(text):
        is_next = (mark[1] is not None) == (turns[-1].role == "user")
        if is_next:
            turns[-1].text = text[start : mark.start()].strip()
            start = mark.end()
            turns.append(_Turn(number, "assistant" if mark[1] else "user", text[start:], faq, bracket))
    return turns


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
        for part in _pairs(block) if pairs else [block if faq else _trimmed(block, tally)]:
            yield part[0].line, _conversation(part)


def _trimmed(block: list[_Turn], tally: NoticeTally) -> list[_Turn]:
    """A conversation from its first question to its last answer; greetings before and thanks behind are left out."""
    first = next((place for place, turn in enumerate(block) if turn.role != "assistant"), 0)
    last = next((place for place in range(len(block), first, -1) if block[place - 1].role == "assistant"), 0)
    kept = block[first:last]
    if not any(turn.role == "user" for turn in kept):
        return block
    if len(kept) < len(block):
        tally.add("turns_unused", len(block) - len(kept))
    return kept


def _merged(turns: list[_Turn]) -> list[_Turn]:
    """`turns` with what one speaker said in several messages as one."""
    merged: list[_Turn] = []
    spaced = _are_spaced(turns)
    for turn in turns:
        same = merged and turn.role == merged[-1].role and not turn.faq
        if same and any(label_of(line)[0] for line in merged[-1].rest):
            merged.append(replace(turn, again=True))  # somebody else may have spoken between the two
        elif same and (spaced or not turn.after_blank or merged[-1].name):
            while spaced and merged[-1].rest and not merged[-1].rest[-1].strip():
                merged[-1].rest.pop()
            merged[-1].rest += [turn.content] if turn.name != merged[-1].name else [turn.text, *turn.rest]
        else:
            merged.append(turn)
    return merged


def _blocks(turns: list[_Turn]) -> list[list[_Turn]]:
    """Runs of turns: a blank line before a user's mark, behind an answer, begins the next."""
    blocks: list[list[_Turn]] = []
    opening = turns[0].role if turns and not turns[0].faq else ""
    spaced = _are_spaced(turns)
    for turn in turns:
        ended = blocks and blocks[-1][-1].role == "assistant"
        asks = ended and turn.role in ("user", "system")
        greets = opening == "assistant" == turn.role and len(blocks[-1]) > 1 if blocks else False
        if not blocks or (turn.after_blank and not spaced and (greets if opening == "assistant" else asks)):
            blocks.append([])
        blocks[-1].append(turn)
    return blocks


def _are_spaced(turns: list[_Turn]) -> bool:
    """Return whether a blank line stands over nearly every message, as chat programs export them; it divides nothing then."""
    answers = [turn for turn in turns if turn.role == "assistant"]
    return (
        len(answers) > 0
        and len(turns) > 2
        and not any(turn.faq for turn in turns)
        and all(turn.after_blank for turn in turns[1:])
    )


def _pairs(block: list[_Turn]) -> list[list[_Turn]]:
    parts: list[list[_Turn]] = []
    for turn in block:
        if not parts or (turn.role in ("user", "system") and parts[-1][-1].role == "assistant"):
            parts.append([])
        parts[-1].append(turn)
    return parts


def _conversation(turns: list[_Turn]) -> dict:
    return {"messages": [turn.message for turn in turns]}
