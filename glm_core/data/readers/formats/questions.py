"""Questions and answers in plain text without marks: the answer below its question, behind it on the line, or in a
Markdown table.

Covers text that is plainly a list of questions; running prose with questions in it is not one.
"""

import re
from collections import Counter

from glm_core.data.readers.columns import HAN
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.formats.table_header import table_in

_NUMBER = r"(?:[(（]?(?:\d{1,4}|[一二三四五六七八九十]{1,3})[)）]?[.、．)）:：]\s*)?"
_HEAD = re.compile(rf"^(?:#{{1,6}}\s*|[-*+•]\s+)?(?:\*\*|__)?([Qq问]\d*\s*[.、．:：]\s*)?{_NUMBER}(?:\*\*|__)?")
_REPLY = re.compile(r"^(?:\*\*|__)?[Aa答]\d*\s*[.、．:：]\s*(?:\*\*|__)?")
_ANSWERED = re.compile(r"^\s*(?:\*\*|__)?(?:[Aa]|[Aa]nswer|答|回答|答案|回复|答复)\d{0,3}\s*[:：]\s*(?:\*\*|__)?\s*")
_ON_ONE_LINE = re.compile(r"(.{1,120}?[?？])[\"”’*_]*\s*(?:[-—–:：|]+|=+>|-+>|→|\t)?\s*([^\s?？].*)$")
_ARROWS = re.compile(r"\s*(?:=+>|-+>|→|⇒|\s\|\s|｜|\|{1,2}|::)\s*")
_EQUALS = re.compile(r"\s+(?:={1,2}|—{1,2}|–|--)\s+")  # between words; in code and settings it stands between names
_WORDY = re.compile(rf"{HAN.pattern}|\S\s+\S+\s+(?:=|—|–|--)")
_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)+\|?\s*$")
_DOTTED = re.compile(r"^([ \t]*(?:\*\*)?)([QqAa问答])(\d{0,4})(?:[.、．)）]\s*|[ \t\u3000]+)(?=\S)", re.MULTILINE)
_ASKING = re.compile(
    r"[吗呢]$|^(?:怎么|如何|为什么|为何|什么|哪|几|多少|多久|能不能|能否|可不可以|可否|是否|有没有|谁)|(?:怎么办|多少钱?|几点|多久|哪里|哪儿|是什么|怎么[^，。]{1,6})$"
    r"|^(?:how|what|when|where|why|who|which|can|could|do|does|is|are|should)\s",
    re.IGNORECASE,
)
_HEADINGS = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)
_QUOTED = re.compile(r"^>[ \t]*(\S.*)$", re.MULTILINE)
_ITEM = re.compile(r"[-*+•]\s+")
_ENDS = tuple("。.!！;；…")
_LONGEST = 120  # characters of a question on a line of its own


def asked_rows(text: str) -> tuple[list[Row], int]:
    """Blocks, Markdown headings or lines that end with a question mark, each with the answer below; or both on a line.

    Returns:
        The rows, empty where most of the text is something else; and how many lines of titles belong to none of them.
    """
    headed = _headed(text)
    blocks, titles = (headed, 0) if headed else _without_titles(_blocks(text))
    asked = [block for block in blocks if (_asks(block[1]) or (headed and _words(block[1]))) and block[2].strip()]
    if len(asked) >= 2 and 5 * len(asked) >= 4 * len(blocks) and titles <= len(asked):
        return [_row(line, head, rest) for line, head, rest in blocks], titles
    rows, titles = _by_lines(text)
    rows, titles = (rows, titles) if rows else _by_replies(text)
    return (rows, titles) if rows else (_on_one_line(text), 0)


def _without_titles(blocks: list[tuple[int, str, str]]) -> tuple[list[tuple[int, str, str]], int]:
    """`blocks` without the lone lines that are titles, and how many; blocks of whole sentences go on with the answer before."""
    kept: list[tuple[int, str, str]] = []
    titles = 0
    for line, head, rest in blocks:
        sentence = head.rstrip().endswith(_ENDS) and not _asks(head)
        if sentence and kept and kept[-1][2].strip():
            before = kept.pop()
            kept.append((*before[:2], "\n\n".join((before[2], "\n".join(filter(None, (head, rest)))))))
        elif rest.strip() or sentence or _asks(head):
            kept.append((line, head, rest))
        else:
            titles += 1
    return kept, titles


def with_colons(text: str) -> str:
    """`text` with colons behind its marks Q and A (问 and 答), where those stand in turn with a dot or space."""
    marks = [mark[2].lower() for mark in _DOTTED.finditer(text[:200_000])]
    asked = [mark in "q问" for mark in marks]
    in_turn = asked == [place % 2 == 0 for place in range(len(asked))]
    filled = sum(1 for line in text[:200_000].split("\n") if line.strip())
    if len(marks) < 4 or not in_turn or 4 * len(marks) < filled:
        return text
    return _DOTTED.sub(r"\1\2\3: ", text)


