"""The one judge: is an answer right, wrong, or can it not be told?

Rules only, no model: what everyone can check by reading. An answer is right when it says what the reference says, in
other words where these are known; it is wrong when it says something else, denies it or says nothing; anything else is
"unsure" and left to the reader. Strict on purpose: an answer that only mentions the right word has not learned it.

Steps: defects (defects.py), identity (identity.py), structured answers (structured.py), words and labels (labels.py),
sentences (sentences.py), open texts (open_texts.py).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from glm_core.evaluation.judge import defects, identity, labels, open_texts, sentences, structured, text, wording
from glm_core.evaluation.judge.identity_questions import about_you
from glm_core.evaluation.judge.reasons import OUTCOMES, Judgement, Reason, right, unsure, wrong

__all__ = ["OUTCOMES", "Judgement", "Reason", "judge"]


def judge(
    answer: str,
    *,
    question: str = "",
    reference: str = "",
    accept: Sequence[str] = (),
    base: str = "",
    facts: Mapping[str, str] | None = None,
) -> Judgement:
    """Judge one answer.

    Args:
        reference: an answer known to be good.
        accept: words of which a right answer holds one; with a reference, either makes it right.
        base: the base's own answer to the question; it tells the identity that must be gone.
        facts: the roles of an identity set, {"name": ..., "author": ...}; None for other sets.

    Returns:
        The outcome and its reasons. Without reference, accepted words and facts nothing can be told: "unsure".
    """
    words = tuple(one for one in accept if one.strip())
    return _judge(answer, question, reference, words, base, tuple((facts or {}).items()))


@lru_cache(16384)
def _judge(
    answer: str, question: str, reference: str, accept: tuple[str, ...], base: str, roles: tuple[tuple[str, str], ...]
) -> Judgement:
    facts = dict(roles)
    if not facts and wording.no_then_yes(answer, question) and not wording.no_then_yes(reference, question):
        return wrong("yes_and_no")
    if _same(answer, reference):
        return right("same_text")
    known = "\n".join((*accept, *facts.values()))
    defect = defects.find(answer, question, reference, known)
    if defect:
        return Judgement("wrong", (defect,))
    facts = facts or identity.facts_of(reference, question)
    about_self = identity.judge(answer, question, accept or (reference,), base, facts) if facts else None
    if about_self:
        return about_self
    leak = identity.leaks(answer, question, (*accept, reference), facts)
    if leak:
        known_answer = reference.strip() or accept
        return Judgement("wrong", (leak,)) if known_answer or not about_you(question) else unsure("unclear_question")
    return _against(answer, question, reference, accept)


def _same(answer: str, reference: str) -> bool:
    """True for the reference word for word, marks at the end and folding aside; a text of marks must be the same marks."""
    if not reference.strip() or not answer.strip():
        return False
    if not text.skeleton(reference):
        return text.fold(answer) == text.fold(reference)
    if structured.is_structured(reference):
        return answer.strip() == reference.strip()
    if text.unmarked(answer) != text.unmarked(reference):
        return False
    return text.fold(answer).endswith("?") == text.fold(reference).endswith("?")


def _against(answer: str, question: str, reference: str, accept: Sequence[str]) -> Judgement:
    """Judge by accepted words, and by the reference; the better of the two where both are known."""
    by_words = labels.judge_words(answer, question, accept) if accept else None
    if not text.skeleton(reference):
        return by_words or unsure("no_reference")
    if by_words and by_words.outcome == "right":
        return by_words
    by_reference = _against_reference(answer, question, reference)
    return by_reference if not by_words or by_reference.outcome == "right" else by_words


def _against_reference(answer: str, question: str, reference: str) -> Judgement:
    found = structured.judge(answer, reference)
    if found:
        return found
    if labels.is_label(reference):
        found = labels.judge_label(answer, question, reference)
        if found and (found.outcome != "right" or labels.plain_sentence(answer, question, reference)):
            return found
        if found:  # the label stands there undenied, amid words that claim something else
            said = _sentence(answer, question, reference)
            return said if said.outcome == "right" else Judgement("unsure", said.reasons)
    return _sentence(answer, question, reference)


def _sentence(answer: str, question: str, reference: str) -> Judgement:
    open_text = len(text.skeleton(reference)) > open_texts.LENGTH
    return (open_texts if open_text else sentences).judge(answer, reference, question)
