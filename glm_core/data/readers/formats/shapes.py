"""The shapes in which one JSON value holds rows: wrapped, as columns, by split, SQuAD, or one object of question and answer.

Covers the whole of a file that is a single object, and rows that are lists or hold several rows. What the columns of a
row mean is `layouts`.
"""

from collections.abc import Iterator
from functools import lru_cache

from glm_core.data.examples import RowError, is_blank, kind_of
from glm_core.data.readers.chats import is_message
from glm_core.data.readers.columns import QUESTIONS, first, fold, folded
from glm_core.data.readers.formats.chat_exports import exported
from glm_core.data.readers.layouts import guess, knows, recognize
from glm_core.data.readers.notices import NoticeTally

Row = tuple[int, dict | RowError]

WRAPPERS = (
    "data", "rows", "examples", "items", "dataset", "records", "list", "result", "results", "samples", "数据", "intents",
    "rasa_nlu_data", "common_examples", "意图",
)  # fmt: skip
TRAIN = ("train", "training", "train_sft", "训练", "训练集", "训练数据")
OTHERS = (
    "test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation", "holdout", "test_sft",
    "测试", "测试集", "验证", "验证集", "开发集", "评测", "评测集", "测试数据", "验证数据",
)  # fmt: skip
_KEY = "question"
_PLURAL = ("questions", "utterances", "queries", "问题列表", "问法", "相似问", "问题")
_PATTERNS = (
    "patterns",
    "examples",
    "utterances",
    "training phrases",
    "user says",
    "phrases",
    "问法",
    "相似问法",
    "例句",
    "用户说法",
)
_RESPONSES = ("responses", "replies", "response", "reply", "回复", "回答", "答案", "应答")
_ASKED = ("question", "query", "query text", "question text", "问题")
_TOLD = ("context", "context text", "passage", "paragraph", "text", "上下文", "背景")


def split_role(name: object) -> str:
    """ "train" or "other" for the name of a split; empty for any other name."""
    word = str(name).strip().lower() if isinstance(name, str) else ""
    return "train" if word in TRAIN else "other" if word in OTHERS else ""


def unfold(value: dict, as_table: bool, tally: NoticeTally) -> list | None:
    """The rows that a file of the single object `value` holds; None where the object itself is the one row.

    Args:
        as_table: read lists under column names as the columns of a table, not as the rounds of a conversation.
    """
    for find in (exported, _splits, _split_table, _wrapped, _indexed):
        if (rows := find(value, tally)) is not None:
            return rows
    if as_table and (rows := _columns(value)) is not None:
        return rows
    inner = next(iter(value.values())) if len(value) == 1 else None
    if as_table and isinstance(inner, dict) and (rows := unfold(inner, True, tally)) is not None:
        return rows
    if as_table and (rows := _by_subject(value, tally)) is not None:
        return rows
    rows = _named_lists(value, as_table)
    rows = _questions(value, as_table, tally) if rows is None else rows
    return _one_list(value) if rows is None and as_table else rows


def expand(value: object) -> Iterator[dict | RowError]:
    """The rows in one element of a file: the element itself, what a list stands for, the questions of a SQuAD article."""
    if isinstance(value, dict):
        if isinstance(value.get("paragraphs"), list) or isinstance(value.get("qas"), list):
            yield from _squad(value)
        elif (intent := _intent(value)) is not None:
            yield from intent
        elif (asked := _wordings(value)) is not None:
            yield from ({**value, asked: one} for one in value[asked])
        else:
            yield value
    elif isinstance(value, list) and (row := _list_row(value)):
        yield row
    else:
        yield RowError("data.row.not_object", kind=kind_of(value))


def is_row(value: object) -> bool:
    """Return whether an element of a file can be a row: an object, or a list that stands for one."""
    return isinstance(value, dict) or (isinstance(value, list) and _list_row(value) is not None)


