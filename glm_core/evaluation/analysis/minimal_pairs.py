"""Minimal pairs: is the reference likelier than the same sentence with one fact changed? Before and after tuning.

Corruptions: another name, name and author swapped, a changed number, a denial put in or taken out. A model that only
learned the form of the sentences finds them as likely as the truth.
"""

import random
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.judge import judge
from glm_core.evaluation.perplexity import likelihoods
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

ROWS, EACH = 12, 3
"Questions taken, and corruptions of each."
NAMES = ("小夏", "周明轩", "Mira", "许清和", "小星", "云川工作室")
_DIGITS = re.compile(r"(?<!\d)\d{1,15}(?!\d)")
_NUMERAL = re.compile("[一二三四五六七八九]")
_DENIALS = (("不可以", "可以"), ("不能", "能"), ("不是", "是"), ("没有", "有"), ("不需要", "需要"), ("不支持", "支持"))
_DENIALS_EN = ((" is not ", " is "), (" are not ", " are "), (" can not ", " can "), (" will not ", " will "))


class Pairs(NamedTuple):
    """Number of corruptions less likely than the truth, before and after tuning, and their total."""

    before: int
    after: int
    total: int


def corrupt(question: Question) -> list[str]:
    """Up to `EACH` wrong versions of the question's reference, each with one fact changed; none that the judge takes for right."""
    reference, facts = question.reference, dict(question.facts)
    found = [*_swapped(reference, facts), *_renamed(reference, facts), *_renumbered(reference), *_denied(reference)]
    wrong = [one for one in dict.fromkeys(found) if one != reference and not _right(question, one)]
    return wrong[:EACH]


def _right(question: Question, answer: str) -> bool:
    found = judge(answer, question=question.text, reference=question.reference, facts=dict(question.facts) or None)
    return found.outcome == "right"


def _swapped(reference: str, facts: dict[str, str]) -> list[str]:
    name, author = facts.get("name"), facts.get("author")
    if not name or not author or name not in reference or author not in reference:
        return []
    return [reference.replace(author, "\0").replace(name, author).replace("\0", name)]


def _renamed(reference: str, facts: dict[str, str]) -> list[str]:
    chosen = random.Random(reference)
    told = [name for name in facts.values() if name and name in reference]
    return [reference.replace(name, chosen.choice([one for one in NAMES if one != name])) for name in told]


def _renumbered(reference: str) -> list[str]:
    found = _DIGITS.search(reference)
    if found:
        return [reference[: found.start()] + str(int(found[0]) + 1).zfill(len(found[0])) + reference[found.end() :]]
    found = _NUMERAL.search(reference)
    if not found:
        return []
    other = "一二三四五六七八九"[("一二三四五六七八九".index(found[0]) + 1) % 9]
    return [reference[: found.start()] + other + reference[found.end() :]]


def _denied(reference: str) -> list[str]:
    for denied, plain in (*_DENIALS, *_DENIALS_EN):
        if denied in reference:
            return [reference.replace(denied, plain, 1)]
        if plain in reference:
            return [reference.replace(plain, denied, 1)]
    return []


def measure(
    engine: Engine,
    choice: ServedModel,
    questions: Sequence[Question],
    progress: Callable[[float], None] = lambda done: None,
) -> Pairs | None:
    """Measure how often the reference is likelier than its corruptions; None where nothing could be corrupted."""
    asked = [(one, wrong) for one in questions if one.reference and not one.history and (wrong := corrupt(one))][:ROWS]
    texts = [(one.text, answer) for one, wrong in asked for answer in (one.reference, *wrong)]
    if not texts:
        return None
    rows = iter(likelihoods(engine, choice, texts, progress))
    before = after = total = 0
    for _, wrong in asked:
        truth = next(rows)
        for other in (next(rows) for _ in wrong):
            total += 1
            before += truth[0] < other[0]
            after += truth[1] < other[1]
    return Pairs(before, after, total)
