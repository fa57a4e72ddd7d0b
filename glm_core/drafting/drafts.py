"""A draft on disk: `home()/drafts/<id>/`: what to write from, what a model wrote, and what the reader decided.

    draft.json       the settings; replaced atomically
    items.jsonl      the passages or rows, written once
    answers.jsonl    one line an item that was answered: {"item": 3, "pairs": [[question, answer], ...], "problem": ""}
    decisions.jsonl  one line a decision; of several on one pair the last counts

Lines are appended whole, so a killed server loses at most the answers that were on their way. Keys of servers are never written.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.permissions import needs

KINDS = ("questions", "rewordings")
STATES = ("open", "accepted", "discarded", "saved")
MOST_TEXT = 20_000
"Characters of one question or answer that a reader may write."


class DraftError(EasyError):
    """A draft that cannot be made, continued or saved: says why, and what to do."""


@dataclass(frozen=True)
class Item:
    """A passage to write questions about, or a row whose question is to be reworded.

    Attributes:
        number: from 1.
        text: the passage, or the row's last question.
        answer: of the row; empty for a passage.
        messages: of the row, whole; empty for a passage.
    """

    number: int
    text: str
    heading: str = ""
    page: int = 0
    answer: str = ""
    messages: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class DraftPair:
    """A question and an answer that a model wrote, as the reader last left them.

    Attributes:
        place: its number within the item's answer, from 0.
        state: one of `STATES`.
        doubt: text key of what looks wrong with it; empty where nothing does.
    """

    item: int
    place: int
    question: str
    answer: str
    state: str = "open"
    doubt: str = ""


@dataclass(frozen=True)
class Draft:
    """The settings of a draft.

    Attributes:
        kind: "questions" about passages, or "rewordings" of rows.
        source: the name of the document, or of the set.
        dataset: id of the set whose rows are reworded; empty for a document.
        server: address of the OpenAI-compatible server that writes; empty for the models of this program.
        count: pairs to write for each item.
        items: how many passages or rows there are.
        stage: "sample" until the reader has gone on from the first three.
    """

    id: str
    kind: str
    source: str
    owner: str
    model: str
    instruction: str
    count: int
    items: int
    created: float
    dataset: str = ""
    server: str = ""
    stage: str = "sample"
    saved_as: str = ""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return workspace.inside(home(), self.id)


def home() -> Path:
    """Where the drafts are."""
    return workspace.home() / "drafts"


@needs("trainer")
def create(draft: Draft, items: Sequence[Item]) -> Draft:
    """Write a new draft; it is there whole or not at all."""
    if not items:
        raise DraftError("drafting.nothing")
    lines = "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items)
    draft = replace(draft, id=workspace.new_id(), items=len(items), created=time.time())
    with (
        workspace.explain_os_error(DraftError, home()),
        workspace.replace_folder(draft.folder, exist_ok=False) as building,
    ):
        workspace.write_atomic(building / "items.jsonl", lines)
        workspace.write_json(building / "draft.json", asdict(draft))
    return draft


@needs("trainer", owner=lambda draft, **_: draft.owner)
def change(draft: Draft, **fields) -> Draft:
    """Replace settings of a draft on disk and return it as it is now."""
    changed = replace(draft, **fields)
    with workspace.explain_os_error(DraftError, home()):
        workspace.write_json(changed.folder / "draft.json", asdict(changed))
    return changed


def get(id: str) -> Draft:
    """The draft `id`.

    Raises:
        DraftError: there is none, or its record is damaged.
    """
    try:
        draft = Draft(**workspace.read_json(workspace.inside(home(), id) / "draft.json"))
    except (OSError, ValueError, TypeError, workspace.WorkspaceError) as error:
        raise DraftError("drafting.unknown", id=str(id)[:80]) from error
    if draft.id != id or draft.kind not in KINDS:
        raise DraftError("drafting.unknown", id=str(id)[:80])
    return draft


def drafts() -> list[Draft]:
    """Every readable draft, newest first."""
    found = []
    for folder in home().glob("[!.]*"):
        try:
            found.append(get(folder.name))
        except DraftError:
            continue
    return sorted(found, key=lambda one: (one.created, one.id), reverse=True)


@needs("trainer", owner=lambda draft: draft.owner)
def remove(draft: Draft) -> None:
    """Delete a draft; the sets that were made of it stay."""
    with workspace.explain_os_error(DraftError, home()):
        workspace.discard_folder(draft.folder)


def items(draft: Draft) -> list[Item]:
    """The passages or rows that are written from, in order."""
    records, _ = workspace.read_lines(draft.folder / "items.jsonl")
    return [Item(**record) for record in records]


@dataclass(frozen=True)
class Answered:
    """The answer of a model for one item: pairs with their doubts, or the problem that left none."""

    item: int
    pairs: tuple[tuple[str, str, str], ...] = ()
    problem: str = ""


def note_answer(draft: Draft, answered: Answered) -> None:
    """Keep what a model wrote."""
    with workspace.explain_os_error(DraftError, home()):
        workspace.append_line(draft.folder / "answers.jsonl", asdict(answered))


def answers(draft: Draft) -> dict[int, Answered]:
    """item -> what was written for it; the last answer counts."""
    records, _ = workspace.read_lines(draft.folder / "answers.jsonl")
    return {
        record["item"]: Answered(record["item"], tuple(tuple(pair) for pair in record["pairs"]), record["problem"])
        for record in records
    }


@needs("trainer", owner=lambda draft: draft.owner)
def forget_answers(draft: Draft) -> None:
    """Throw away everything that was written and decided, for another try at the sample."""
    with workspace.explain_os_error(DraftError, home()):
        for name in ("answers.jsonl", "decisions.jsonl"):
            (draft.folder / name).unlink(missing_ok=True)


@needs("trainer", owner=lambda draft, *_, **__: draft.owner)
def decide(draft: Draft, pair: DraftPair, state: str, question: str = "", answer: str = "") -> None:
    """Keep the reader's decision about a pair, with the words as the reader left them.

    Raises:
        DraftError: question or answer is blank or too long for an accepted pair.
    """
    question, answer = (question or pair.question).strip(), (answer or pair.answer).strip()
    if state == "accepted" and not (0 < len(question) <= MOST_TEXT and 0 < len(answer) <= MOST_TEXT):
        raise DraftError("drafting.blank", limit=f"{MOST_TEXT:,}")
    record = {"item": pair.item, "place": pair.place, "state": state, "question": question, "answer": answer}
    with workspace.explain_os_error(DraftError, home()):
        workspace.append_line(draft.folder / "decisions.jsonl", record)


def pairs(draft: Draft) -> list[DraftPair]:
    """Every pair that was written, as the reader left it, in the order of the items."""
    records, _ = workspace.read_lines(draft.folder / "decisions.jsonl")
    decided = {(record["item"], record["place"]): record for record in records}
    found = []
    for number, answered in sorted(answers(draft).items()):
        for place, (question, answer, doubt) in enumerate(answered.pairs):
            pair = DraftPair(number, place, question, answer, "open", doubt)
            if record := decided.get((number, place)):
                pair = replace(pair, state=record["state"], question=record["question"], answer=record["answer"])
            found.append(pair)
    return found
