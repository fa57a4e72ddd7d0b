"""The layouts that data sets are published in, recognized by their column names: which column is what.

Covers Alpaca, ShareGPT, messages, conversations, content/summary, prompt/response/history, question/answer, preference
pairs and KTO, and the Chinese and common English names for the same columns (`columns`). What is none of these is mapped
by hand (`templates`). How a recognized row becomes messages: `pairs` and `chats`.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields

from glm_core.data.readers import columns as names_of
from glm_core.data.readers.columns import first, folded, is_identifier, nearly

Convert = Callable[[dict], list[dict]]


@dataclass(frozen=True)
class Layout:
    """A recognized layout: for each part of an example the name of the column that the file has for it.

    Attributes:
        questions: columns that make the question together, in the order in which they are joined.
        chat: the column of a whole conversation; `answer` is then what is said last, where it has a column of its own.
        verdict: the columns that say whether a row is to be learned.
        media: columns of images, audio or video.
        tools: the column of the functions that answers may call.
        split: the column that says which part of the data set a row belongs to.
    """

    name: str
    questions: tuple[str, ...] = ()
    answer: str | None = None
    chat: str | None = None
    history: str | None = None
    system: str | None = None
    rejected: str | None = None
    reasoning: str | None = None
    verdict: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    split: str | None = None
    tools: str | None = None

    @property
    def has_instruction(self) -> bool:
        """Return whether its rows already say what to do, so that a task template must not say it again."""
        several = len(self.questions) > 1
        return bool(self.chat or several or self.name == "alpaca" or self.history or self.system)

    @property
    def used(self) -> set[str]:
        """All columns that it takes."""
        found: set[str] = set()
        for one in fields(self):
            value = getattr(self, one.name)
            found.update(value if isinstance(value, tuple) else [value] if value and one.name != "name" else [])
        return found


# name -> names of the question column, names of the answer column, in order of preference
CHOSEN = ("chosen", "chosen response", "response chosen", "response j", "preferred")
_PAIRS = {
    "alpaca": (names_of.INSTRUCTION, ("output", "response", "输出", "回答")),
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
_ARTICLES, _SUMMARIES = (
    ("content", "article", "document", "正文", "原文", "内容"),
    ("summary", "摘要", "highlights", "abstract"),
)
_OTHER = {*names_of.SYSTEM, *names_of.REJECTED, *names_of.REASONING, *names_of.HISTORY, *names_of.CONTEXTS}
_MAIN = re.compile(r"标准|主|main|standard|canonical", re.IGNORECASE)  # of several wordings of a question
_MARKS = ("instruction", "output", "prompt", "response", "question", "answer", "summary")  # of a half-named layout


def recognize(columns: Iterable[str], flags: Collection[str] = ()) -> Layout | None:
    """The layout that has all its columns among `columns` (case and spaces aside), or None.

    Args:
        flags: the columns whose cells are truth values or weights, which alone may say that a row is not to be learned.
    """
    columns = tuple(columns)
    names = folded(columns)
    shared = _shared(names, flags)
    rejected = first({name: column for name, column in names.items() if column not in flags}, names_of.REJECTED)
    chosen = first(names, CHOSEN)
    chat = first(names, names_of.CHATS)
    if chat and not (
        chosen is None and _main(names)[1] and chat not in (names.get("messages"), names.get("conversations"))
    ):
        kind = "messages" if names_of.fold(chat) == "messages" else "conversations"
        tools = first(names, names_of.TOOLS)
        return Layout(kind, chat=chat, answer=chosen, rejected=rejected, tools=tools, **shared)
    layout, answer = _main(names)
    if layout is None and chosen and rejected:
        return Layout("preference", answer=chosen, rejected=rejected, **shared)
    if layout is None or answer is None:
        return _nearly(columns, shared)
    questions = _questions(columns, names, layout)
    if rejected and chosen:
        layout, answer = "preference", chosen
    history = first(names, names_of.HISTORY)
    return Layout(layout, tuple(questions), answer, history=history, rejected=rejected, **shared)


def guess(columns: Iterable[str]) -> Layout | None:
    """The layout of which only one of question and answer is there: the missing one goes by its usual name."""
    names = folded(columns)
    for layout, (questions, answers) in _PAIRS.items():
        question, answer = first(names, questions[:1]), first(names, answers[:1])
        if (question or answer) and (question or answer or "").strip().lower() in _MARKS:
            found = (question or questions[0], *([names["input"]] if layout == "alpaca" and "input" in names else []))
            history, system = first(names, names_of.HISTORY), first(names, names_of.SYSTEM)
            return Layout(layout, found, answer or answers[0], history=history, system=system)
    return None


def is_header(cells: Iterable[str]) -> bool:
    """Return whether the cells of a table's row are names of a known layout, or of most of one."""
    cells = [cell for cell in cells if cell]
    return len(cells) > 1 and recognize(cells) is not None


