"""Cells and contents become text: message contents of parts, answers in lists, reasoning apart from the answer.

Covers one value at a time. Errors name the field.
"""

import ast
import json
import re

from glm_core.data.examples import RowError, is_blank, kind_of, text_of
from glm_core.data.readers import columns as names_of
from glm_core.data.readers.notices import NoticeTally

_THINKING = re.compile(r"\s*<(think|thinking|thought|reasoning)>(.*?)</\1>\s*", re.DOTALL | re.IGNORECASE)
_IMAGE = re.compile(r"<image>|<\|?image_?\d*\|>|<img>\s*[^<]*</img>", re.IGNORECASE)
_UNOPENED = re.compile(r"(.{1,100000}?)</think(?:ing)?>\s*(?=\S)", re.DOTALL | re.IGNORECASE)
_BETWEEN = re.compile(r"(?<=[}\]])\s*\n\s*(?=[{\[])")  # numpy prints lists without commas
_WEIGHT = re.compile(r"\s*\d{1,3}(?:\.\d{1,9})?\s*")
_NUMBER = re.compile(r"\s*[-+]?\d{1,15}(?:\.\d{1,15})?\s*")
_AMOUNT = re.compile(r"\s*[-+¥￥$€]?\s*\d[\d,.]{0,20}\s*\S{0,2}\s*")
_TOTAL = re.compile(
    r"\s*(?:合\s*计|总\s*计|小\s*计|总数|共计|汇总|总和|平均值?|均值|(?:grand |sub-?)?totals?|sum|average|mean)\s*[:：]?"
    r"\s*(?:\d[\d,.]{0,20}\s*\S{0,2})?\s*",
    re.IGNORECASE,
)
_NO = frozenset(
    "× ✗ ✘ ✖ ❌ x f 错 false 0 0.0 no n 否 假 bad undesirable rejected reject dislike disliked thumbs_down thumbsdown down 👎 不采纳 未采纳 "
    "不合格 不通过 错误 无效 不学 差评 declined denied failed fail invalid deleted removed 不同意 archived retired offline 已下线 已归档 未通过 审核不通过 驳回 已驳回 不采用 不保留 不可用 弃用 作废 差".split()
)
_YES = frozenset(
    "√ ✓ ✔ ✅ ☑ t 对 true 1 1.0 yes y 是 真 good desirable chosen accepted accept like liked thumbs_up thumbsup up 👍 采纳 已采纳 "
    "合格 通过 正确 有效 学 好评 同意 published live online released 已发布 已上线 approved passed pass valid kept ok 已通过 审核通过 采用 保留 可用 好".split()
)

_SHEET_ERRORS = frozenset("#N/A #REF! #VALUE! #DIV/0! #NAME? #NULL! #NUM! #SPILL! #CALC!".split())
_REVIEWED = frozenset(
    "approved rejected denied declined accepted thumbs_up thumbs_down thumbsup thumbsdown 👍 👎 √ ✓ ✔ ✅ ☑ × ✗ ✘ ✖ ❌ "
    "同意 不同意 采纳 已采纳 不采纳 未采纳 驳回 已驳回 通过 不通过 未通过 审核通过 审核不通过 已通过 采用 不采用 弃用 作废".split()
)
"Words of a review that mean nothing else, whatever their column is called."
_PENDING = frozenset(
    "draft 草稿 待发布 未发布 待审核 未审核 审核中 待审 未审 待定 待复核 未复核 待质检 未质检 待评 未评 未知 pending unreviewed in_review to_review "
    "under_review needs_review todo undecided unknown n/a na none - ?".split()
)


class RowNotLearned(Exception):
    """A row that its file marks as not to be learned."""


def cell(record: dict, column: str) -> str:
    """The text of one column of a row.

    Raises:
        RowError: the column is missing, holds the error of a formula, or as `text_of`.
    """
    if column not in record:
        raise RowError("data.row.missing", column)
    value = record[column]
    inner = isinstance(value, dict) and ("text" in value or "parts" in value)
    return content_text(value, column) if inner else _no_error(text_of(value, column), column)


def optional_cell(record: dict, column: str | None) -> str:
    """As `cell`, but empty where the column is missing or blank."""
    if column is None or is_blank(record.get(column)):
        return ""
    value = record[column]
    return content_text(value, column) if isinstance(value, dict | list) and value else text_of(value, column)


def content_text(value: object, field: str) -> str:
    """The text of a message: itself, or the parts {"type": "text"} of it joined.

    Raises:
        RowError: a part is an image, audio or video; or as `text_of`.
    """
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        value = "\n".join(_part_text(part, field) for part in value)
    elif isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = "\n".join(value)
    elif isinstance(value, dict) and ("text" in value or "parts" in value):
        return content_text(value.get("parts", value.get("text")), field)
    text = text_of(value, field)
    if "<" in text and _IMAGE.search(text):
        raise RowError("data.row.media", field)
    return _no_error(text, field)


def _no_error(text: str, field: str) -> str:
    """Refuse what a sheet writes in place of a formula's result."""
    if text[0] == "#" and text.strip().upper() in _SHEET_ERRORS:
        raise RowError("data.row.sheet_error", field, found=text.strip())
    return text


def _part_text(part: dict, field: str) -> str:
    kind = part.get("type", "text")
    if kind not in ("text", "input_text", "output_text"):
        media = isinstance(kind, str) and re.search("image|audio|video|file", kind)
        raise RowError("data.row.media" if media else "data.row.not_text", field, kind=str(kind)[:40])
    return text_of(part.get("text", part.get("content", part.get("value"))), field)


