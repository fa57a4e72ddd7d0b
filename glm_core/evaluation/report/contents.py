"""Contents of a report: questions with both answers, judged; meters, drift, chance and classes from them.

Not here: how it is kept (file.py), how it is made (making.py).
"""

from dataclasses import asdict, dataclass, field
from functools import cached_property

from glm_core.evaluation import scoring
from glm_core.evaluation.analysis import chance as chance_controls
from glm_core.evaluation.analysis import minimal_pairs, side_effects
from glm_core.evaluation.analysis.drift import Drift
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.divergence import Divergence
from glm_core.evaluation.perplexity import Perplexity

VERSION = 1
"Of report.json."


@dataclass(frozen=True)
class Answer:
    """One answer, and whether it was broken off at the limit of `ANSWER_TOKENS`."""

    text: str
    cut: bool = False

    @property
    def loops(self) -> bool:
        """Return whether it repeats itself."""
        return scoring.loops(self.text)


@dataclass(frozen=True)
class Row:
    """One question with both answers."""

    question: Question
    before: Answer
    after: Answer

    @cached_property
    def verdict(self) -> scoring.Verdict:
        """Both answers judged."""
        return scoring.compare_answers(self.question, self.before.text, self.after.text)

    def to_dict(self) -> dict:
        """The entry of report.json; the verdict is for other programs to read."""
        judged = self.verdict
        reasons = [str(reason) for reason in judged.after.reasons]
        outcomes = [judged.before.outcome, judged.after.outcome]
        return {**asdict(self), "verdict": judged.name, "outcomes": outcomes, "reasons": reasons}


@dataclass(frozen=True)
class Report:
    """The whole report as one record.

    Attributes:
        adapter: what the adapter's files were; a newer adapter makes the report outdated.
        base: the base's name. step: the update after which the adapter was saved.
        distances: (question, how far the first-token distributions are apart, 0 to 1).
        causes: (text key, values) of verified reasons to warning the difference.
        references, unseen, neutral: perplexity of the good answers to trained and to held-out questions, and of neutral text.
        measures: kind -> measure -> [original, tuned], each (mean, low, high).
        seconds: how long it took.
        strengths: the meters at other strengths of the adapter, empty until they are asked for (scale_sweep.py).
        left_out: questions that are longer than the base's context and were not asked.
        drift: how far the model moved on the base's own answers to the controls. pairs: references against corruptions.
    """

    run: str
    name: str
    base: str
    adapter: str
    step: int | None
    rows: tuple[Row, ...]
    distances: tuple[tuple[str, float], ...] = ()
    causes: tuple[tuple[str, dict], ...] = ()
    references: Perplexity | None = None
    neutral: Perplexity | None = None
    measures: dict = field(default_factory=dict)
    seconds: float = 0.0
    made: float = 0.0
    strengths: dict[float, dict[str, scoring.Proportion]] = field(default_factory=dict)
    left_out: int = 0
    drift: Drift | None = None
    pairs: minimal_pairs.Pairs | None = None
    unseen: Perplexity | None = None

    def of(self, *kinds: str) -> list[Row]:
        """The rows of these kinds of question."""
        return [row for row in self.rows if row.question.kind in kinds]

    @property
    def meters(self) -> dict[str, scoring.Proportion]:
        """Learned, generalises, kept."""
        return scoring.meters(self.verdicts)

    @property
    def verdicts(self) -> dict[str, list[scoring.Verdict]]:
        """The verdicts by kind of question."""
        return {kind: [row.verdict for row in self.of(kind)] for kind in scoring.KINDS}

    @property
    def chance(self) -> chance_controls.Chance | None:
        """The tuned answers to trained questions beside models that know nothing; None where there are too few."""
        rows = self.of("seen")
        return chance_controls.compare([row.question for row in rows], [row.after.text for row in rows])

    @property
    def side_effects(self) -> side_effects.SideEffects | None:
        """Return what became of the answers to the controls; None where none were asked."""
        return side_effects.measure(self.of("unrelated"))

    @property
    def divergence(self) -> Divergence:
        """Return whether the two models differ at all."""
        return Divergence(self.distances, self.causes)

    def classification(self, side: str, kind: str = "seen") -> scoring.Classification | None:
        """The table of a classification task, for "before" or "after", trained and held-out rows apart; None for other tasks."""
        if kind == "seen":
            return self._table(side, kind)
        trained = self._table(side, "seen")
        return self._table(side, kind, trained.labels) if trained else self._table(side, kind)

    def _table(self, side: str, kind: str, known: tuple[str, ...] = ()) -> scoring.Classification | None:
        rows = [row for row in self.of(kind) if row.question.reference]
        answers = [getattr(row, side).text for row in rows]
        return scoring.classify([row.question.reference for row in rows], answers, known)

    @property
    def classes(self) -> dict[str, scoring.Classification]:
        """The tuned model's tables of a classification by kind of question, rows it has not seen first; empty for other tasks."""
        tables = {kind: self.classification("after", kind) for kind in ("unseen", "reworded", "seen")}
        return {kind: table for kind, table in tables.items() if table}

    def to_dict(self) -> dict:
        """The entry of report.json."""
        plain = {name: value for name, value in vars(self).items() if name not in ("rows", "strengths")}
        strengths = scoring.pack_meters(self.strengths)
        rows = [row.to_dict() for row in self.rows]
        return {"version": VERSION, "state": "done", **plain, "strengths": strengths, "rows": rows}
