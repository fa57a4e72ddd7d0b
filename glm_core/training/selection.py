"""The adapter that a finished run keeps: of which step, and how strong."""

import math
from collections.abc import Callable, Sequence

STRENGTHS = (0.95, 0.9, 0.85, 0.8)  # at which an adapter is tried; below, other wordings of the rows are lost first
LEARNED = 0.9  # of the rows that are looked at; an adapter that has learned less has nothing to spare


def choose_strength(right: Callable[[float], Sequence[bool]], forward: int = 1) -> float:
    """The strength at which an adapter still does all it has learned: one of STRENGTHS, or 1.

    An adapter trained to the end does its task with some to spare, and what it does beyond that changes only other answers.
    It is taken back while no row that was right goes wrong, and then forward again: other wordings of those rows need more
    than they do.

    Args:
        right: for each row that is looked at, whether it is answered right at a strength.
        forward: strengths that it is given back.
    """
    full = right(1.0)
    if sum(full) < LEARNED * len(full) or not full:
        return 1.0
    held = [1.0] * (1 + forward)
    for strength in STRENGTHS:
        if any(was and not still for was, still in zip(full, right(strength), strict=True)):
            break
        held.append(strength)
    return held[-1 - forward]


def choose_step(history: Sequence[dict], by_loss: int | None) -> int | None:
    """The evaluated step whose adapter a run keeps; None for the last.

    Args:
        history: of evaluations in order; those at which rows that choose were judged have "step" and "right", one bool a row.
        by_loss: the step to keep where the judge finds no row right in the end and so cannot tell steps apart.
    """
    judged = {row["step"]: row["right"] for row in history if row.get("right")}
    if not judged:
        return by_loss
    last = judged[max(judged)]
    best = max(judged, key=lambda step: (sum(judged[step]), step))
    gained = sum(one and not two for one, two in zip(judged[best], last, strict=True))
    lost = sum(two and not one for one, two in zip(judged[best], last, strict=True))
    if _is_clear(gained, lost):
        return best
    return None if any(last) else by_loss


def _is_clear(gained: int, lost: int) -> bool:
    """Return whether so many gained against so many lost are unlikely by chance: exact one-sided McNemar test, 5 %."""
    total = gained + lost
    return total > 0 and sum(math.comb(total, k) for k in range(gained, total + 1)) / 2**total < 0.05
