"""The judge's word on many answers: verdicts on pairs of answers, shares with their uncertainty, tables of classes.

`judge` is the one judge of the program (judge/). Covers: what tuning did to one question, the three meters, answers that
fall into a loop, classification tables. Not here: asking (report/asking.py), the published scores (metrics.py).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glm_core.evaluation import metrics
from glm_core.evaluation.analysis.statistics import wilson
from glm_core.evaluation.answer_pairs import Question, judge_answer
from glm_core.evaluation.judge import Judgement, defects, judge, text

VERDICTS = ("learned", "unchanged", "unsure", "not_right", "worse")
KINDS = ("seen", "wrapped", "reworded", "unseen", "unrelated")
METERS = {"learned": ("seen",), "generalises": ("reworded", "unseen"), "kept": ("unrelated",)}
"The kinds of question that each meter counts."
GRADES = {"learned": (0.9, 0.2), "generalises": (0.8, 0.2), "kept": (0.9, 0.7)}
"Shares from which a meter is good, and from which it is some."
MOST_UNSURE = 0.2
"Share of answers that cannot be judged, above which a meter is not known."
WORTH = {"right": 1.0, "unsure": 0.5, "wrong": 0.0}
LOOP_SHOWN = 40
"Characters that are shown of an answer that repeats itself."
MOST_LABELS, LONGEST_LABEL, FEWEST_ROWS = 12, 12, 6


def closeness(answer: str, reference: str) -> float:
    """ROUGE-L over characters (F1 of their longest common subsequence), width, case and blanks aside, from 0 to 1."""
    return text.likeness(answer, reference)


@dataclass(frozen=True)
class Verdict:
    """Both answers to one question judged, and how near each is to the reference, from 0 to 1."""

    before: Judgement
    after: Judgement
    near_before: float = 0.0
    near_after: float = 0.0

    @property
    def name(self) -> str:
        """Of `VERDICTS`: what tuning did to this question."""
        if self.after.outcome == "unsure":
            return "unsure"
        if self.after.outcome == "right":
            return "unchanged" if self.before.outcome == "right" else "learned"
        return "worse" if self.before.outcome == "right" else "not_right"

    @property
    def gain(self) -> float:
        """Advantage of the tuned answer, to order rows by: outcomes first, nearness among equals."""
        return WORTH[self.after.outcome] - WORTH[self.before.outcome] + 0.1 * (self.near_after - self.near_before)


def compare_answers(question: Question, before: str, after: str) -> Verdict:
    """Judge the base's and the tuned answer to `question`."""
    first, second = (judge_answer(question, answer, before) for answer in (before, after))
    near = [closeness(answer, question.reference) if question.reference else 0.0 for answer in (before, after)]
    return Verdict(first, second, *near)