def markdown_table(text: str) -> tuple[list[tuple[int, list]], int] | None:
    """The Markdown tables in `text`, as of `table_in`."""
    if "|" not in text[:20_000]:
        return None
    lines = text.split("\n")
    found: list[tuple[int, list]] = []
    others, header = 0, ""
    for number, line in enumerate(lines, 1):
        if "|" not in line:
            others += bool(line.strip())
        elif number < len(lines) and _RULE.match(lines[number]) and not _RULE.match(line):
            if not header or line.strip() == header:
                found += [] if header else [(number, _cells(line))]
                header = line.strip()
        elif header and not _RULE.match(line):
            found.append((number, _cells(line)))
    return table_in(found, others)


def _cells(line: str) -> list[str]:
    bare = line.strip().removeprefix("|")
    bare = bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare
    return [cell.replace("\\|", "|").replace("<br>", "\n").strip() for cell in re.split(r"(?<!\\)\|", bare)]


def _row(line: int, head: str, rest: str) -> Row:
    marked = (found := _HEAD.match(head.strip())) is not None and found[1]
    answer = rest.strip()
    if _ITEM.match(head.strip()) and "\n" not in answer:
        answer = _ITEM.sub("", answer, count=1)  # question and answer are items of one list
    reply = _REPLY if marked else _ANSWERED  # a colon behind the word marks an answer to any question
    return line, {"question": _bare(head), "answer": reply.sub("", answer, count=1).strip()}


def _asks(line: str) -> bool:
    return line.rstrip().rstrip("*_ ").endswith(("？", "?"))


def _words(line: str) -> bool:
    """Return whether a heading asks in words, without a question mark."""
    return _ASKING.search(_bare(line)) is not None


def _bare(head: str) -> str:
    """A question without its Markdown marks and number."""
    return _HEAD.sub("", head.strip(), count=1).strip().rstrip("* ")


def _by_lines(text: str) -> tuple[list[Row], int]:
    """Lines that end with a question mark, each with lines below that do not; and how many stand before the first."""
    rows: list[tuple[int, str, list[str]]] = []
    filled = before = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        filled += 1
        if _asks(line) and len(line) <= _LONGEST:
            rows.append((number, line, []))
        elif rows:
            rows[-1][2].append(line)
        else:
            before += 1
    answered = sum(bool(rest) for _line, _head, rest in rows)
    if before > 1 or answered < 2 or 5 * answered < 4 * len(rows) or 5 * len(rows) < filled:
        return [], 0
    return [_row(line, head, "\n".join(rest)) for line, head, rest in rows], before


def _by_replies(text: str) -> tuple[list[Row], int]:
    """Lines with the mark of an answer, each with the one line above it as its question; and how many lines are titles."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    marked = [place for place, (_number, line) in enumerate(lines) if place and _ANSWERED.match(line)]
    heads = [place - 1 for place in marked]
    if len(marked) < 2 or any(place in marked for place in heads) or len(marked) * 5 < len(lines):
        return [], 0
    ends = [*heads[1:], len(lines)]
    rows = [
        _row(*lines[head], "\n".join(line for _number, line in lines[head + 1 : end]))
        for head, end in zip(heads, ends, strict=True)
    ]
    return rows, heads[0]


def _on_one_line(text: str) -> list[Row]:
    """A question and its answer on every line: a question mark between them, or the same arrow."""
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for find in (_by_mark, _by_arrow):
        found = [(number, parts) for number, line in lines if (parts := find(line))]
        if len(found) >= 2 and 5 * len(found) >= 4 * len(lines):
            return [_row(number, *parts) for number, parts in found]
    return []


def _by_mark(line: str) -> tuple[str, str] | None:
    found = _ON_ONE_LINE.match(line)
    return (found[1], found[2]) if found else None


def _by_arrow(line: str) -> tuple[str, str] | None:
    for parts in (_ARROWS.split(line), _EQUALS.split(line) if _WORDY.search(line) else []):
        if len(parts) == 2 and all(parts):
            return parts[0], parts[1]
    return None


def _headed(text: str) -> list[tuple[int, str, str]]:
    """Line, heading and text below, of the level of Markdown headings there is most of; without any, of lines that are quoted."""
    marks = list(_HEADINGS.finditer(text)) or list(_QUOTED.finditer(text))
    if not marks:
        return []
    level = Counter(mark[0].split()[0] for mark in marks).most_common(1)[0][0]
    marks = [mark for mark in marks if mark[0].split()[0] == level]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    found, line, counted = [], 1, 0
    for mark, end in zip(marks, ends, strict=True):
        line, counted = line + text.count("\n", counted, mark.start()), mark.start()
        found.append((line, mark[1], text[mark.end() : end]))
    return found


def _blocks(text: str) -> list[tuple[int, str, str]]:
    found, line = [], 1
    for block in re.split(r"\n(?=[ \t\r\u3000]*\n)", text):
        offset = len(block) - len(block.lstrip())
        if block.strip():
            head, _, rest = block.strip().partition("\n")
            found.append((line + block.count("\n", 0, offset), head, rest))
        line += block.count("\n") + 1
    return found
