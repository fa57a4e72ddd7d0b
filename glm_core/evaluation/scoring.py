"""Two answers to one question become a verdict; many verdicts become a share with its uncertainty.

Covers: how near an answer is to its reference, the four verdicts, the three meters, answers that fall into a loop,
classification tables. Not here: asking (report.py), the published scores (metrics.py).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from glm_core.evaluation import metrics
from glm_core.evaluation.answer_pairs import Question, accepts

VERDICTS = ("learned", "partly", "unchanged", "worse")
KINDS = ("seen", "reworded", "unrelated")
METERS = {"learned": "seen", "generalises": "reworded", "kept": "unrelated"}
RIGHT = 0.8
"Closeness from which an answer says what its reference says."
JUST_WRONG = RIGHT - 0.01
STEP, OPEN_STEP = 0.1, 0.15
"Closeness gained or lost that counts; in open texts, which nobody repeats word for word, the gain that is enough."
OPEN_LENGTH = 40
"Characters from which a reference is an open text."
SURE = 1.96  # standard deviations of a 95 % interval
LONGEST_COMPARED = 400
LOOP = re.compile(r"([^\W\d].{1,40}?)\1{3,}|([^\W\d])\2{9,}", re.DOTALL)
MOST_LABELS, LONGEST_LABEL, FEWEST_ROWS = 12, 12, 6


def closeness(answer: str, reference: str) -> float:
    """ROUGE-L over characters (F1 of their longest common subsequence), width, case and blanks aside, from 0 to 1."""
    left = metrics.normalize(answer)[:LONGEST_COMPARED]
    right = metrics.normalize(reference)[:LONGEST_COMPARED]
    if left == right:
        return 1.0
    return 2 * _common(left, right) / (len(left) + len(right))


def _common(left: str, right: str) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for character in left:
        diagonal = 0
        for place, other in enumerate(right, 1):
            diagonal, row[place] = row[place], diagonal + 1 if character == other else max(row[place], row[place - 1])
    return row[-1]


def grade(question: Question, answer: str) -> float:
    """How right an answer is, from 0 to 1; at least `RIGHT` where it is right.

    Where words that a right answer contains are known, they decide; else the closeness to the reference does.
    """
    near = closeness(answer, question.reference) if question.reference else 0.0
    if not question.accept:
        return near
    return max(near, RIGHT) if accepts(question, answer) else min(near, JUST_WRONG)


@dataclass(frozen=True)
class Judgement:
    """One question judged: a verdict of `VERDICTS`, and how right the two answers are, from 0 to 1."""

    verdict: str
    before: float
    after: float

    @property
    def gain(self) -> float:
        """How much nearer the tuned answer is."""
        return self.after - self.before

    @property
    def good(self) -> bool:
        """Whether the tuned model answers as it should."""
        return self.verdict == "learned" or self.after >= RIGHT


def judge(question: Question, before: str, after: str) -> Judgement:
    """Learned: right now, and not before. Partly: nearer. Worse: further away, or no longer right. Else unchanged."""
    first, second = grade(question, before), grade(question, after)
    return Judgement(_verdict(first, second, len(metrics.normalize(question.reference)) > OPEN_LENGTH), first, second)


def _verdict(first: float, second: float, open_text: bool) -> str:
    gain = second - first
    if second >= RIGHT:
        return "unchanged" if first >= RIGHT else "learned"
    if first >= RIGHT or gain <= -STEP:
        return "worse"
    if open_text and gain >= OPEN_STEP:
        return "learned"
    return "partly" if gain >= STEP else "unchanged"


@dataclass(frozen=True)
class Proportion:
    """A share of questions.

    Attributes:
        name: of `METERS`.
        count, total: the questions with a good tuned answer, of those that count. For "kept" these are the ones that
            the original answers right, since only they can be lost.
        before: how many of them the original answers right.
    """

    name: str
    count: int
    total: int
    before: int

    @property
    def value(self) -> float | None:
        """The share, None where no question counts."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson, 1927), which is honest about few questions and about all or none."""
        return wilson(self.count, self.total)

    @property
    def grade(self) -> str:
        """In words: "good", "some", "none", or "unknown" where nothing was asked."""
        if self.value is None:
            return "unknown"
        good, some = (0.9, 0.7) if self.name == "kept" else (0.8, 0.2)
        return "good" if self.value >= good else "some" if self.value >= some else "none"


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % score interval of a share; (0, 1) where there is nothing."""
    if not total:
        return 0.0, 1.0
    share, square = count / total, SURE**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = SURE / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def meter(name: str, judged: Sequence[Judgement]) -> Proportion:
    """The meter `name` of the judgements of its kind of question."""
    right = [one for one in judged if one.before >= RIGHT]
    counted = right if name == "kept" else judged
    return Proportion(name, sum(one.good for one in counted), len(counted), len(right))


def pack_meters(strengths: dict[float, dict[str, Proportion]]) -> dict:
    """Meters by adapter strength as report.json keeps them."""
    return {
        f"{strength:g}": {name: [one.count, one.total, one.before] for name, one in meters.items()}
        for strength, meters in strengths.items()
    }


def unpack_meters(record: dict) -> dict[float, dict[str, Proportion]]:
    """Meters by adapter strength as read from a file.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: they are none.
    """
    return {
        float(strength): {name: Proportion(name, *_whole(meters[name])) for name in METERS}
        for strength, meters in record.items()
    }


def _whole(numbers: list) -> tuple[int, int, int]:
    count, total, before = map(int, numbers)
    if not 0 <= count <= total or before < 0:
        raise ValueError("meter")
    return count, total, before


def loops(answer: str) -> bool:
    """Whether an answer repeats itself: a stretch four times in a row, or one character ten times."""
    return LOOP.search(answer) is not None


@dataclass(frozen=True)
class Classification:
    """A closed set of labels: how often each was told right.

    Attributes:
        labels: the labels of the references; answers that are none of them count as "".
        confusion: (label, answered label) -> times.
    """

    labels: tuple[str, ...]
    confusion: dict[tuple[str, str], int]

    @property
    def accuracy(self) -> float:
        """Share of right labels."""
        return sum(self.confusion.get((one, one), 0) for one in self.labels) / max(1, sum(self.confusion.values()))

    @property
    def macro_f1(self) -> float:
        """F1 of each label, averaged without weights."""
        return sum(map(self._f1, self.labels)) / len(self.labels)

    def _f1(self, label: str) -> float:
        hits = self.confusion.get((label, label), 0)
        said = sum(times for (_, answered), times in self.confusion.items() if answered == label)
        wanted = sum(times for (one, _), times in self.confusion.items() if one == label)
        return 2 * hits / (said + wanted)


def classify(references: Sequence[str], answers: Sequence[str]) -> Classification | None:
    """The table of a classification task; None where the references are no small set of short labels."""
    wanted = [metrics.normalize(one) for one in references]
    labels = tuple(dict.fromkeys(wanted))
    few = 2 <= len(labels) <= min(MOST_LABELS, len(wanted) // 2) and len(wanted) >= FEWEST_ROWS
    if not few or any(len(label) > LONGEST_LABEL or not label for label in labels):
        return None
    confusion: dict[tuple[str, str], int] = {}
    for label, answer in zip(wanted, map(metrics.normalize, answers), strict=True):
        key = (label, answer if answer in labels else "")
        confusion[key] = confusion.get(key, 0) + 1
    return Classification(labels, confusion)
