"""The questions a run is asked: those it was tuned on, other wordings, unrelated ones. Reads files, asks nothing.

The unrelated ones are fixed, in `assets/evaluation/controls.json`, so that runs can be compared with each other. Not here:
the questions that a run keeps and its reader changes (stored_questions.py).
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from glm_core import workspace
from glm_core.data import DataError, row_file, similar
from glm_core.data import bundled as fixed
from glm_core.evaluation import rewordings
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.judge import identity
from glm_core.runs import Run
from glm_core.runs.store import REWORDED

SCANNED = 2000
"Rows of a run's data that are looked at; a question set needs few."
LIMIT = 20
CHOOSING = 12
"Controls that choose a step or a strength, and are not asked in the report."
ASKS_NAME = re.compile(r"^(?!.*(开发|作者|创造)).*(你是谁[？?]|名字|称呼|机器人|聊天)")
"Questions of the bundled imprint that a name alone answers."


def seen(run: Run, limit: int | None = LIMIT) -> list[Question]:
    """The first `limit` (None: all) different questions of the rows that `run` was tuned on."""
    trained, _ = _split(run)
    return _questions(trained, "seen", limit)


def reworded(tuned: Sequence[Question]) -> list[Question]:
    """Questions about the author, and where the rows teach one the name, in other words, for a set that teaches who made it; none for other sets."""
    record = _read("demo")
    known = {question.text for question in tuned}
    facts = _imprint_facts(tuned)
    if not known.intersection(record.get("pinned", [])) or "author" not in facts:
        return []
    told = tuple(facts.items())
    found = [Question(text, "reworded", (facts["author"],), facts=told) for text in record.get("reworded", [])]
    if "name" in facts:
        found += [Question(text, "reworded", facts=told) for text in record.get("identity", [])]
    return [one for one in found if one.text not in known]


def unrelated() -> list[Question]:
    """A few questions that no tuning should change, with their right answers."""
    return [Question(one["question"], "unrelated", tuple(one["accept"])) for one in _read("demo").get("unrelated", [])]


def of(run: Run) -> dict[str, list[Question]]:
    """A quick set for `run`: what its report asks of its rows, by kind, and a few unrelated questions."""
    proposed = propose(run)
    facts = next((one.facts for one in proposed if one.facts), ())
    asked = [*proposed, *(replace(one, facts=facts) for one in unrelated())]
    return {kind: [one for one in asked if one.kind == kind] for kind in ("seen", "reworded", "unseen", "unrelated")}


# what the report asks


def controls(model: str | Path) -> list[Question]:
    """More than 120 questions that no tuning should change, of the world of the base in folder `model`."""
    rows = fixed.read_controls(model)["controls"]
    return [Question(one["question"], "unrelated", tuple(one["accept"])) for one in rows]


def neutral(model: str | Path) -> list[tuple[str, str]]:
    """Ordinary text as (question, answer), whose likelihood tells what was forgotten."""
    return [(question, answer) for question, answer in fixed.read_controls(model)["neutral"]]


def choosing_controls(run: Run, model: str | Path) -> list[Question]:
    """The controls that chose or may choose a step or strength of `run`; the report asks the others.

    Those that were asked while it trained; of a run that asked none, every so manieth.
    """
    known = controls(model)
    rows, _ = run.probe_rows()
    probes = next((row["probes"] for row in rows if isinstance(row.get("probes"), list)), [])
    asked = {one.get("question") for one in probes if isinstance(one, dict) and one.get("kind") == "unrelated"}
    probed = [one for one in known if one.text in asked]
    count = min(CHOOSING, len(known) // 10)
    return probed or [known[place * len(known) // count] for place in range(count)]


def choosing(run: Run, model: str | Path) -> list[Question]:
    """The questions that may choose a step or a strength of `run`: trained rows, held-out rows that choose, their controls.

    No question of the report's other rows is among them, unless there is only one group of held-out rows (split.py).
    """
    trained, facts = _seen_with_facts(run)
    split = run.split()
    rows = _messages(run, set(split.choosing)) if split else []
    unseen = _unseen(rows, [one.text for one in trained], LIMIT)
    held = [_with_facts(one, facts) for one in unseen]
    told = tuple(facts.items())
    return [*trained, *held, *(replace(one, facts=told) for one in choosing_controls(run, model))]


def report_controls(run: Run, model: str | Path) -> list[Question]:
    """The controls that the report of `run` asks: those that chose nothing."""
    spared = {one.text for one in choosing_controls(run, model)}
    return [one for one in controls(model) if one.text not in spared]


def shown(question: Question) -> str:
    """Return what a right answer to `question` is, in one text."""
    return question.reference or " / ".join(question.accept)


def propose(run: Run) -> list[Question]:
    """Seen questions with their references, and others that were not trained.

    These are for the imprint fixed wordings that ask for author and name, the other wordings that a person accepted for
    this set ("reworded"), and rows that training kept for the report ("unseen"). Where there are none, short trained
    questions are asked with polite words around, as "wrapped": they say nothing about other wordings.
    """
    tuned, facts = _seen_with_facts(run)
    trained, aside = _split(run)
    known = [one.text for one in _questions(trained, "seen", None)]
    new = [*_accepted_rewordings(run, known), *_unseen(aside, known, LIMIT)]
    other = [*reworded(tuned), *(_with_facts(one, facts) for one in new)]
    return tuned + (other or rewordings.wrap(tuned))


def _seen_with_facts(run: Run) -> tuple[list[Question], dict[str, str]]:
    """The trained questions that are asked, and the facts of the assistant that they teach."""
    tuned = _questions(_split(run)[0], "seen", LIMIT)
    facts = _imprint_facts(tuned)
    return [_with_facts(one, facts) for one in tuned], facts


def _accepted_rewordings(run: Run, trained: Sequence[str]) -> list[Question]:
    """Up to LIMIT of the other wordings kept apart with the run, spread evenly; none that nearly is a trained question."""
    try:
        rows = [one.messages for _, one in row_file.read_lines(run.path / REWORDED) if one is not None]
    except DataError:
        return []
    told = [(one, rewordings.disguise(one.text, trained)) for one in _questions(rows, "reworded", None)]
    new = [replace(one, kind=disguise or "reworded") for one, disguise in told if disguise != "trained"]
    count = min(LIMIT, len(new))
    return [new[place * len(new) // count] for place in range(count)]


def _unseen(rows: Sequence[list[dict]], trained: Sequence[str], limit: int | None) -> list[Question]:
    """The first `limit` questions of held-out `rows` that are not nearly a trained one: a large set is split by equal ones alone."""
    new = (one for one in _questions(rows, "unseen", None) if not similar.has_close(one.text, trained))
    return list(islice(new, limit))


def with_identity(questions: Sequence[Question]) -> list[Question]:
    """`questions` of one set with the assistant's name and author that it teaches; as they are where it teaches none."""
    facts = _imprint_facts(list(questions))
    return [_with_facts(one, facts) for one in questions]


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
    return {one.text: one.reference for one in _questions(aside, "unseen", None) if one.text not in known}


