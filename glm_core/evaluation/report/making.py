"""Making a report: its questions through the original and the tuned model, then what only the weights can tell.

Not here: when it is made (jobs.py), what it looks like (pages/report.py, evaluation/report_files/export.py).
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from glm_core.evaluation import aggregate, divergence, question_sets, stored_questions
from glm_core.evaluation.analysis import drift as kl_drift
from glm_core.evaluation.analysis import minimal_pairs
from glm_core.evaluation.analysis.resampling import clusters
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.perplexity import perplexities
from glm_core.evaluation.report import file
from glm_core.evaluation.report.asking import Watch, answer_all
from glm_core.evaluation.report.contents import Report, Row
from glm_core.evaluation.side_by_side import fitting
from glm_core.runs import Run
from glm_core.runs.files import read_record
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

STAGES = ("divergence", "answers", "likelihood", "drift", "scores")


def version_of(choice: ServedModel) -> str:
    """Tells one adapter of a run from another one in its place, by what it holds: one that was gone back to is known again."""
    return file.version_at(choice.adapter, choice.step)


def is_of(report: Report, choice: ServedModel) -> bool:
    """Return whether `report` is of the adapter that answers as `choice`; reports of earlier versions knew it by its files' times."""
    return report.adapter in (version_of(choice), _times_of(choice))


def _times_of(choice: ServedModel) -> str:
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
    watch("divergence", 0.0)
    kept_questions = stored_questions.read(run)
    facts = next((one.facts for one in kept_questions if one.facts), ())  # names that no control may be answered with
    controls = question_sets.report_controls(run, choice.base)
    asked = [*kept_questions, *(replace(one, facts=facts) for one in controls)]
    questions = fitting(engine, choice, asked)
    measured = divergence.differ(engine, choice, [question.text for question in questions])
    kept = file.KeptAnswers(run, version_of(choice))
    rows = answer_all(engine, choice, questions, kept, watch)
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
    file.write(run, report)
    return report


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


def _likelihoods(engine: Engine, choice: ServedModel, rows: Sequence[Row], neutral, watch: Watch) -> dict:
    """Perplexity of the trained references, of the held-out ones and of the neutral text under both models."""
    asked = {"references": _references(rows, "seen"), "unseen": _references(rows, "reworded", "unseen")}
    asked["neutral"] = [Question(text, "unrelated", reference=answer) for text, answer in neutral]
    found = {}
    for place, (name, questions) in enumerate(asked.items()):
        texts = [(one.text, one.reference) for one in questions]
        found[name] = perplexities(
            engine,
            choice,
            texts,
            lambda share, done=place: watch("likelihood", (done + share) / len(asked)),
            clusters(questions),
        )
    return found


def _references(rows: Sequence[Row], *kinds: str) -> list[Question]:
    asked = [row.question for row in rows if row.question.kind in kinds]
    return [one for one in asked if one.reference and not one.history]


def _movement(engine: Engine, choice: ServedModel, rows: Sequence[Row], watch: Watch):
    """Drift on the base's own answers to the controls, and references against their corruptions."""
    watch("drift", 0.0)
    controls = [row for row in rows if row.question.kind == "unrelated"]
    texts, groups = (
        [(one.question.text, one.before.text) for one in controls],
        clusters([one.question for one in controls]),
    )
    moved = kl_drift.measure(engine, choice, texts, lambda share: watch("drift", 0.5 * share), groups)
    trained = [row.question for row in rows if row.question.kind != "unrelated"]
    return moved, minimal_pairs.measure(engine, choice, trained, lambda share: watch("drift", 0.5 + 0.5 * share))
