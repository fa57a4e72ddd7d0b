"""The trained and reworded questions that a run keeps in `questions.json`, where its reader can change the wordings.

Not here: which questions those are at first, and which others a report asks (question_sets.py).
"""

from collections.abc import Sequence
from dataclasses import replace

from glm_core.errors import EasyError
from glm_core.evaluation import question_sets, rewordings
from glm_core.evaluation.answer_pairs import Question
from glm_core.permissions import needs
from glm_core.runs import Run
from glm_core.runs.files import read_record
from glm_core.runs.store import write_record

FILE = "questions.json"
MOST_EDITED = 100
LONGEST = 2000
EDITED = ("reworded", "wrapped")
"Kinds of the questions that the reader changes."


class QuestionError(EasyError):
    """A question of the reader's that cannot be used."""


def read(run: Run) -> list[Question]:
    """The trained and reworded questions kept with `run`; made, and kept, where there are none yet."""
    record = read_record(run.path / FILE)
    rows = record.get("questions")
    if isinstance(rows, list):
        return [question for row in rows if (question := _question(row)) is not None]
    questions = question_sets.propose(run)
    if run.split() is not None or not run.settings.get("validation_ratio"):  # else the trainer has yet to hold rows out
        write(run, questions)
    return questions


def write(run: Run, questions: Sequence[Question]) -> None:
    """Keep `questions` with the run.

    Raises:
        RunError: the run has been deleted, the disk is full or the folder cannot be written.
    """
    rows = [
        {
            "kind": one.kind,
            "question": one.text,
            "reference": one.reference,
            "accept": list(one.accept),
            "history": list(one.history),
            "facts": dict(one.facts),
        }
        for one in questions
    ]
    write_record(run, FILE, {"questions": rows})


@needs("trainer", owner=lambda run, *_, **__: run.owner)
def edit(run: Run, rows: Sequence[tuple[str, str]]) -> None:
    """Replace the reworded questions by the reader's; one that only puts polite words around a trained one is kept as "wrapped".

    Args:
        rows: (question, good answer or words that it must contain). Rows with both empty are left out.

    Raises:
        QuestionError: a question without an answer or the other way round, one too long, one that is a trained question
            or nearly so, or too many.
    """
    trained = [one.text for one in question_sets.seen(run, None)]
    others = [one for one in read(run) if one.kind not in EDITED]
    known = {one.text: one for one in read(run) if one.kind in EDITED}
    found: dict[str, Question] = {}
    for number, (question, answer) in enumerate(rows, 1):
        question, answer = question.strip(), answer.strip()
        if not question and not answer:
            continue
        if not question or not answer or len(question) > LONGEST or len(answer) > LONGEST:
            raise QuestionError("report.error.question", row=number, limit=LONGEST)
        disguise = rewordings.disguise(question, trained)
        if disguise == "trained":
            raise QuestionError("report.error.trained", row=number)
        old = known.get(question)
        new = old if old and answer == question_sets.shown(old) else Question(question, "reworded", reference=answer)
        found[question] = replace(new, kind=disguise or "reworded")
    if len(found) > MOST_EDITED:
        raise QuestionError("report.error.too_many", limit=MOST_EDITED)
    write(run, [*others, *found.values()])


def _question(row: object) -> Question | None:
    """One kept question; None where it makes no sense."""
    if not isinstance(row, dict) or row.get("kind") not in ("seen", "wrapped", "reworded", "unseen"):
        return None
    text, reference, accept = row.get("question", ""), row.get("reference", ""), row.get("accept", [])
    history = row.get("history", [])
    if not isinstance(accept, list) or not all(isinstance(one, str) for one in (text, reference, *accept)):
        return None
    if not text.strip() or not are_messages(history):
        return None
    try:
        facts = unpack_facts(row.get("facts", {}))
    except (TypeError, ValueError):
        return None
    return Question(text, row["kind"], tuple(accept), reference, tuple(history), facts)


def unpack_facts(record: object) -> tuple[tuple[str, str], ...]:
    """The identity facts of a question as a file keeps them.

    Raises:
        TypeError: they are no names by role.
    """
    if not isinstance(record, dict) or not all(isinstance(one, str) for pair in record.items() for one in pair):
        raise TypeError("facts")
    return tuple((role, name) for role, name in record.items() if role in ("name", "author") and name)


def are_messages(messages: object) -> bool:
    """Return whether this is a list of {"role", "content"}."""
    return isinstance(messages, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("content"), str)
        and one.get("role") in ("user", "assistant", "system")
        for one in messages
    )