def _split(run: Run) -> tuple[list[list[dict]], list[list[dict]]]:
    """Messages of up to SCANNED rows trained on, and of up to SCANNED kept for the report, as split.json says.

    Where no held-out row is kept for the report alone, those that chose are asked. Of a run that does not say which rows it held out, none counts as held out.
    """
    split = run.split()
    if split is None:
        return list(islice((messages for _, messages in _rows(run)), SCANNED)), []
    return _messages(run, set(split.training)), _messages(run, set(split.reporting or split.held_out))


def _messages(run: Run, numbers: Collection[int]) -> list[list[dict]]:
    """Messages of the first SCANNED rows of these numbers."""
    found: list[list[dict]] = []
    wanted = min(SCANNED, len(numbers))
    for number, messages in _rows(run) if wanted else ():
        if number in numbers:
            found.append(messages)
        if len(found) == wanted:
            break
    return found


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


def _read(name: str) -> dict:
    return workspace.read_json(workspace.ASSETS / "evaluation" / f"{name}.json", {})


def _rows(run: Run) -> Iterator[tuple[int, list[dict]]]:
    """The number and the messages of each row; lines that are no row are passed over."""
    try:
        for number, example in row_file.read_lines(run.path / "dataset.jsonl"):
            if example is not None and not example.has_tools:  # whose answer is not to the question alone
                yield number, example.messages
    except DataError:
        return
