"""Has a run learned its rows? The first sentence of a finished run, by the judge, and why not where it has not.

The trainer writes down what trained rows are answered at the end (`learned.json`); here they are judged, and the reasons
why rows are usually not learned are checked, the likeliest first. Not here: the report, which asks other questions too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from glm_core.data import DataError, Example, row_file
from glm_core.data.analysis import statistics
from glm_core.evaluation import question_sets, scoring
from glm_core.evaluation.answer_pairs import Question, judge_answer
from glm_core.evaluation.scoring import Classification
from glm_core.i18n import t
from glm_core.runs import Run
from glm_core.runs.files import read_record
from glm_core.training.plan import ENOUGH_UPDATES, MOST_EPOCHS, plan
from glm_core.training.settings import SettingsError, TrainingSettings

SCANNED = 5000  # rows of the data that are looked through for contradictions
FALLING = 0.9  # of the loss before, that a loss is below which falls
LIMIT = 1024  # tokens that longer answers are given at most


@dataclass(frozen=True)
class Remedy:
    """One press that mends: "continue" from the adapter or "again" with `settings`, or "data" where the rows are at fault."""

    kind: str
    settings: TrainingSettings | None = None


@dataclass(frozen=True)
class Learning:
    """Answers to the trained rows at the end of a run.

    Attributes:
        right, wrong, unsure: rows by the judge's outcome.
        reason: text key of the likeliest reason why not, with its values; empty where it has learned.
        trained, unseen: accuracy and confusion where the answers are few short labels.
    """

    right: int
    wrong: int
    unsure: int
    step: int
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    remedy: Remedy | None = None
    trained: Classification | None = None
    unseen: Classification | None = None

    @property
    def total(self) -> int:
        """Rows that were asked."""
        return self.right + self.wrong + self.unsure

    @property
    def grade(self) -> str:
        """Return "good", "some" or "none"; "unsure" where too much cannot be judged."""
        if self.unsure > scoring.MOST_UNSURE * self.total:
            return "unsure"
        return scoring.grade("learned", self.right / self.total)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return t(f"report.verdict_line.{self.grade}", count=self.right, total=self.total, unsure=self.unsure)

    @property
    def because(self) -> str:
        """The likeliest reason in words, empty where there is none to give."""
        return t(self.reason, **self.values) if self.reason else ""


def read(run: Run, losses: Sequence[float] = ()) -> Learning | None:
    """The verdict on a finished run; None where its trainer wrote down no answers.

    Args:
        losses: of the training steps, in order; they tell whether it still learned when it ended.
    """
    record = read_record(run.path / "learned.json")
    rows, unseen = _rows(record.get("rows")), _rows(record.get("held_out"))
    step = record.get("step")
    if not rows or type(step) is not int:
        return None
    questions = question_sets.with_identity(
        [Question(one["question"], "seen", reference=one["reference"]) for one in rows]
    )
    judged = [judge_answer(question, one["answer"]).outcome for question, one in zip(questions, rows, strict=True)]
    right, wrong, unsure = (judged.count(outcome) for outcome in ("right", "wrong", "unsure"))
    trained = _table(rows)
    found = Learning(
        right, wrong, unsure, step, trained=trained, unseen=_table(unseen, trained.labels if trained else ())
    )
    if found.grade == "good":
        return found
    missed = [one for one, outcome in zip(rows, judged, strict=True) if outcome != "right"]
    reason, values, remedy = next(_reasons(run, missed, losses), ("", {}, None))
    return Learning(right, wrong, unsure, step, reason, values, remedy, found.trained, found.unseen)


def _rows(record: object) -> list[dict]:
    """The rows that make sense."""
    kept = record if isinstance(record, list) else []
    names = ("question", "reference", "answer")
    return [one for one in kept if isinstance(one, dict) and all(isinstance(one.get(name), str) for name in names)]


def _table(rows: Sequence[dict], known: Sequence[str] = ()) -> Classification | None:
    return scoring.classify([one["reference"] for one in rows], [one["answer"] for one in rows], known)


def _reasons(run: Run, missed: Sequence[dict], losses: Sequence[float]) -> Iterator[tuple[str, dict, Remedy]]:
    """Yield the reasons that hold, the likeliest first: (text key, values, what mends it)."""
    try:
        settings = TrainingSettings.from_dict(run.settings)
    except (SettingsError, TypeError):
        return
    contradicting = _contradicting(run, missed)
    if 2 * contradicting >= len(missed):
        yield "learning.contradicting", {"count": contradicting}, Remedy("data")
    cut = read_record(run.path / "status.json").get("cut")
    if isinstance(cut, int) and 2 * min(cut, sum(map(_breaks_off, missed))) >= len(missed):
        longer = {
            "max_source_length": min(LIMIT, 2 * settings.max_source_length),
            "max_target_length": min(LIMIT, 2 * settings.max_target_length),
        }
        yield "learning.cut", {"count": cut}, Remedy("again", settings.changed(**longer))
    doubts = {one.key: one for one in plan(run.dataset["rows"], settings).warnings}
    for key in ("guard.rate_low", "guard.rate_high"):
        if key in doubts and (_rises(losses) if key == "guard.rate_high" else not _moved(losses)):
            reason = "learning.rate_low" if key == "guard.rate_low" else "learning.rate_high"
            better = settings.changed(**doubts[key].changes)
            yield reason, {"rate": f"{settings.learning_rate:g}"}, Remedy("again", better)
    if _rises(losses):
        slower = settings.changed(learning_rate=settings.learning_rate / 10)
        yield "learning.rate_high", {"rate": f"{settings.learning_rate:g}"}, Remedy("again", slower)
    more = Remedy("continue", settings.changed(epochs=min(MOST_EPOCHS, 2 * settings.epochs), max_steps=0))
    steps = plan(run.dataset["rows"], settings).updates
    if steps < ENOUGH_UPDATES:
        enough = doubts["guard.few_updates"].changes
        yield "learning.few_steps", {"steps": steps}, Remedy("continue", settings.changed(**enough)) if enough else more
    elif _falls(losses):
        yield "learning.still_falling", {}, more
    yield "learning.more", {}, more


def _breaks_off(row: dict) -> bool:
    """Return whether an answer is the beginning of what the row teaches: all that training saw of a cut row."""
    answer = row["answer"].strip()
    return bool(answer) and answer != row["reference"].strip() and row["reference"].strip().startswith(answer)


def _contradicting(run: Run, missed: Sequence[dict]) -> int:
    """Number of the `missed` questions that the data answers in several ways."""
    asked = {one["question"] for one in missed}
    try:
        examples: list[Example] = [one for _, one in row_file.read_lines(run.path / "dataset.jsonl") if one][:SCANNED]
    except DataError:
        return 0
    found = statistics(examples).contradicting
    return len(asked & {examples[place].question for place in found})


def _tenths(losses: Sequence[float]) -> tuple[float, float] | None:
    """Mean loss of the last tenth of the steps and of the one before; None for few steps."""
    size = len(losses) // 10
    if size < 1:
        return None
    return sum(losses[-size:]) / size, sum(losses[-2 * size : -size]) / size


def _falls(losses: Sequence[float]) -> bool:
    tenths = _tenths(losses)
    return tenths is not None and tenths[0] < FALLING * tenths[1]


def _moved(losses: Sequence[float]) -> bool:
    """Return whether the loss ends clearly below where it began, so that the model did change."""
    return len(losses) >= 10 and sum(losses[-5:]) < FALLING * sum(losses[:5])


def _rises(losses: Sequence[float]) -> bool:
    """Return whether the loss ends higher than it began."""
    return len(losses) >= 10 and sum(losses[-5:]) > sum(losses[:5])
