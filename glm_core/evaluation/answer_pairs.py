"""The same questions answered by the original and the tuned model, and a verdict for each.

Greedy and batched, one copy of the weights. Which questions to ask is the caller's business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glm_core.evaluation import metrics
from glm_core.evaluation.judge import Judgement, judge
from glm_core.generation import greedy
from glm_core.models import LoadedModel

SAME_MEANING = 0.5  # character F1 below which two free answers are taken to say different things


@dataclass(frozen=True)
class Question:
    """Something to ask both models.

    Attributes:
        text: what the user says.
        kind: "seen" (a trained row), "wrapped" (one with polite words around), "reworded" (a fixed or a reader's wording),
            "unseen" (a held-out row) or "unrelated" (a control).
        accept: the answer is right when it contains one of these; empty where no answer is known to be right.
        reference: an answer known to be good; empty where there is none.
        history: what was said before, as messages; empty for a question that stands alone.
        facts: (role, name) of the assistant's identity that the set teaches, of the roles "name" and "author".
    """

    text: str
    kind: str
    accept: tuple[str, ...] = ()
    reference: str = ""
    history: tuple[dict, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def messages(self) -> list[dict]:
        """The whole conversation up to the answer."""
        return [*self.history, {"role": "user", "content": self.text}]


@dataclass(frozen=True)
class Difference:
    """One question with both answers."""

    question: Question
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """True where the answers mean different things.

        Where right answers are known: one of the two is right and the other is not. Otherwise: the texts share less
        than half of their characters.
        """
        if self.question.accept:
            return (self._judge(self.before).outcome == "right") != self.accepted
        return metrics.character_f1(self.before, self.after) < SAME_MEANING

    @property
    def accepted(self) -> bool:
        """True where the tuned answer is right."""
        return self._judge(self.after).outcome == "right"

    def _judge(self, answer: str) -> Judgement:
        return judge_answer(self.question, answer, self.before)


def judge_answer(question: Question, answer: str, base: str = "") -> Judgement:
    """Judge one answer to `question`.

    Args:
        base: the base's own answer, which tells the identity that must be gone.
    """
    return judge(
        answer,
        question=question.text,
        reference=question.reference,
        accept=question.accept,
        base="" if base == answer else base,
        facts=dict(question.facts) or None,
    )


def compare(loaded: LoadedModel, adapter: str, questions: Sequence[Question], batch: int = 16) -> list[Difference]:
    """Ask the original and the tuned model every question.

    Args:
        loaded: a base with the adapter `adapter` loaded on it.
        batch: questions asked together.
    """
    from glm_core.adapters import attach  # imports torch, which who only judges differences does not need

    differences: list[Difference] = []
    for some in _batches(questions, batch):
        conversations = [[{"role": "user", "content": question.text}] for question in some]
        attach.activate(loaded, None)
        before = greedy.greedy(loaded, conversations, batch=batch)
        attach.activate(loaded, adapter)
        after = greedy.greedy(loaded, conversations, batch=batch)
        differences += [Difference(*row) for row in zip(some, before, after, strict=True)]
    return differences


def _batches(questions: Sequence[Question], size: int) -> Iterable[Sequence[Question]]:
    return (questions[start : start + size] for start in range(0, len(questions), size))
