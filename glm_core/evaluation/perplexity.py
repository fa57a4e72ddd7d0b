"""Perplexity of given answers under the original and the tuned model, on the engine's own copy of the weights.

What it tells: whether the references became likelier, and whether neutral text became less likely (forgetting), also
where greedy answers do not show it yet. Not here: which texts (question_sets.py).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from glm_core.data.examples import Example, pair
from glm_core.evaluation.aggregate import RESAMPLES, SEED
from glm_core.serving.served_models import ServedModel

ROWS = 8
"Rows measured between two steps of the engine, so that nobody waits long for an answer."
LONGEST_SOURCE, LONGEST_TARGET = 512, 512
FEWEST = 3
"Texts from which an interval says something."


class Perplexity(NamedTuple):
    """exp of the mean negative log-likelihood of a token, under the original and under the tuned model.

    Attributes:
        low, high: 95 % interval of after / before; None where there are too few texts.
    """

    before: float
    after: float
    low: float | None = None
    high: float | None = None


def perplexities(
    engine, choice: ServedModel, texts: Sequence[tuple[str, str]], progress: Callable[[float], None] = lambda done: None
) -> Perplexity | None:
    """The perplexity of given answers under the original and under `choice`.

    Args:
        texts: (question, answer); only the answer's tokens count.
        progress: told the share done.

    Returns:
        None where there are no tokens or the values are not finite.
    """
    rows = likelihoods(engine, choice, texts, progress)
    tokens = sum(count for _before, _after, count in rows)
    sums = [sum(row[side] for row in rows) for side in (0, 1)]
    if not tokens or not all(map(math.isfinite, sums)):
        return None
    return Perplexity(*(math.exp(min(total / tokens, 100.0)) for total in sums), *_interval(rows))


def likelihoods(
    engine, choice: ServedModel, texts: Sequence[tuple[str, str]], progress: Callable[[float], None] = lambda done: None
) -> list[tuple[float, float, int]]:
    """Of every answer its summed negative log-likelihood under the original and under `choice`, and its tokens.

    Args:
        texts: (question, answer); only the answer's tokens count.
        progress: told the share done.
    """
    examples = [pair(question, answer) for question, answer in texts]
    rows: list[tuple[float, float, int]] = []
    for start in range(0, len(examples), ROWS):
        some = examples[start : start + ROWS]
        rows += engine.measure(choice, lambda session, some=some: _measure(session, choice, some))
        progress((start + len(some)) / len(examples))
    return rows


def _interval(rows: Sequence[tuple[float, float, int]]) -> tuple[float, float] | tuple[()]:
    """95 % percentile interval of after / before: whole texts are drawn again, each with both its likelihoods (paired bootstrap)."""
    import numpy

    if len(rows) < FEWEST:
        return ()
    before, after, count = numpy.asarray(rows, dtype=float).T
    drawn = numpy.random.default_rng(SEED).integers(len(rows), size=(RESAMPLES, len(rows)))
    logs = (after - before)[drawn].sum(1) / numpy.maximum(count[drawn].sum(1), 1)
    low, high = numpy.exp(numpy.clip(numpy.percentile(logs, [2.5, 97.5]), -100, 100))
    return float(low), float(high)


def _measure(session, choice: ServedModel, examples: Sequence[Example]) -> list[tuple[float, float, int]]:
    """Of every example the summed negative log-likelihood of its answer under both models, and its number of tokens."""
    import torch

    from glm_core.data.tokenize import IGNORED, collate, encode
    from glm_core.training.loss import AnswerLoss, answer_loss

    loaded = session.loaded
    batch = collate(encode(examples, loaded, LONGEST_SOURCE, LONGEST_TARGET), loaded.tokenizer.pad_token_id)
    labels = batch.pop("labels").to(loaded.model.device)
    batch = {name: tensor.to(loaded.model.device) for name, tensor in batch.items()}
    model, busy = AnswerLoss(loaded.model, loaded.family.architecture), frozenset(row.slot for row in session.rows)
    head, sides = loaded.model.get_output_embeddings(), []
    for slot in (None, session.adapters.need(choice, 1.0, busy)):
        with torch.inference_mode(), session.adapters.using([slot] * len(examples)):
            hidden = model.hidden_states(**batch)
            sides.append(
                [float(answer_loss(hidden[i : i + 1], head, labels[i : i + 1], 1)) for i in range(len(examples))]
            )
    return list(zip(*sides, (labels[:, 1:] != IGNORED).sum(1).tolist(), strict=True))
