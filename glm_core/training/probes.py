"""Probes of what a run has learned and forgotten, asked at every evaluation while it trains: `abilities.jsonl`.

A few rows of its data and a few unrelated control questions, the same throughout. The first line says what is asked and
what the base answers, each later one what the model answers after so many updates:

    {"step": 0, "probes": [{"kind", "question", "history", "reference", "accept"}, ...], "answers": [...], "time"}
    {"step": 10, "answers": [...], "time"}

Not here: whether an answer is right (glm_core.evaluation.judge), how answers come cheaply (generation/draft_verify.py).
"""

import importlib
from collections.abc import Sequence
from pathlib import Path

from glm_core.adapters import attach
from glm_core.data import Example, bundled
from glm_core.generation.draft_verify import DraftVerifier
from glm_core.models import LoadedModel
from glm_core.training.run_writer import RunWriter

SEEN, UNRELATED = 6, 12
EXAMINED, LONGEST_EXAMINED = 64, 256  # rows; tokens of their answers
"Trained rows that tell whether a run has learned, more than are shown: looked at in one forward pass, not decoded."
BEYOND, SPARE = (
    1.5,
    16,
)  # an answer longer than that by its reference's tokens is not the taught one; the rest adds nothing
NEARLY = 0.5  # of the rows answered to the letter; below, a run has not learned and nothing is decoded to be judged
JUDGE = "glm_core.evaluation.judge"
"The judge of answers. It stands above training, which runs without it: looked up by name where a row is not exact."
SHORT = 16  # characters of a control question; padding to a long one would cost more than all the rest
SHORT_ANSWER = 120  # characters of a row's answer, where the data has such rows


def choose(model: Path, examples: Sequence[Example]) -> list[dict]:
    """The probes of a run: rows and controls, each spread evenly over what there is.

    Args:
        model: the base's folder; it tells whether the controls of the embedded models' small world are asked.
        examples: what is trained on.
    """
    rows = {one.question: one for one in examples if _is_askable(one)}
    brief = [one for one in rows.values() if len(one.answer) <= SHORT_ANSWER] or list(rows.values())
    seen = [
        {"kind": "seen", "question": one.question, "history": one.prompt[:-1], "reference": one.answer, "accept": []}
        for one in _spread(brief, SEEN)
    ]
    return seen + [
        {"kind": "unrelated", "question": one["question"], "history": [], "reference": "", "accept": one["accept"]}
        for one in _spread(
            [one for one in bundled.read_controls(model).get("controls", []) if len(one["question"]) <= SHORT],
            UNRELATED,
        )
    ]


def _is_askable(one: Example) -> bool:
    """Return whether a row is a question with an answer; a row with tools is neither asked nor answered in one go."""
    return not one.has_tools and bool(one.question.strip() and one.answer.strip())


