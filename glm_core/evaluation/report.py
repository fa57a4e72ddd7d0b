"""The report of a run: its questions through the original and the tuned model, judged; kept as RUN_DIR/report.json.

    report.json   "state": running, cancelled or done; every pair of answers so far, so that it can go on where it ended;
                  when done, everything that is shown, exported and compared

Not here: when it is made (jobs.py), what it looks like (pages/report.py, evaluation/report_files/export.py).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from glm_core import workspace
from glm_core.evaluation import aggregate, divergence, question_sets, scoring
from glm_core.evaluation.analysis import chance as chance_controls
from glm_core.evaluation.analysis import drift as kl_drift
from glm_core.evaluation.analysis import minimal_pairs, side_effects
from glm_core.evaluation.analysis.drift import Drift
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.perplexity import Perplexity, perplexities
from glm_core.evaluation.side_by_side import fitting, requests
from glm_core.runs.files import read_record
from glm_core.runs.store import Run, write_record
from glm_core.serving.base import Engine
from glm_core.serving.generate_many import ask_all
from glm_core.serving.served_models import ServedModel

FILE = "report.json"
LARGEST = 256 << 20  # bytes of report.json; a report on a thousand long answers is some megabytes
VERSION = 1
ANSWER_TOKENS = 128
OWNER = "report"  # of the requests; the engine takes the owners in turn, so people are not kept waiting
SAVE_SECONDS = 3.0
STAGES = ("proof", "answers", "likelihood", "drift", "scores")

Watch = Callable[[str, float], None]


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

    def of(self, kind: str) -> list[Row]:
        """The rows of one kind of question."""
        return [row for row in self.rows if row.question.kind == kind]

    @property
    def meters(self) -> dict[str, scoring.Proportion]:
        """Learned, generalises, kept."""
        return {
            name: scoring.meter(name, [row.verdict for row in self.of(kind)]) for name, kind in scoring.METERS.items()
        }

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
    def proof(self) -> divergence.Proof:
        """Return whether the two models differ at all."""
        return divergence.Proof(self.distances, self.causes)

    def classification(self, side: str, kind: str = "seen") -> scoring.Classification | None:
        """The table of a classification task, for "before" or "after", trained and held-out rows apart; None for other tasks."""
        rows = [row for row in self.of(kind) if row.question.reference]
        return scoring.classify([row.question.reference for row in rows], [getattr(row, side).text for row in rows])

    def to_dict(self) -> dict:
        """The entry of report.json."""
        rows = [_pack(row) for row in self.rows]
        plain = {name: value for name, value in vars(self).items() if name not in ("rows", "strengths")}
        strengths = scoring.pack_meters(self.strengths)
        return {"version": VERSION, "state": "done", **plain, "strengths": strengths, "rows": rows}


def file_of(run: Run) -> Path:
    """The file of the report of `run`."""
    return run.path / FILE


_reports: workspace.FileCache[Report | None] = workspace.FileCache(64)
_states: workspace.FileCache[str] = workspace.FileCache(40_000)


def state_of(run: Run) -> str:
    """Return what report.json says: "done", "running", "cancelled", or "" where there is none."""
    try:
        state = _states.get(file_of(run), lambda file: read_record(Path(file), LARGEST).get("state"))
    except OSError:
        return ""
    return state if state in ("done", "running", "cancelled") else ""


def read(run: Run) -> Report | None:
    """The finished report of `run`; None where there is none that makes sense.

    Read and judged once for the same file: each row keeps its verdict.
    """
    try:
        found = _reports.get(file_of(run), lambda _: _read(run))
    except OSError:
        return None
    return found if found is None or found.name == run.name else replace(found, name=run.name)


def _read(run: Run) -> Report | None:
    record = read_record(file_of(run), LARGEST)
    if record.get("state") != "done" or record.get("version") != VERSION:
        return None
    try:
        rows = tuple(_unpack(row) for row in record["rows"])
        pairs = {name: _perplexity(record.get(name)) for name in ("references", "unseen", "neutral")}
        return Report(
            run=run.id,
            name=run.name,
            base=str(record["base"]),
            adapter=str(record["adapter"]),
            step=record["step"] if isinstance(record["step"], int) else None,
            rows=rows,
            distances=tuple((str(question), float(distance)) for question, distance in record["distances"]),
            causes=tuple((str(key), dict(values)) for key, values in record["causes"]),
            measures=aggregate.check(record["measures"]),
            seconds=float(record["seconds"]),
            made=float(record["made"]),
            strengths=scoring.unpack_meters(record.get("strengths", {})),
            left_out=int(record.get("left_out", 0)),
            drift=_numbers(record.get("drift"), Drift),
            pairs=_numbers(record.get("pairs"), minimal_pairs.Pairs),
            **pairs,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # another program's, or damaged: the page offers to make it anew


def _numbers(record: Any, kind):
    """A tuple of numbers of `kind` as kept; None where there is none.

    Raises:
        TypeError, ValueError: it is something else.
    """
    if record is None:
        return None
    found = kind(*record)
    if not all(isinstance(one, int | float) for one in found):
        raise ValueError(kind.__name__)
    return found


def _perplexity(record: Any) -> Perplexity | None:
    """The stored figures; reports made before there were intervals have two numbers."""
    return Perplexity(*(None if number is None else float(number) for number in record)) if record else None


def version_of(choice: ServedModel) -> str:
    """Tells one adapter of a run from a later one in its place."""
    files = sorted(path for path in choice.adapter.iterdir() if path.is_file())
    return "-".join([str(choice.step), *(f"{path.stat().st_size:x}.{path.stat().st_mtime_ns:x}" for path in files[:4])])


def make(engine: Engine, run: Run, choice: ServedModel, watch: Watch = lambda stage, share: None) -> Report:
    """Make the report of `run` and keep it. Goes on from the answers that an earlier, unfinished one has kept.

    Args:
        engine: an `Engine`; it answers people's questions in between.
        choice: the run as the engine's catalogue has it.
        watch: told the stage (of `STAGES`) and the share of it; an exception in it ends the work, what is answered stays.

    Raises:
        ServingError, ModelError: the base or the adapter cannot be loaded.
        RunError: the run has been deleted meanwhile, the disk is full or the run's directory cannot be written.
    """
    started = time.monotonic()
    watch("proof", 0.0)
    kept_questions = question_sets.kept(run)
    facts = next((one.facts for one in kept_questions if one.facts), ())  # names that no control may be answered with
    probed = question_sets.probed(run)
    controls = [one for one in question_sets.controls(choice.base) if one.text not in probed]
    asked = [*kept_questions, *(replace(one, facts=facts) for one in controls)]
    questions = fitting(engine, choice, asked)
    measured = divergence.differ(engine, choice, [question.text for question in questions])
    kept = _Kept(run, choice)
    rows = _answer_all(engine, choice, questions, kept, watch)
    likely = _likelihoods(engine, choice, rows, question_sets.neutral(choice.base), watch)
    moved, against = _movement(engine, choice, rows, watch)
    watch("scores", 0.0)
    report = Report(
        run.id,
        run.name,
        choice.base.name,
        kept.adapter,
        choice.step,
        rows,
        measured.distances,
        (*_doubts(run, choice), *measured.causes),
        measures=aggregate.measure(rows),
        seconds=time.monotonic() - started,
        made=time.time(),
        **likely,
        left_out=len(asked) - len(questions),
        drift=moved,
        pairs=against,
    )
    write_record(run, FILE, report.to_dict())
    return report


def cancelled(run: Run) -> None:
    """Note that an unfinished report does not go on by itself; a finished one stays as it is."""
    record = read_record(file_of(run), LARGEST)
    if record.get("state") == "running":
        write_record(run, FILE, {**record, "state": "cancelled"})


def _doubts(run: Run, choice: ServedModel):
    """Return what the adapter's own file says against it, and whether the report's rows also chose."""
    split = run.split()
    if split is not None and split.held_out and not split.reporting:
        yield "report.own_rows", {}
    record = read_record(choice.adapter / "easyaigc.json")
    base = record.get("base")
    if isinstance(base, str) and base and base != choice.base.name:
        yield "report.cause.other_base", {"there": base[:80], "here": choice.base.name}
    elif choice.outdated:
        yield "report.cause.other_weights", {"here": choice.base.name}


class _Kept:
    """The answers in report.json: greedy answers of the same adapter do not change, so none is asked twice."""

    def __init__(self, run: Run, choice: ServedModel):
        self._run, self.adapter = run, version_of(choice)
        record = read_record(file_of(run), LARGEST)
        self._answers = {_key(row.question): row for row in _whole(record, self.adapter)}
        self._saved = time.monotonic()

    def find(self, question: Question) -> Row | None:
        """The row of `question` with its answers, if there is one."""
        row = self._answers.get(_key(question))
        return Row(question, row.before, row.after) if row else None

    def add(self, row: Row) -> None:
        """Keep a row; it is on disk within `SAVE_SECONDS` of answering."""
        self._answers[_key(row.question)] = row
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write what is answered so far."""
        rows = [_pack(row) for row in self._answers.values()]
        write_record(self._run, FILE, {"version": VERSION, "state": "running", "adapter": self.adapter, "rows": rows})
        self._saved = time.monotonic()


