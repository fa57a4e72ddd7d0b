"""The questions a run is asked: those it was tuned on, rewordings, unrelated ones. Reads files, asks nothing."""

import json
from collections.abc import Iterator
from itertools import islice

from glm_core import workspace
from glm_core.evaluation.difference import Question
from glm_core.runs.records import Run

SCANNED = 2000
"Rows of a run's data that are looked at; a question set needs few."


def seen(run: Run, limit: int = 20) -> list[Question]:
    """The first `limit` different questions of the rows that `run` was tuned on."""
    found: dict[str, Question] = {}
    for messages in islice(_rows(run), SCANNED):
        question = next((one["content"] for one in messages[::-1] if one["role"] == "user"), "")
        if question.strip():
            found.setdefault(question, Question(question, "seen"))
        if len(found) == limit:
            break
    return list(found.values())


def reworded(tuned: list[Question]) -> list[Question]:
    """Questions about the author in other words, for a run that was tuned on who made it; none for other runs."""
    record = _demo()
    known = {question.text for question in tuned}
    if not known.intersection(record.get("pinned", [])):
        return []
    return [Question(text, "reworded") for text in record.get("reworded", []) if text not in known]


def unrelated() -> list[Question]:
    """Questions that no tuning should change, with their right answers."""
    return [Question(one["question"], "unrelated", tuple(one["accept"])) for one in _demo().get("unrelated", [])]


def of(run: Run, limit: int = 20) -> dict[str, list[Question]]:
    """All three kinds for `run`."""
    tuned = seen(run, limit)
    return {"seen": tuned, "reworded": reworded(tuned), "unrelated": unrelated()}


def _demo() -> dict:
    return workspace.read_json(workspace.ASSETS / "evaluation" / "demo.json", {})


def _rows(run: Run) -> Iterator[list[dict]]:
    """The messages of each row; rows that make no sense are passed over."""
    try:
        with open(run.path / "dataset.jsonl", encoding="utf-8") as file:
            for line in file:
                messages = _messages(line)
                if messages:
                    yield messages
    except (FileNotFoundError, UnicodeDecodeError):
        return


def _messages(line: str) -> list[dict]:
    try:
        record = json.loads(line)
    except ValueError:
        return []
    messages = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(messages, list):
        return []
    whole = all(isinstance(one, dict) and isinstance(one.get("content"), str) and "role" in one for one in messages)
    return messages if whole else []