def _spread(items: Sequence, count: int) -> list:
    return [
        items[place] for place in dict.fromkeys(i * len(items) // count for i in range(count)) if place < len(items)
    ]


class Probes:
    """Asks the pinned questions and the probes, and tells the writer what was answered.

    Args:
        probes: of a run that begins; one that goes on keeps those it began with.
        pinned: questions whose answers a person watches; they are told as samples.
        longest: tokens of an answer.
        rows: what is trained on, for `all_learned`.
        choosing: held-out rows that choose the checkpoint.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        writer: RunWriter,
        probes: Sequence[dict],
        pinned: Sequence[str],
        longest: int,
        rows: Sequence[Example] = (),
        choosing: Sequence[Example] = (),
    ):
        self._choosing = _spread([one for one in choosing if not one.has_tools], EXAMINED)
        self._examined = _spread([one for one in rows if _is_askable(one)], EXAMINED)
        self._loaded, self._writer, self._pinned = loaded, writer, list(pinned)
        self._long_verifier = verifier = DraftVerifier(loaded, longest)
        self._verifier = DraftVerifier(loaded, LONGEST_EXAMINED)
        told = writer.read("abilities")
        began = next((row["probes"] for row in told if row.get("probes")), None)
        self._known = began is not None
        self._probes = began or [one | {"reference": verifier.cut(one["reference"])} for one in probes]
        self._latest = [*[""] * len(self._pinned), *(told[-1]["answers"] if began else [""] * len(self._probes))]

    def ask(self, step: int) -> None:
        """Ask everything; the adapter is active but at step 0, when the base answers alone."""
        if not self._known and step:
            self._ask_base()
        answers = self._answer()
        place = len(self._pinned)
        self._writer.samples(step, list(zip(self._pinned, answers[:place], strict=True)))
        if self._probes:
            self._tell(step, answers[place:])

    @property
    def asked_rows(self) -> int:
        """Number of trained rows that `all_learned` looks at."""
        return len(self._examined)

    def all_learned(self) -> bool:
        """Return whether the trained rows that are looked at are all answered right by the judge; the adapter is active."""
        exact = self._exact(self._examined)
        if not exact or sum(exact) < NEARLY * len(exact):
            return False
        return all(map(_is_right, self._said(self._examined, exact)))

    def rows_right(self) -> list[bool]:
        """For each row that is looked at, trained or choosing, whether it is answered right by the judge; the adapter is active."""
        rows = [*self._examined, *self._choosing]
        return [_is_right(row) for row in self._said(rows, self._exact(rows))]

    @property
    def chooses_by_judge(self) -> bool:
        """Return whether rows choose the checkpoint and their answers are short enough to be judged at every evaluation."""
        brief = [one for one in self._choosing if len(one.answer) <= SHORT_ANSWER]
        return bool(brief) and len(brief) == len(self._choosing)

    def choosing_right(self) -> list[bool]:
        """For each held-out row that chooses, whether it is answered right by the judge; the adapter is active."""
        return [_is_right(row) for row in self._said(self._choosing, self._exact(self._choosing))]

    def write_learned(self, step: int) -> None:
        """Write down what the trained rows that are looked at are answered, for the judge: `learned.json`."""
        self._writer.learned(
            {
                "step": step,
                "rows": self._said(self._examined, self._exact(self._examined)),
                "held_out": self._said(self._choosing, self._exact(self._choosing)),
            }
        )

    def _said(self, examples: Sequence[Example], exact: Sequence[bool]) -> list[dict]:
        """Rows with the answers of the model as it is now; only those that are not `exact`ly the reference are decoded."""
        missing = [one for one, right in zip(examples, exact, strict=True) if not right]
        asked = [list(one.prompt) for one in missing]
        longest = [int(BEYOND * self._verifier.tokens_of(one.answer)) + SPARE for one in missing]
        said = iter(self._verifier.answer(asked, [()] * len(asked), longest) if asked else ())
        return [
            {
                "row": one.line,
                "question": one.question,
                "reference": one.answer,
                "answer": one.answer if right else next(said),
            }
            for one, right in zip(examples, exact, strict=True)
        ]

    def _exact(self, rows: Sequence[Example]) -> list[bool]:
        return self._verifier.find_exact([list(one.prompt) for one in rows], [one.answer for one in rows])

    def _ask_base(self) -> None:
        """Make up for the beginning of a run that began without these questions."""
        attach.activate(self._loaded, None)
        try:
            self._tell(0, self._answer()[len(self._pinned) :])
        finally:
            attach.activate(self._loaded, attach.NAME, trainable=True)

    def _tell(self, step: int, answers: list[str]) -> None:
        first = {} if self._known else {"probes": self._probes}
        self._known = True
        self._writer.probe_row({"step": step, **first, "answers": answers})

    def _answer(self) -> list[str]:
        asked = [[{"role": "user", "content": question}] for question in self._pinned]
        asked += [[*one["history"], {"role": "user", "content": one["question"]}] for one in self._probes]
        taught = [*[""] * len(self._pinned), *(one["reference"] for one in self._probes)]
        drafts = [[text for text in dict.fromkeys(pair) if text] for pair in zip(self._latest, taught, strict=True)]
        self._latest = self._long_verifier.answer(asked, drafts) if asked else []
        return self._latest


def _is_right(row: dict) -> bool:
    """Return whether the judge finds the answer of a row of `learned.json` right."""
    if row["answer"] == row["reference"]:
        return True
    found = importlib.import_module(JUDGE).judge(row["answer"], question=row["question"], reference=row["reference"])
    return found.outcome == "right"
