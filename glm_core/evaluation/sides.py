"""One question, or a whole set, through the original and a tuned model by way of an engine, both in one batch.

Not here: drawing (pages/compare.py), questions (sets.py), whether two models differ at all (`glm_core.serving.proof`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from glm_core.evaluation.difference import Difference, Question
from glm_core.evaluation.metrics import matches
from glm_core.serving.asking import ask_all
from glm_core.serving.catalogue import Choice
from glm_core.serving.tickets import Request, Ticket

ANSWER_TOKENS = 256
SEED = 42


def requests(
    engine, question: str, choice: Choice, owner: str = "", history: Sequence[dict] = (), **fields
) -> tuple[Request, Request]:
    """The same question to the base and to the run of `choice`, with the same seed.

    Args:
        history: messages before the question.
        fields: of `Request`; `strength` is the run's alone.
    """
    common = {"owner": owner, "max_new_tokens": ANSWER_TOKENS, "temperature": 0.0, "seed": SEED, **fields}
    strength = common.pop("strength", 1.0)
    messages = [*history, {"role": "user", "content": question}]
    return Request(messages, _base_name(engine, choice), **common), Request(
        messages, choice.name, strength=strength, **common
    )


def _base_name(engine, choice: Choice) -> str:
    """The name under which the run's base answers."""
    bases = (one for one in engine.catalogue() if not one.tuned)
    return next((one.name for one in bases if one.base == choice.base), choice.base.name)


@dataclass
class Pair:
    """Both answers to one question while they grow and afterwards: the original's ticket, then the tuned one's."""

    run: str
    question: str
    tickets: list[Ticket] = field(default_factory=list)

    def start(self, pair: tuple[Request, Request], engine) -> None:
        """Ask both.

        Raises:
            ServingError: the engine takes no more requests; none is left running.
        """
        try:
            for request in pair:
                self.tickets.append(engine.submit(request))
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Stop both; the texts so far stay."""
        for ticket in self.tickets:
            ticket.cancel()

    @property
    def texts(self) -> list[str]:
        """Both answers so far."""
        return [ticket.text for ticket in self.tickets]

    @property
    def done(self) -> bool:
        """Whether both have ended."""
        return all(ticket.done for ticket in self.tickets)

    @property
    def whole(self) -> bool:
        """Whether both ended by themselves."""
        return all(ticket.finish_reason in ("stop", "length") for ticket in self.tickets)

    def raise_error(self) -> None:
        """Raise what went wrong with either answer, if anything did."""
        for ticket in self.tickets:
            if ticket.error is not None:
                raise ticket.error


def compare_all(
    engine,
    choice: Choice,
    questions: Sequence[Question],
    progress: Callable[[float], None] = lambda done: None,
    owner: str = "",
    strength: float = 1.0,
) -> list[Difference]:
    """Ask both models every question, greedily; one `Difference` a question, in their order.

    Args:
        progress: told the share done, from 0 to 1; an exception in it cancels what is open.

    Raises:
        ServingError: an answer ended in an error.
    """
    asked = [one for question in questions for one in requests(engine, question.text, choice, owner, strength=strength)]
    answers = [""] * len(asked)
    for done, (number, ticket) in enumerate(ask_all(engine, asked), 1):
        if ticket.error is not None:
            raise ticket.error
        answers[number] = ticket.text
        progress(done / len(asked))
    return [Difference(*row) for row in zip(questions, answers[::2], answers[1::2], strict=True)]


def changed(row: Difference) -> bool:
    """Other words count where tuning should change the answer, another meaning where it should not."""
    return row.changed if row.question.kind == "unrelated" else not matches(row.before, row.after)