@dataclass(frozen=True)
class Proportion:
    """A share of questions answered right, of those whose answer can be judged.

    Attributes:
        name: of `METERS`.
        count: right answers. total: right and wrong ones. For "kept" only the questions that the base answers right
            are counted, since only they can be lost.
        before: how many of the questions the base answers right.
        unsure: answers beside them that cannot be judged.
    """

    name: str
    count: int
    total: int
    before: int
    unsure: int = 0

    @property
    def known(self) -> bool:
        """True where enough of the answers can be judged for the share to say something."""
        return self.total > 0 and self.unsure <= MOST_UNSURE * (self.total + self.unsure)

    @property
    def value(self) -> float | None:
        """The share, None where it is not known."""
        return self.count / self.total if self.known else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson, 1927), which is honest about few questions and about all or none."""
        return wilson(self.count, self.total)

    @property
    def bounds(self) -> tuple[float, float]:
        """The share if all answers that cannot be judged were wrong, and if all were right."""
        asked = self.total + self.unsure
        return (self.count / asked, (self.count + self.unsure) / asked) if asked else (0.0, 1.0)

    @property
    def grade(self) -> str:
        """In words: "good", "some", "none", "unsure" where too much cannot be judged, "unknown" where nothing was asked."""
        if self.value is None:
            return "unsure" if self.unsure else "unknown"
        return grade(self.name, self.value)


def grade(meter: str, share: float) -> str:
    """A share that is known, of `meter`, in words: "good", "some" or "none"."""
    good, some = GRADES[meter]
    return "good" if share >= good else "some" if share >= some else "none"


def meter(name: str, verdicts: Sequence[Verdict]) -> Proportion:
    """The meter `name` of the verdicts of its kind of question."""
    right = [one for one in verdicts if one.before.outcome == "right"]
    told = Counter(one.after.outcome for one in (right if name == "kept" else verdicts))
    return Proportion(name, told["right"], told["right"] + told["wrong"], len(right), told["unsure"])


def meters(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, Proportion]:
    """All meters, from the verdicts by kind of question."""
    return {
        name: meter(name, [one for kind in kinds for one in verdicts.get(kind, ())]) for name, kinds in METERS.items()
    }


def pack_meters(strengths: dict[float, dict[str, Proportion]]) -> dict:
    """Meters by adapter strength as report.json keeps them."""
    return {
        f"{strength:g}": {name: [one.count, one.total, one.before, one.unsure] for name, one in meters.items()}
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


def _whole(numbers: list) -> tuple[int, int, int, int]:
    count, total, before, unsure = (*map(int, numbers), 0)[:4]
    if not 0 <= count <= total or before < 0 or unsure < 0:
        raise ValueError("meter")
    return count, total, before, unsure


def loops(answer: str) -> bool:
    """True where an answer repeats itself over and over."""
    return defects.loops(text.fold(answer))


def without_loop(answer: str) -> str:
    """Return the answer; of one that repeats itself no more than two lines, since all of it would fill the screen."""
    if len(answer) <= LOOP_SHOWN or not loops(answer):
        return answer
    return " ".join(answer[:LOOP_SHOWN].split()) + "…"


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
        """F1 of each label, averaged without weights; of a label that no row wanted and no answer gave there is none."""
        found = [one for one in map(self._f1, self.labels) if one is not None]
        return sum(found) / max(1, len(found))

    def _f1(self, label: str) -> float | None:
        hits = self.confusion.get((label, label), 0)
        said = sum(times for (_, answered), times in self.confusion.items() if answered == label)
        wanted = sum(times for (one, _), times in self.confusion.items() if one == label)
        return 2 * hits / (said + wanted) if said + wanted else None


def classify(references: Sequence[str], answers: Sequence[str], known: Sequence[str] = ()) -> Classification | None:
    """The table of a classification task; None where the references are no small set of short labels.

    Args:
        known: labels of the set that these rows are of; then a few rows are enough.
    """
    wanted = [metrics.normalize(one) for one in references]
    labels = tuple(known) or tuple(dict.fromkeys(wanted))
    if known:
        if not wanted or not set(wanted) <= set(labels):
            return None
    elif not _are_labels(labels, len(wanted)):
        return None
    confusion: dict[tuple[str, str], int] = {}
    for label, answer in zip(wanted, answers, strict=True):
        key = (label, _label_in(answer, labels))
        confusion[key] = confusion.get(key, 0) + 1
    return Classification(labels, confusion)


def _are_labels(labels: Sequence[str], rows: int) -> bool:
    """Return whether these are the labels of a classification: few, short, and each told by several rows."""
    few = 2 <= len(labels) <= min(MOST_LABELS, rows // 2) and rows >= FEWEST_ROWS
    return few and all(0 < len(label) <= LONGEST_LABEL for label in labels)


def _label_in(answer: str, labels: Sequence[str]) -> str:
    """The one label that `answer` gives, alone or in a sentence; empty for none and for several."""
    plain = metrics.normalize(answer)
    if plain in labels:
        return plain
    options = "、".join(labels)
    told = [
        one
        for one in labels
        if one in plain and judge(answer, question=f"({options})", reference=one).outcome == "right"
    ]
    return told[0] if len(told) == 1 else ""
