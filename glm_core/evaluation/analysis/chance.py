"""Controls against chance: what one label for everything would score, and the answers put to other questions.

A run has learned only what beats both by a paired test; a model that says one thing to everything is named.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from glm_core.evaluation import metrics
from glm_core.evaluation.analysis.statistics import LEVEL, mcnemar
from glm_core.evaluation.answer_pairs import Question, judge_answer

FEWEST = 5
"Questions from which a comparison with chance says something."
ALIKE = 0.5
"Share of one answer above which the model says one thing to everything, where the references do not."


@dataclass(frozen=True)
class Chance:
    """The tuned model beside three that know nothing of the question.

    Attributes:
        total: questions judged.
        right: the tuned model's. majority, permuted: right if every answer were the commonest reference, or the answer
            to another question; where the other reference would be right too, it does not count.
        p_majority, p_permuted: exact p that the tuned model is no better.
        alike: share of the commonest tuned answer. alike_references: of the commonest reference.
    """

    total: int
    right: int
    majority: int
    permuted: int
    p_majority: float
    p_permuted: float
    alike: float
    alike_references: float

    @property
    def collapsed(self) -> bool:
        """True where the model says one thing to everything."""
        return self.alike > max(ALIKE, 1.5 * self.alike_references)

    @property
    def beaten(self) -> bool:
        """True where the tuned model is better than both."""
        better = self.right > max(self.majority, self.permuted)
        return better and self.p_majority < LEVEL and self.p_permuted < LEVEL

    def to_dict(self) -> dict:
        """All fields, for `--json`."""
        return vars(self) | {"collapsed": self.collapsed, "beaten": self.beaten}


def compare(questions: Sequence[Question], answers: Sequence[str]) -> Chance | None:
    """Compare tuned answers with chance; None where there are too few questions with a reference."""
    pairs = [(one, answer) for one, answer in zip(questions, answers, strict=True) if one.reference]
    if len(pairs) < FEWEST:
        return None
    asked, told = zip(*pairs, strict=True)
    common, times = Counter(metrics.normalize(one.reference) for one in asked).most_common(1)[0]
    own = [_right(one, answer) for one, answer in pairs]
    majority = [metrics.normalize(one.reference) == common for one in asked]
    moved = zip(asked, _moved(told), _moved([one.reference for one in asked]), strict=True)
    permuted = [_right(one, answer) and not _right(one, other) for one, answer, other in moved]
    alike = Counter(map(metrics.normalize, told)).most_common(1)[0][1]
    return Chance(
        len(pairs), sum(own), sum(majority), sum(permuted), _p(own, majority), _p(own, permuted), alike / len(pairs), times / len(pairs)
    )  # fmt: skip


def _right(question: Question, answer: str) -> bool:
    return judge_answer(question, answer).outcome == "right"


def _moved(answers: Sequence[str]) -> list[str]:
    """The answers moved on by half of their number, so that no question keeps its own."""
    step = max(1, len(answers) // 2)
    return [answers[(place + step) % len(answers)] for place in range(len(answers))]


def _p(own: Sequence[bool], other: Sequence[bool]) -> float:
    lost = sum(theirs and not mine for mine, theirs in zip(own, other, strict=True))
    gained = sum(mine and not theirs for mine, theirs in zip(own, other, strict=True))
    return mcnemar(lost, gained)
