"""Judge open texts, which nobody repeats word for word: right for a copy, wrong for a contradiction, else not told."""

from glm_core.evaluation.judge import negation, numbers, sentences, text
from glm_core.evaluation.judge.reasons import Judgement, right, unsure, wrong
from glm_core.evaluation.judge.sides import Side, covered, side

LENGTH = 40
"Characters from which a reference is an open text, which nobody repeats word for word."
COPY, SHUFFLED, FAR = 0.97, 0.85, 0.3


def judge(answer: str, reference: str, question: str) -> Judgement:
    """Right for a copy, wrong for a contradiction, disorder or another subject, else not told."""
    said, wanted = side(answer), side(reference)
    if negation.refusal(text.fold(answer)) and not negation.refusal(text.fold(reference)):
        return wrong("refused")
    near = text.likeness(numbers.to_digits(text.compact(answer)), numbers.to_digits(text.compact(reference)))
    if near < SHUFFLED and _bag(said.plain, wanted.plain) >= SHUFFLED:
        return wrong("shuffled") if near < 0.6 else unsure("other_order")
    if near >= 0.6:
        found = sentences.judge(answer, reference, question)
        if found.outcome == "wrong" or near >= COPY:
            return found
        return _contradicts(said, wanted) or (
            right("copy") if near >= 0.93 and found.outcome == "right" else unsure("open_text")
        )
    shared = len({one for one in wanted.content if covered(one, said)}) / max(1, len(set(wanted.content)))
    if shared < FAR:
        return wrong("unlike", wanted=wanted.content[0] if wanted.content else "")
    return _contradicts(said, wanted) or unsure("open_text")


def _contradicts(said: Side, wanted: Side) -> Judgement | None:
    """Wrong where a clause says nearly the same with another denial, number or word."""
    for left, other in sentences.align(said.plain, wanted.plain):
        near = text.likeness(left, other)
        if near > 0.6 and negation.denies(left) != negation.denies(other):
            return wrong("denial_differs")
        if 0.8 < near < 1:
            found = sentences.compare_words(side(left), side(other), side(""), "")
            if found.outcome == "wrong":
                return found
    missing = [one for one in wanted.quantities if not any(one.same(other) for other in said.quantities)]
    foreign = [one for one in said.quantities if not any(one.same(other) for other in wanted.quantities)]
    return wrong("other_number", said=foreign[0].shown, wanted=missing[0].shown) if missing and foreign else None


def _bag(left: str, right_text: str) -> float:
    """F1 of the characters two texts share, counted with repetition."""
    left, right_text = text.skeleton(left), text.skeleton(right_text)
    shared = sum(min(left.count(one), right_text.count(one)) for one in set(left))
    return 2 * shared / max(1, len(left) + len(right_text))