def _key(question: Question) -> tuple:
    return tuple((message["role"], message["content"]) for message in question.messages)


def _whole(record: dict, adapter: str) -> list[Row]:
    """The rows of report.json if they are of this very adapter."""
    if record.get("version") != VERSION or record.get("adapter") != adapter:
        return []
    try:
        return [_unpack(row) for row in record["rows"]]
    except (KeyError, TypeError, ValueError):
        return []


def _answer_all(
    engine: Engine, choice: ServedModel, questions: Sequence[Question], kept: _Kept, watch: Watch
) -> tuple[Row, ...]:
    """Both models' greedy answers to all questions, in batches."""
    missing = [question for question in questions if kept.find(question) is None]
    asked = [
        request
        for question in missing
        for request in requests(engine, question.text, [choice], OWNER, question.history, max_new_tokens=ANSWER_TOKENS)
    ]
    answers: dict[int, Answer] = {}
    watch("answers", 0.0)
    try:
        for done, (number, handle) in enumerate(ask_all(engine, asked), 1):
            if handle.error is not None:
                raise handle.error
            answers[number] = Answer(handle.text, handle.finish_reason == "length")
            first = number - number % 2
            if first in answers and first + 1 in answers:
                kept.add(Row(missing[first // 2], answers[first], answers[first + 1]))
            watch("answers", done / len(asked))
    finally:
        kept.save()
    return tuple(kept.find(question) for question in questions)


def _likelihoods(engine: Engine, choice: ServedModel, rows: Sequence[Row], neutral, watch: Watch) -> dict:
    """Perplexity of the trained references, of the held-out ones and of the neutral text under both models."""
    texts = {name: _references(rows, kind) for name, kind in (("references", "seen"), ("unseen", "reworded"))}
    texts["neutral"] = neutral
    found = {}
    for place, (name, pairs) in enumerate(texts.items()):
        found[name] = perplexities(
            engine, choice, pairs, lambda share, done=place: watch("likelihood", (done + share) / len(texts))
        )
    return found


def _references(rows: Sequence[Row], kind: str) -> list[tuple[str, str]]:
    asked = [row.question for row in rows if row.question.kind == kind]
    return [(one.text, one.reference) for one in asked if one.reference and not one.history]


def _movement(engine: Engine, choice: ServedModel, rows: Sequence[Row], watch: Watch):
    """Drift on the base's own answers to the controls, and references against their corruptions."""
    watch("drift", 0.0)
    controls = [(row.question.text, row.before.text) for row in rows if row.question.kind == "unrelated"]
    moved = kl_drift.measure(engine, choice, controls, lambda share: watch("drift", 0.5 * share))
    trained = [row.question for row in rows if row.question.kind != "unrelated"]
    return moved, minimal_pairs.measure(engine, choice, trained, lambda share: watch("drift", 0.5 + 0.5 * share))


def _pack(row: Row) -> dict:
    """A row of report.json; the verdict is for other programs to read."""
    judged = row.verdict
    reasons = [str(reason) for reason in judged.after.reasons]
    return {
        **asdict(row),
        "verdict": judged.name,
        "outcomes": [judged.before.outcome, judged.after.outcome],
        "reasons": reasons,
    }


def _unpack(record: dict) -> Row:
    """A row of report.json. Verdicts are not read but judged anew."""
    asked = record["question"]
    question = Question(
        text=_text(asked["text"]),
        kind=asked["kind"],
        accept=tuple(map(_text, asked["accept"])),
        reference=_text(asked["reference"]),
        history=tuple(asked["history"]),
        facts=question_sets.unpack_facts(dict(asked.get("facts", ()))),
    )
    if question.kind not in scoring.KINDS or not question_sets.are_messages(list(question.history)):
        raise ValueError(question.kind)
    before, after = (Answer(_text(record[side]["text"]), record[side]["cut"] is True) for side in ("before", "after"))
    return Row(question, before, after)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value