def _list_row(value: list) -> dict | None:
    if not value:
        return None
    if all(is_message(one) for one in value):
        return {"messages": value}
    if len(value) == 2 and all(isinstance(one, str) for one in value):
        return {_KEY: value[0], "answer": value[1]}
    pairs = all(isinstance(one, list) and len(one) == 2 and all(isinstance(text, str) for text in one) for one in value)
    texts = len(value) % 2 == 0 and all(isinstance(one, str) for one in value)
    if pairs or texts or all(isinstance(one, dict) and recognize(one) for one in value):
        return {"messages": value}
    if len(value) > 1 and not any(isinstance(one, dict | list) for one in value):
        return {f"#{place}": one for place, one in enumerate(value, 1)}  # cells without names, to be mapped
    return None


def _splits(value: dict, tally: NoticeTally) -> list | None:
    parts = {name: part for name, part in value.items() if split_role(name) and isinstance(part, list | dict)}
    train = [name for name in parts if split_role(name) == "train"]
    rows = [_rows_of(part, tally) for name, part in parts.items() if name in train]
    if not train or not all(isinstance(one, list) for one in rows):
        return None
    if left := [name for name in parts if name not in train]:
        tally.add("splits", sum(len(parts[name]) for name in left), *left)
    return [row for part in rows for row in part or ()]


def _rows_of(part: list | dict, tally: NoticeTally) -> list | None:
    return part if isinstance(part, list) else unfold(part, True, tally)


def _wrapped(value: dict, tally: NoticeTally) -> list | None:
    for key, inner in value.items():
        if key.lower() not in WRAPPERS:
            continue
        if isinstance(inner, list) and (not inner or is_row(inner[0])):
            return inner
        if isinstance(inner, dict) and (rows := unfold(inner, True, tally)) is not None:
            return rows
    return None


def _split_table(value: dict, tally: NoticeTally) -> list | None:
    """{"columns": [...], "data": [[...], ...]}, as pandas and others write tables."""
    names = next(
        (value[key] for key in ("columns", "header", "headers", "fields") if isinstance(value.get(key), list)), None
    )
    cells = next((value[key] for key in ("data", "rows", "values") if isinstance(value.get(key), list)), None)
    if not names or cells is None or not all(isinstance(row, list) for row in cells):
        return None
    texts = [str(name.get("name") if isinstance(name, dict) else name) for name in names]
    return [dict(zip(texts, row, strict=False)) for row in cells]


def _columns(value: dict) -> list | None:
    """{"question": [...], "answer": [...]}: the columns of a table; all lists are of one length."""
    lists = {name: cells for name, cells in value.items() if isinstance(cells, list)}
    sizes = {len(cells) for cells in lists.values()}
    if len(lists) < 2 or len(lists) < len(value) or len(sizes) != 1 or not recognize(lists):
        return None
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _indexed(value: dict, tally: NoticeTally) -> list | None:
    """{"0": {row}, "1": {row}}, or {"question": {"0": ...}, "answer": {"0": ...}}."""
    inner = list(value.values())
    if not inner or not all(isinstance(one, dict) and one for one in inner):
        return None
    if len(inner) > 1 and recognize(value) and all(set(one) == set(inner[0]) for one in inner):
        return [{name: cells[index] for name, cells in value.items()} for index in inner[0]]
    if recognize(value) or not all(recognize(one) or guess(one) for one in inner[:20]):
        return None
    if (
        any(recognize(one) for one in inner[:20])
        or all(name.isdigit() for name in value)
        or first(folded(inner[0]), QUESTIONS)
    ):
        return inner
    tally.guess("keys")
    return [{_KEY: name, **one} for name, one in value.items()]


def _named_lists(value: dict, as_table: bool) -> list | None:
    """{"faq": [{row}, ...]}: the rows of a list of any name, or of several lists, such as one a subject."""
    lists = [rows for rows in value.values() if isinstance(rows, list) and rows]
    rows = [row for part in lists for row in part]
    if not as_table or not rows or not all(isinstance(row, dict) for row in rows):
        return None
    known = all(_is_example(row) for row in rows[:20])
    layout = recognize(value)
    turns = all(is_message(row) for row in rows[:20]) or (layout is not None and not all(map(_has_chat, rows[:20])))
    return rows if known and not turns else None


