"""Ask both models the questions of a report: greedy answers in batches, what was answered before is not asked again."""

from collections.abc import Callable, Sequence

from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.report.contents import Answer, Row
from glm_core.evaluation.report.file import KeptAnswers
from glm_core.evaluation.side_by_side import requests
from glm_core.serving.base import Engine
from glm_core.serving.generate_many import ask_all
from glm_core.serving.request import Request
from glm_core.serving.served_models import ServedModel

ANSWER_TOKENS = 128
OWNER = "report"  # of the requests; the engine takes the owners in turn, so people are not kept waiting

Watch = Callable[[str, float], None]


def answer_all(
    engine: Engine, choice: ServedModel, questions: Sequence[Question], kept: KeptAnswers, watch: Watch
) -> tuple[Row, ...]:
    """Both models' greedy answers to all questions; what is answered is kept also when this is broken off."""
    missing = [question for question in questions if kept.find(question) is None]
    watch("answers", 0.0)
    try:
        answer_pairs(engine, choice, missing, kept.add, lambda share: watch("answers", share))
    finally:
        kept.save()
    return tuple(row for question in questions if (row := kept.find(question)) is not None)


def answer_pairs(
    engine: Engine,
    choice: ServedModel,
    questions: Sequence[Question],
    take: Callable[[Row], None],
    progress: Callable[[float], None],
) -> None:
    """Ask both models, in batches; each row is taken as soon as both its answers are there, in any order.

    Args:
        progress: told the share done; an exception in it cancels what is open.
    """
    asked = [
        request
        for question in questions
        for request in requests(engine, question.text, [choice], OWNER, question.history, max_new_tokens=ANSWER_TOKENS)
    ]
    answers: dict[int, Answer] = {}
    for done, (number, handle) in enumerate(ask_all(engine, asked), 1):
        if handle.error is not None:
            raise handle.error
        answers[number] = Answer(handle.text, handle.finish_reason == "length")
        first = number - number % 2
        if first in answers and first + 1 in answers:
            take(Row(questions[first // 2], answers[first], answers[first + 1]))
        progress(done / len(asked))


def answer_tuned(
    engine: Engine,
    choice: ServedModel,
    questions: Sequence[Question],
    strength: float,
    progress: Callable[[float], None],
) -> list[Answer]:
    """The tuned model's greedy answers at a strength of its adapter.

    Args:
        progress: told the share done.
    """
    asked = [
        Request(tuple(one.messages), choice.name, ANSWER_TOKENS, 0.0, strength=strength, owner=OWNER, thinking=False)
        for one in questions
    ]
    found = [Answer("")] * len(asked)
    for done, (number, handle) in enumerate(ask_all(engine, asked), 1):
        if handle.error is not None:
            raise handle.error
        found[number] = Answer(handle.text, handle.finish_reason == "length")
        progress(done / len(asked))
    return found
