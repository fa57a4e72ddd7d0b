"""Is a question a trained one in disguise? Equal, nearly equal, or with polite words around.

Such a question says nothing about other wordings. Also the polite words themselves, for sets that have no other wordings.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from glm_core.data import similar
from glm_core.evaluation.answer_pairs import Question

QUESTION_MARK = re.compile(r"[?？]\s*$")
LONGEST_WRAPPED = 60
POLITE = ("请问，{}", "我想知道：{}", "麻烦你告诉我，{}", "帮个忙，{}谢谢！")
_MARKS = r"[\s,，。.!！?？:：;；、~～…]*"
_BEFORE = re.compile(
    rf"^{_MARKS}(?:(?:请|想)?(?:问|教)(?:一下|下|问)?(?:你|您)?|我?(?:很|就)?想(?:要)?(?:知道|了解)(?:一下|下)?|麻烦(?:你|您)?|劳驾|打扰(?:一下|了)?|"
    r"帮(?:个|我个|我)忙|(?:能|可)?(?:不能|不可以|否|以)?请?(?:你|您)?(?:告诉|回答)(?:一下|下)?我?|你好(?:呀|啊)?|您好|有个问题|"
    r"excuse me|could you (?:please )?tell me|can you (?:please )?tell me|please(?: tell me)?|i(?:'d| would) like to know|"
    rf"i want to know|tell me|hello|hi(?: there)?)(?:\b|(?=[^a-z])){_MARKS}",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"{_MARKS}(?:谢谢(?:你|您|啦|了)?|多谢(?:了)?|感谢|拜托(?:了)?|好吗|可以吗|行吗|thank you(?: very much)?|thanks|please){_MARKS}$",
    re.IGNORECASE,
)


def unwrap(question: str) -> str:
    """Return `question` without the polite words before and after it."""
    found = question
    for _ in range(6):
        less = _AFTER.sub("", _BEFORE.sub("", found, count=1), count=1)
        if less == found or not similar.normalize(less):
            break
        found = less
    return found


def disguise(question: str, trained: Sequence[str]) -> str:
    """Return how `question` is a trained one: "trained" where it is equal or nearly equal, "wrapped" where polite words are around, else ""."""
    if similar.has_close(question, trained):
        return "trained"
    plain = unwrap(question)
    return "wrapped" if plain != question and similar.has_close(plain, trained) else ""


def wrap(tuned: Sequence[Question]) -> list[Question]:
    """The short questions of `tuned` as somebody else would begin them."""
    questions = [one for one in tuned if QUESTION_MARK.search(one.text) and len(one.text) <= LONGEST_WRAPPED]
    return [
        replace(one, text=POLITE[place % len(POLITE)].format(one.text.strip()), kind="wrapped")
        for place, one in enumerate(questions)
    ]
