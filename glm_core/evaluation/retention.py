"""Learnt and kept over a run: its abilities.jsonl judged as a report judges, and the update where the two balance best.

Not here: asking (training/probes.py), going back to an update (runs/rollback.py), drawing (runs/figures.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from glm_core.evaluation import question_sets, scoring
from glm_core.evaluation.analysis.statistics import LEVEL, mcnemar
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.scoring import Proportion, Verdict
from glm_core.i18n import t
from glm_core.runs import Run
from glm_core.runs.files import number

LONGEST = 8000  # characters of one answer


@dataclass(frozen=True)
class Point:
    """One evaluation: how much of the data is answered well, how much of what the base could do is still answered right."""

    step: int
    learned: Proportion
    kept: Proportion
    asked_unrelated: int
    "Control questions, of which the meter counts those that the base answers right."
    right: tuple[bool, ...] = ()
    "Whether each question is answered right, in the order of the probes; empty where it is not known."

    @property
    def balance(self) -> float | None:
        """See `balance`."""
        return balance(self.learned.value, self.kept.value)


def balance(learned: float | None, kept: float | None) -> float | None:
    """The harmonic mean of two shares, 2 l k / (l + k), as F1 has it: high only where both are.

    None where one of them was not asked for: nothing can be weighed then.
    """
    if learned is None or kept is None:
        return None
    return 2 * learned * kept / (learned + kept) if learned + kept else 0.0


def best(points: Sequence[Point]) -> Point | None:
    """The point after the beginning with the highest balance, the latest among equals; None where nothing was learnt.

    An earlier point than the last is chosen only where it is clearly better on the same questions (McNemar's test).
    """
    weighed = [point for point in points if point.step and point.balance is not None]
    if not any(point.balance for point in weighed):
        return None
    found = max(weighed, key=lambda point: (round(point.balance or 0.0, 6), point.step))
    return found if clearly_better(found, weighed[-1]) else weighed[-1]


def clearly_better(one: Point, last: Point) -> bool:
    """Return whether the answers at one step are clearly better than those to the same questions at another (McNemar's test)."""
    if not one.right or len(one.right) != len(last.right):
        return True  # shares alone are known
    pairs = list(zip(one.right, last.right, strict=True))
    return mcnemar(sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)) < LEVEL


def read(run: Run, rows: Sequence[dict]) -> tuple[Point, ...]:
    """The points of the rows of `Run.probe_rows` by step; none where they make no sense."""
    began = next((row for row in reversed(rows) if isinstance(row.get("probes"), list)), None)
    questions = [_question(probe) for probe in began["probes"]] if began else []
    if not questions or None in questions or (before := _answers(began, len(questions))) is None:
        return ()
    told = {one.text: one for one in question_sets.propose(run) if one.kind == "seen"}  # the facts of an imprint
    facts = next((one.facts for one in told.values() if one.facts), ())
    questions = [_with_facts(one, told.get(one.text), facts) for one in questions]
    answered = {row["step"]: answers for row in rows if (answers := _answers(row, len(questions))) is not None}
    return tuple(_judge(int(step), questions, before, answered[step]) for step in sorted(answered))


def _with_facts(question: Question, told: Question | None, facts: tuple) -> Question:
    """`question` with the identity facts of the run's data, which no control may be answered with either."""
    accept = told.accept if told and question.kind == "seen" else question.accept
    return replace(question, accept=accept, facts=facts)


def _judge(step: int, questions: Sequence[Question], before: Sequence[str], after: Sequence[str]) -> Point:
    judged: dict[str, list[Verdict]] = {"seen": [], "unrelated": []}
    right = []
    for question, old, new in zip(questions, before, after, strict=True):
        verdict = scoring.compare_answers(question, old, new)
        judged[question.kind].append(verdict)
        right.append(verdict.after.outcome == "right")
    return Point(
        step,
        scoring.meter("learned", judged["seen"]),
        scoring.meter("kept", judged["unrelated"]),
        len(judged["unrelated"]),
        tuple(right),
    )


def _question(probe: object) -> Question | None:
    """One question of the first row; None where it makes no sense."""
    if not isinstance(probe, dict) or probe.get("kind") not in ("seen", "unrelated"):
        return None
    text, reference, accept = probe.get("question"), probe.get("reference", ""), probe.get("accept", [])
    if not isinstance(accept, list) or not all(isinstance(one, str) for one in (text, reference, *accept)):
        return None
    return Question(text, probe["kind"], tuple(accept), reference)


def _answers(row: dict, count: int) -> list[str] | None:
    answers, step = row.get("answers"), number(row.get("step"))
    whole = isinstance(answers, list) and len(answers) == count and all(isinstance(one, str) for one in answers)
    return [one[:LONGEST] for one in answers] if whole and step is not None and step >= 0 else None


def about(points: Sequence[Point]) -> str:
    """Return what the two shares count."""
    if not points:
        return t("retention.later")
    learned, kept = points[-1].learned, points[-1].kept
    key = "retention.about" if points[-1].asked_unrelated else "retention.about_seen"
    return t(key, seen=learned.total, unrelated=points[-1].asked_unrelated, before=kept.total)


def lines(points: Sequence[Point]) -> tuple[list[tuple[int, float]], list[tuple[int, float]], int | None]:
    """(update, share) of what was learned and of what was kept, and the update of the best balance."""
    learned = [(one.step, one.learned.value) for one in points if one.learned.value is not None]
    kept = [(one.step, one.kept.value) for one in points if one.kept.value is not None]
    found = best(points)
    return learned, kept, found.step if found else None


def bands(points: Sequence[Point]) -> dict[str, list[tuple[int, float, float]]]:
    """(update, low, high): 95 % intervals of what was learned and of what was kept."""
    return {
        name: [(one.step, *getattr(one, name).interval) for one in points if getattr(one, name).value is not None]
        for name in ("learned", "kept")
    }


def share(meter: Proportion) -> str:
    """A meter as `100%`, a dash where nothing counted."""
    return "–" if meter.value is None else f"{meter.value:.0%}"


def label(step: int, points: Sequence[Point]) -> str:
    """An update as one chooses it: with its two shares, where they are known, and whether it is the best."""
    point = next((one for one in points if one.step == step), None)
    if point is None or point.balance is None:
        return t("run.at_step", step=step)
    key = "retention.choice_best" if point is best(points) else "retention.choice"
    return t(key, step=step, learned=share(point.learned), kept=share(point.kept))
