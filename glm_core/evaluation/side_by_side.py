"""One question, or a whole set, through the original and up to four tuned models by way of an engine, all in one batch.

Not here: drawing (pages/compare.py), questions (question_sets.py), whether two models differ at all (`glm_core.evaluation.divergence`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from glm_core.evaluation.answer_pairs import Difference, Question
from glm_core.evaluation.scoring import Verdict, compare_answers
from glm_core.serving.base import Engine
from glm_core.serving.generate_many import ask_all
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel

ANSWER_TOKENS = 256
SEED = 42
MOST_RUNS = 4


def requests(
    engine: Engine, question: str, runs: Sequence[ServedModel], owner: str = "", history: Sequence[dict] = (), **fields
) -> list[Request]:
    """The same question to the base and to every run of `runs`, with the same seed.

    Args:
        runs: of one base.
        history: messages before the question.
        fields: of `Request`; `strength` is the runs' alone. Models that think answer at once unless `thinking` says otherwise.
    """
    common: dict[str, Any] = {
        "owner": owner,
        "max_new_tokens": ANSWER_TOKENS,
        "temperature": 0.0,
        "seed": SEED,
        "thinking": False,
    } | fields
    strength = common.pop("strength", 1.0)
    messages = (*history, {"role": "user", "content": question})
    original = Request(messages, _base_name(engine, runs[0]), **common)
    return [original, *(Request(messages, run.name, strength=strength, **common) for run in runs)]


def fitting(engine: Engine, run: ServedModel, questions: Sequence[Question]) -> list[Question]:
    """Those that leave room for an answer in the base's context; training cuts longer ones, and nobody can ask them."""
    fitted = engine.fits(run, [question.text for question in questions])
    return [question for question, fit in zip(questions, fitted, strict=True) if fit]


def _base_name(engine: Engine, choice: ServedModel) -> str:
    """The name under which the run's base answers."""
    bases = (one for one in engine.catalogue() if not one.tuned)
    return next((one.name for one in bases if one.base == choice.base), choice.base.name)


@dataclass
class Panes:
    """The answers to one question while they grow and afterwards: the original's handle, then one for each of `runs`."""

    runs: tuple[str, ...]
    question: str
    handles: list[RequestHandle] = field(default_factory=list)

    def start(self, asked: Sequence[Request], engine: Engine) -> None:
        """Ask all, so that the engine takes them into one batch.

        Raises:
            ServingError: the engine takes no more requests; none is left running.
        """
        try:
            for request in asked:
                self.handles.append(engine.submit(request))
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Stop all; the texts so far stay."""
        for handle in self.handles:
            handle.cancel()

    @property
    def texts(self) -> list[str]:
        """The answers so far."""
        return [handle.text for handle in self.handles]

    @property
    def done(self) -> bool:
        """Return whether all have ended."""
        return all(handle.done for handle in self.handles)

    @property
    def whole(self) -> bool:
        """Return whether all ended by themselves."""
        return all(handle.finish_reason in ("stop", "length") for handle in self.handles)

    def raise_error(self) -> None:
        """Raise what went wrong with any answer, if anything did."""
        for handle in self.handles:
            if handle.error is not None:
                raise handle.error


def compare_all(
    engine: Engine,
    runs: Sequence[ServedModel],
    questions: Sequence[Question],
    progress: Callable[[float], None] = lambda done: None,
    owner: str = "",
    strength: float = 1.0,
) -> list[list[Difference]]:
    """Ask the original and every run each question, greedily.

    Args:
        progress: told the share done, from 0 to 1; an exception in it cancels what is open.

    Returns:
        One list a run, in the order of `runs`, each with one `Difference` from the original a question.

    Raises:
        ServingError: an answer ended in an error.
    """
    asked = [one for question in questions for one in requests(engine, question.text, runs, owner, strength=strength)]
    answers = [""] * len(asked)
    for done, (number, handle) in enumerate(ask_all(engine, asked), 1):
        if handle.error is not None:
            raise handle.error
        answers[number] = handle.text
        progress(done / len(asked))
    sides = [answers[side :: len(runs) + 1] for side in range(len(runs) + 1)]
    return [[Difference(*row) for row in zip(questions, sides[0], tuned, strict=True)] for tuned in sides[1:]]


def judged(row: Difference) -> Verdict:
    """Both answers of a row by the judge."""
    return compare_answers(row.question, row.before, row.after)
