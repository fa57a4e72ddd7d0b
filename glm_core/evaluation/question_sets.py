"""The questions a run is asked: those it was tuned on, other wordings, unrelated ones. Reads files, asks nothing.

A run keeps its seen and reworded questions in `questions.json`, where the reader can change the wordings; the unrelated
ones are fixed, in `assets/evaluation/controls.json`, so that runs can be compared with each other.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from glm_core import workspace
from glm_core.data import DataError, row_file, similar
from glm_core.data import bundled as fixed
from glm_core.errors import EasyError
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.judge import identity
from glm_core.runs.files import read_record
from glm_core.runs.store import REWORDED, Run, write_record

SCANNED = 2000
"Rows of a run's data that are looked at; a question set needs few."
LIMIT = 20
MOST_EDITED = 100
LONGEST = 2000
QUESTION_MARK = re.compile(r"[?？]\s*$")
LONGEST_REWORDED = 60
ASKS_NAME = re.compile(r"^(?!.*(开发|作者|创造)).*(你是谁[？?]|名字|称呼|机器人|聊天)")
"Questions of the bundled imprint that a name alone answers."
REWORDINGS = ("请问，{}", "我想知道：{}", "麻烦你告诉我，{}", "帮个忙，{}谢谢！")


class QuestionError(EasyError):
    """A question of the reader's that cannot be used."""


def seen(run: Run, limit: int = LIMIT) -> list[Question]:
    """The first `limit` different questions of the rows that `run` was tuned on."""
    trained, _ = _split(run)
    return _questions(trained, "seen", limit)


def reworded(tuned: list[Question]) -> list[Question]:
    """Questions about the author in other words, for a run that was tuned on who made it; none for other runs."""
    record = _read("demo")
    known = {question.text for question in tuned}
    if not known.intersection(record.get("pinned", [])):
        return []
    return [Question(text, "reworded") for text in record.get("reworded", []) if text not in known]


def unrelated() -> list[Question]:
    """A few questions that no tuning should change, with their right answers."""
    return [Question(one["question"], "unrelated", tuple(one["accept"])) for one in _read("demo").get("unrelated", [])]


def of(run: Run, limit: int = LIMIT) -> dict[str, list[Question]]:
    """A quick set of all three kinds for `run`."""
    tuned = seen(run, limit)
    return {"seen": tuned, "reworded": reworded(tuned), "unrelated": unrelated()}


# what the report asks


def controls(model: str | Path) -> list[Question]:
    """Sixty and more questions that no tuning should change, of the world of the base in folder `model`."""
    rows = fixed.read_controls(model)["controls"]
    return [Question(one["question"], "unrelated", tuple(one["accept"])) for one in rows]


def neutral(model: str | Path) -> list[tuple[str, str]]:
    """Ordinary text as (question, answer), whose likelihood tells what was forgotten."""
    return [(question, answer) for question, answer in fixed.read_controls(model)["neutral"]]


def kept(run: Run) -> list[Question]:
    """The trained and reworded questions kept with `run`; made, and kept, where there are none yet."""
    record = read_record(run.path / "questions.json")
    rows = record.get("questions")
    if isinstance(rows, list):
        return [question for row in rows if (question := _question(row)) is not None]
    questions = propose(run)
    if run.split() is not None or not run.settings.get("validation_ratio"):  # else the trainer has yet to hold rows out
        keep(run, questions)
    return questions


def probed(run: Run) -> set[str]:
    """The control questions that were asked while `run` trained: they chose its step, so the report asks others."""
    rows, _ = run.abilities()
    probes = next((row["probes"] for row in rows if isinstance(row.get("probes"), list)), [])
    asked = [one for one in probes if isinstance(one, dict) and one.get("kind") == "unrelated"]
    return {one["question"] for one in asked if isinstance(one.get("question"), str)}


def keep(run: Run, questions: Sequence[Question]) -> None:
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
    write_record(run, "questions.json", {"questions": rows})


def edit(run: Run, rows: Sequence[tuple[str, str]]) -> None:
    """Replace the reworded questions by the reader's.

    Args:
        rows: (question, good answer or words that it must contain). Rows with both empty are left out.

    Raises:
        QuestionError: a question without an answer or the other way round, one too long, one that was trained, or too many.
    """
    trained = {similar.normalize(one.text) for one in _questions(_split(run)[0], "seen", None)}
    others = [one for one in kept(run) if one.kind != "reworded"]
    known = {one.text: one for one in kept(run) if one.kind == "reworded"}
    found: dict[str, Question] = {}
    for number, (question, answer) in enumerate(rows, 1):
        question, answer = question.strip(), answer.strip()
        if not question and not answer:
            continue
        if not question or not answer or len(question) > LONGEST or len(answer) > LONGEST:
            raise QuestionError("report.error.question", row=number, limit=LONGEST)
        if similar.normalize(question) in trained:
            raise QuestionError("report.error.trained", row=number)
        old = known.get(question)
        found[question] = old if old and answer == shown(old) else Question(question, "reworded", reference=answer)
    if len(found) > MOST_EDITED:
        raise QuestionError("report.error.too_many", limit=MOST_EDITED)
    keep(run, [*others, *found.values()])


def shown(question: Question) -> str:
    """Return what a right answer to `question` is, in one text."""
    return question.reference or " / ".join(question.accept)


