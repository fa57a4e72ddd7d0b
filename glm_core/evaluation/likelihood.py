"""Perplexity of given answers under the original and the tuned model, on the engine's own copy of the weights.

What it tells: whether the references became likelier, and whether neutral text became less likely (forgetting), also
where greedy answers do not show it yet. Not here: which texts (sets.py).
"""

import math
from collections.abc import Callable, Sequence

from glm_core.data.examples import Example, pair
from glm_core.serving.catalogue import Choice

ROWS = 8
"Rows measured between two steps of the engine, so that nobody waits long for an answer."
LONGEST_SOURCE, LONGEST_TARGET = 512, 512


def perplexities(
    engine, choice: Choice, texts: Sequence[tuple[str, str]], progress: Callable[[float], None] = lambda done: None
) -> tuple[float, float] | None:
    """exp of the mean negative log-likelihood of a token, under the original and under `choice`.

    Args:
        texts: (question, answer); only the answer's tokens count.
        progress: told the share done.

    Returns:
        (original, tuned), or None where there are no tokens or the values are not finite.
    """
    examples = [pair(question, answer) for question, answer in texts]
    sums, tokens = [0.0, 0.0], 0
    for start in range(0, len(examples), ROWS):
        some = examples[start : start + ROWS]
        (before, after), count = engine.measure(choice, lambda session, some=some: _measure(session, choice, some))
        sums, tokens = [sums[0] + before, sums[1] + after], tokens + count
        progress((start + len(some)) / len(examples))
    if not tokens or not all(map(math.isfinite, sums)):
        return None
    return tuple(math.exp(min(total / tokens, 100.0)) for total in sums)


def _measure(session, choice: Choice, examples: Sequence[Example]) -> tuple[tuple[float, float], int]:
    """Summed negative log-likelihood of the answers under both models, and their number of tokens."""
    import torch

    from glm_core.data.encoding import IGNORED, collate, encode
    from glm_core.training.loss import AnswerLoss

    loaded = session.loaded
    batch = collate(encode(examples, loaded, LONGEST_SOURCE, LONGEST_TARGET), loaded.tokenizer.pad_token_id)
    batch = {name: tensor.to(loaded.model.device) for name, tensor in batch.items()}
    count = int((batch["labels"][:, 1:] != IGNORED).sum())
    model, busy = AnswerLoss(loaded.model), frozenset(row.slot for row in session.rows)
    sums = []
    for slot in (None, session.adapters.need(choice, 1.0, busy)):
        with torch.inference_mode(), session.adapters.using([slot] * len(examples)):
            sums.append(float(model(**batch, num_items_in_batch=1)["loss"]))
    return (sums[0], sums[1]), count