def knows(cell: str) -> bool:
    """Return whether `cell` is a name that columns have."""
    known = (names_of.ANSWERS, names_of.QUESTIONS, names_of.CONTEXTS, names_of.TITLES, names_of.CHATS, names_of.SYSTEM)
    return any(names_of.fold(cell) in group for group in known)


def ignored(columns: Iterable[str], used: Collection[str]) -> list[str]:
    """The columns of a row that no part of an example takes, but those that only number rows."""
    return [column for column in columns if column not in used and not is_identifier(column)]


def _shared(names: dict[str, str], flags: Collection[str]) -> dict:
    """The columns that every layout may have."""
    return {
        "system": first(names, names_of.SYSTEM),
        "reasoning": first(names, names_of.REASONING),
        "verdict": tuple(column for column in names.values() if column in flags),
        "media": tuple(names[name] for name in names_of.MEDIA if name in names),
        "split": first(names, names_of.SPLITS),
    }


def _main(names: dict[str, str]) -> tuple[str | None, str | None]:
    """The layout's name and answer column, by the first of its question columns that is there."""
    if summary := first(names, _SUMMARIES):
        if first(names, _ARTICLES):
            return "content_summary", summary
    for layout, (questions, answers) in _PAIRS.items():
        if layout != "content_summary" and (question := first(names, questions)):
            return layout, _answer(names, answers, question)
    question = first(names, names_of.QUESTIONS) or first(names, names_of.DETAILED) or first(names, names_of.TITLES)
    return ("question_answer", _answer(names, (), question)) if question else (None, None)


def _answer(names: dict[str, str], preferred: tuple[str, ...], question: str) -> str | None:
    rest = {name: column for name, column in names.items() if column != question}
    thinks = "reasoning content" in rest  # as servers answer: content beside reasoning_content
    return first(rest, (*CHOSEN, *preferred, *names_of.ANSWERS, *(("content",) if thinks else ())))


def _questions(columns: tuple[str, ...], names: dict[str, str], layout: str) -> list[str]:
    """The columns that belong to the question, in the order of the file; an instruction comes before its input."""
    if layout == "content_summary":
        return [first(names, _ARTICLES) or ""]
    wanted = {*names_of.QUESTIONS, *names_of.CONTEXTS}
    if not any(name in names for name in names_of.QUESTIONS) or any(name in names for name in names_of.DETAILED):
        wanted |= {*names_of.TITLES, *names_of.DETAILED}
        if not any(name in names for name in (*names_of.QUESTIONS, *names_of.DETAILED)):
            wanted |= set(names_of.BODIES)
    if {"a", "b", "c"} <= set(names):
        wanted |= {"a", "b", "c", "d", "e"}
    found = [
        column
        for column in columns
        if names.get(names_of.fold(column)) == column
        and (names_of.fold(column) in wanted or names_of.is_context(column))
    ]
    instruction, extra = first(names, names_of.INSTRUCTION), first(names, names_of.INPUT)
    if instruction and extra and found.index(extra) < found.index(instruction):
        found.remove(instruction)
        found.insert(found.index(extra), instruction)
    return found


def _nearly(columns: tuple[str, ...], shared: dict) -> Layout | None:
    """A layout whose names only have the words in them, such as 用户的问题 and 标准回复."""
    roles: dict[str, list[str]] = {"question": [], "answer": []}
    for column in columns:
        folded_name = names_of.fold(column)
        if folded_name in _OTHER:
            continue
        exact = "question" if folded_name in names_of.QUESTIONS else "answer" if folded_name in names_of.ANSWERS else ""
        if role := exact or nearly(column):
            roles[role].append(column)
    for role, found in roles.items():
        roles[role] = [column for column in found if _MAIN.match(column)][:1] or found
    if len(roles["question"]) != 1 or len(roles["answer"]) != 1:
        return None
    questions = [column for column in columns if column == roles["question"][0] or names_of.is_context(column)]
    return Layout("question_answer", tuple(questions), roles["answer"][0], **shared)