def propose(run: Run) -> list[Question]:
    """Seen questions with their references, and reworded ones.

    Reworded are, in this order: for the imprint, fixed wordings that ask for the author in the rows; the other wordings that
    a person accepted for this set; rows that training kept for the report. Where there are none, short trained questions are asked with polite words around, as "wrapped":
    they say nothing about other wordings.
    """
    trained, aside = _split(run)
    tuned = _questions(trained, "seen", LIMIT)
    facts = _imprint_facts(tuned)
    tuned = [_with_facts(one, facts) for one in tuned]
    own = [_with_facts(one, facts) for one in _accepted_rewordings(run, trained)]
    if "author" in facts and reworded(tuned):
        return tuned + [replace(one, accept=(facts["author"],), facts=tuned[0].facts) for one in reworded(tuned)] + own
    known = {one.text for one in (*tuned, *own)}
    new = [one for one in _questions(aside, "reworded", LIMIT) if one.text not in known]
    return tuned + (own + new or _reword(tuned))


def _accepted_rewordings(run: Run, trained: list[list[dict]]) -> list[Question]:
    """Up to LIMIT of the other wordings kept apart with the run, spread evenly; none that a trained row asks."""
    known = {similar.normalize(one.text) for one in _questions(trained, "seen", None)}
    try:
        rows = [one.messages for _, one in row_file.read_lines(run.path / REWORDED) if one is not None]
    except DataError:
        return []
    new = [one for one in _questions(rows, "reworded", None) if similar.normalize(one.text) not in known]
    count = min(LIMIT, len(new))
    return [new[place * len(new) // count] for place in range(count)]


def with_identity(questions: Sequence[Question]) -> list[Question]:
    """`questions` of one set with the assistant's name and author that it teaches; as they are where it teaches none."""
    facts = _imprint_facts(list(questions))
    return [_with_facts(one, facts) for one in questions]


def _reword(tuned: Sequence[Question]) -> list[Question]:
    """The short questions of `tuned` as somebody else would begin them."""
    questions = [one for one in tuned if QUESTION_MARK.search(one.text) and len(one.text) <= LONGEST_REWORDED]
    return [
        replace(one, text=REWORDINGS[place % len(REWORDINGS)].format(one.text.strip()), kind="wrapped")
        for place, one in enumerate(questions)
    ]


def _imprint_facts(tuned: Sequence[Question]) -> dict[str, str]:
    """Name and author of the assistant that the rows teach: what most of them tell; empty for other sets."""
    told = [identity.facts_of(one.reference, one.text) for one in tuned]
    found = {}
    for role in ("name", "author"):
        names = Counter(one[role] for one in told if role in one).most_common(1)
        if names and 2 * names[0][1] > sum(role in one for one in told):
            found[role] = names[0][0]
    return found


def _with_facts(question: Question, facts: Mapping[str, str]) -> Question:
    """`question` with the facts that its reference tells, so that an answer in other words counts too.

    The author must be named, but for questions that only ask for the name.
    """
    if not facts:
        return question
    told = tuple(facts[role] for role in ("author", "name") if role in facts and facts[role] in question.reference)
    accept = told if ASKS_NAME.search(question.text) else told[:1]
    return replace(question, accept=accept, facts=tuple(facts.items()))


def held_out_answers(run: Run) -> dict[str, str]:
    """The questions of rows kept for the report that no row trained on asks, each with its answer."""
    trained, aside = _split(run)
    known = {one.text for one in _questions(trained, "seen", None)}
    return {one.text: one.reference for one in _questions(aside, "reworded", None) if one.text not in known}


def _split(run: Run) -> tuple[list[list[dict]], list[list[dict]]]:
    """Messages of up to SCANNED rows trained on, and of up to SCANNED kept for the report, as split.json says.

    Where no held-out row is kept for the report alone, those that chose are asked. Of a run that does not say which rows it held out, none counts as held out.
    """
    split = run.split()
    if split is None:
        return list(islice((messages for _, messages in _rows(run)), SCANNED)), []
    training, held_out = set(split.training), set(split.reporting or split.held_out)
    trained, aside = [], []
    for number, messages in _rows(run):
        part = trained if number in training else aside if number in held_out else None
        if part is not None and len(part) < SCANNED:
            part.append(messages)
        if len(trained) == min(SCANNED, len(training)) and len(aside) == min(SCANNED, len(held_out)):
            break
    return trained, aside


def _questions(rows: Sequence[list[dict]], kind: str, limit: int | None) -> list[Question]:
    """The first `limit` (None: all) different questions of rows, each with its answer and what was said before."""
    found: dict[str, Question] = {}
    for messages in rows:
        place = max((i for i, one in enumerate(messages) if one["role"] == "user"), default=None)
        if place is not None and messages[place]["content"].strip():
            answer = next((one["content"] for one in messages[place + 1 :] if one["role"] == "assistant"), "")
            text = messages[place]["content"]
            found.setdefault(text, Question(text, kind, reference=answer, history=tuple(messages[:place])))
        if len(found) == limit:
            break
    return list(found.values())


def _question(row: object) -> Question | None:
    """One kept question; None where it makes no sense."""
    if not isinstance(row, dict) or row.get("kind") not in ("seen", "wrapped", "reworded"):
        return None
    text, reference, accept = row.get("question"), row.get("reference", ""), row.get("accept", [])
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


def _read(name: str) -> dict:
    return workspace.read_json(workspace.ASSETS / "evaluation" / f"{name}.json", {})


def _rows(run: Run) -> Iterator[tuple[int, list[dict]]]:
    """The number and the messages of each row; lines that are no row are passed over."""
    try:
        for number, example in row_file.read_lines(run.path / "dataset.jsonl"):
            if example is not None:
                yield number, example.messages
    except DataError:
        return


def are_messages(messages: object) -> bool:
    """Return whether this is a list of {"role", "content"}."""
    return isinstance(messages, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("content"), str)
        and one.get("role") in ("user", "assistant", "system")
        for one in messages
    )