def joined(value: object, field: str) -> str:
    """The text of a column that belongs to the question: lists and options on a line each; empty where it is blank."""
    if is_blank(value) or value in ([], {}):
        return ""
    if isinstance(value, dict):
        inner = value.get("text")
        if set(value) == {"label", "text"} and isinstance(value["label"], str) and isinstance(inner, str):
            return f"{value['label']}. {inner}"  # one of several options
        if isinstance(inner, list) and isinstance(value.get("label"), list):
            return "\n".join(
                f"{label}. {text_of(one, field)}" for label, one in zip(value["label"], inner, strict=False)
            )
        return "\n".join(f"{name}. {text_of(one, field)}" for name, one in value.items())
    if isinstance(value, list):
        return "\n".join(joined(one, f"{field}[{index}]") for index, one in enumerate(value))
    return text_of(value, field)


def answer_text(value: object, field: str, tally: NoticeTally) -> tuple[str, str]:
    """The text of an answer: itself, a message's content, or the first of several answers; and the chain of thought before it.

    Raises:
        RowError: there is none; or as `text_of`.
    """
    if isinstance(value, dict):
        inner = value.get("content", value.get("value", value.get("text", value)))
        return answer_text(inner, field, tally) if inner is not value else (text_of(value, field), "")
    if value == []:
        raise RowError("data.row.blank", field)
    if isinstance(value, list):
        if all(isinstance(one, dict) and "type" in one and "role" not in one for one in value):
            return content_text(value, field), ""
        if isinstance(value[0], dict | str):
            if len({json.dumps(one, sort_keys=True, default=str) for one in value}) > 1:
                tally.guess("first_answer")
            return answer_text(value[0], field, tally)
    return split_reasoning(content_text(value, field), field)


def split_reasoning(text: str, field: str) -> tuple[str, str]:
    """`text` without the chain of thought that it begins with, and that.

    Raises:
        RowError: nothing else is there.
    """
    if "</" not in text:
        return text, ""
    if found := _THINKING.match(text):
        return text_of(text[found.end() :], field), found[2].strip()
    found = _UNOPENED.match(text)  # a prompt that ends with <think> leaves it out of the answer
    if found is None or "<think" in found[1].lower():
        return text, ""
    return text[found.end() :], found[1].strip()


def verdict(value: object) -> bool | None:
    """True or False as a truth value, weight or word says whether to learn; None where it says nothing."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None if value != value else value > 0
    if isinstance(value, str) and _WEIGHT.fullmatch(value):
        return float(value) > 0
    if isinstance(value, dict):  # {"rating": "thumbs_down"}
        inner = [verdict(one) for name, one in value.items() if names_of.fold(name) in names_of.VERDICTS]
        return inner[0] if len(inner) == 1 else None
    word = _word(value)
    return True if word in _YES else False if word in _NO else None


def is_pending(value: object) -> bool:
    """Return whether a cell says that there is no verdict yet."""
    return isinstance(value, str) and (_word(value) in _PENDING or value.strip() in _PENDING)


def _word(value: object) -> str:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else ""


def is_reviewed(value: object) -> bool:
    """Return whether a cell is a verdict whatever its column is called: approved, 驳回, 👎, ×."""
    return _word(value) in _REVIEWED


def truth(value: object) -> bool | None:
    """True or False where a cell holds nothing else: a truth value, 0 or 1, yes or no; a blank is no; None for any other."""
    if is_blank(value):
        return False
    if isinstance(value, int | float) and value not in (0, 1):
        return None
    if isinstance(value, str) and value.strip() not in ("0", "1") and _WEIGHT.fullmatch(value):
        return None
    return verdict(value)


def refuses(name: str, value: object) -> bool:
    """Return whether a cell under `name` says that its row or answer is not to be learned."""
    return verdict(value) is (names_of.fold(name) in names_of.REFUSALS)


def is_flag(value: object) -> bool:
    """Return whether a cell may be a verdict: true, false, or a weight from 0 to 1."""
    if isinstance(value, str) and _WEIGHT.fullmatch(value):
        value = float(value)
    if isinstance(value, int | float):
        return 0 <= value <= 1
    return verdict(value) is not None


def number_in(value: object) -> float | None:
    """The number that a cell is or writes; None for any other."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return None


def is_total(record: dict) -> bool:
    """Return whether a row of a table sums up the others: a word for totals, beside it numbers and blanks alone."""
    cells = [value for value in record.values() if not is_blank(value)]
    if not cells or not isinstance(cells[0], str) or not _TOTAL.fullmatch(cells[0]):
        return False
    return all(not isinstance(cell, str) or _AMOUNT.fullmatch(cell) for cell in cells[1:])


def _parsed(text: str, column: str) -> object:
    """The list that `text` writes as JSON, or as Python and numpy print it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            return ast.literal_eval(_BETWEEN.sub(",", text.strip()))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise RowError("data.row.list_text", column) from error


def listed(value: object, column: str) -> list:
    """A list, or the list that a table's cell holds as JSON or Python text; empty where it is blank.

    Raises:
        RowError: it is something else.
    """
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        value = _parsed(value, column)
    if is_blank(value):
        return []
    if isinstance(value, dict) and len(value) > 0 and all(isinstance(one, dict) for one in value.values()):
        return list(value.values())  # {"turn_1": {...}, "turn_2": {...}}
    if not isinstance(value, list):
        raise RowError("data.row.not_list", column, kind=kind_of(value))
    return value