def _by_subject(value: dict, tally: NoticeTally) -> list | None:
    """{"subject": {question: answer, ..}, ..}: the questions of all subjects."""
    if len(value) < 2 or not all(isinstance(inner, dict) and inner for inner in value.values()):
        return None
    if not all(isinstance(text, str) for inner in value.values() for text in inner.values()):
        return None
    names = [name for inner in value.values() for name in inner]
    if any(map(knows, names)) or len(set(names)) < len(names) or not all(map(_is_asked, names)):
        return None
    tally.guess("keys")
    return [{_KEY: name, "answer": text} for inner in value.values() for name, text in inner.items()]


def _one_list(value: dict) -> list | None:
    """{"entries": [{row}, ..], "count": 2}: the rows of the one list of objects, whatever their columns; to be mapped."""
    lists = [rows for rows in value.values() if isinstance(rows, list | dict)]
    if len(lists) != 1 or not isinstance(lists[0], list) or len(lists[0]) < 2 or recognize(value):
        return None
    rows = lists[0]
    return rows if all(isinstance(row, dict) and not is_message(row) for row in rows) else None


def _has_chat(row: dict) -> bool:
    layout = recognize(row)
    return layout is not None and layout.chat is not None


def _is_example(row: dict) -> bool:
    return recognize(row) is not None or any(
        isinstance(turns, list) and turns and all(is_message(one) for one in turns) for turns in row.values()
    )


def _wordings(record: dict) -> str | None:
    """The column that lists several wordings of one question, which all have the one answer of the row."""
    lists = [name for name, value in record.items() if isinstance(value, list) and len(value) > 0]
    if len(lists) != 1 or not all(isinstance(one, str) for one in record[lists[0]]):
        return None
    layout = recognize(record)
    if layout is None or layout.questions != (lists[0],) or not isinstance(record.get(layout.answer or ""), str):
        return None
    return lists[0] if fold(lists[0]) in _PLURAL else None


@lru_cache(maxsize=256)
def _intent_columns(columns: tuple[str, ...]) -> tuple[str | None, str | None]:
    """The columns of an intent's patterns and responses."""
    names = folded(columns)
    return first(names, _PATTERNS), first(names, _RESPONSES)


def _intent(record: dict) -> list[dict | RowError] | None:
    """A row for each pattern of an intent, {"tag": …, "patterns": [..], "responses": [..]}; None for other rows."""
    asked, answer = _intent_columns(tuple(record))
    if asked is None or answer is None or not isinstance(record[asked], list):
        return None
    if not all(isinstance(one, str) for one in record[asked]):
        return None
    texts = [one for one in record[asked] if one.strip()]
    if not texts:
        return [RowError("data.row.blank", asked)]
    rest = {key: value for key, value in record.items() if key not in (asked, answer)}
    return [{**rest, _KEY: one, "answer": record[answer]} for one in texts]


def _questions(value: dict, as_table: bool, tally: NoticeTally) -> list | None:
    """One object of question to answer, or to several answers of which the first counts."""
    if not value or recognize(value) or guess(value) or any(knows(name) for name in value):
        return None
    if not all(isinstance(text, str) or (isinstance(text, list) and text) for text in value.values()):
        return None
    asked = [name for name in value if name.rstrip().endswith(("?", "？"))]
    if 2 * len(asked) <= len(value):
        if not as_table or (len(value) < 3 and not all(_is_asked(name) for name in value)):
            return None
        if not all(isinstance(text, str) for text in value.values()):
            return None
        tally.guess("keys")
    return [{_KEY: question, "answer": answer} for question, answer in value.items()]


def _is_asked(name: str) -> bool:
    return not name.isidentifier() or any("\u4e00" <= one <= "\u9fff" for one in name)


def _squad(article: dict) -> Iterator[dict | RowError]:
    paragraphs = article.get("paragraphs", [article])
    for paragraph in paragraphs:
        if not isinstance(paragraph, dict) or not isinstance(paragraph.get("qas"), list):
            yield RowError("data.row.not_object", kind=kind_of(paragraph))
            continue
        for asked in paragraph["qas"]:
            if not isinstance(asked, dict):
                yield RowError("data.row.not_object", kind=kind_of(asked))
                continue
            answers = asked.get("answers", asked.get("answer"))
            told, name = first(folded(paragraph), _TOLD), first(folded(asked), _ASKED)
            row = {"context": paragraph.get(told), "question": asked.get(name), "answers": answers}
            yield {name: cell for name, cell in row.items() if name != "context" or not is_blank(cell)}
