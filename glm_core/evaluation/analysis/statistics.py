"""Intervals and exact tests for few questions: Wilson, Newcombe, McNemar, Holm. Standard library only."""

import math
from collections.abc import Mapping

SURE = 1.96  # standard deviations of a 95 % interval
LEVEL = 0.05


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, 1927); (0, 1) where there is nothing."""
    if not total:
        return 0.0, 1.0
    share, square = count / total, SURE**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = SURE / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(both: int, lost: int, gained: int, neither: int) -> tuple[float, float]:
    """95 % interval of a difference of paired shares, after less before (Newcombe, 1998, method 10).

    Args:
        both: questions right before and after. lost: right before only. gained: right after only. neither: never right.

    Returns:
        The ends, from -1 to 1; (-1, 1) where there is nothing.
    """
    total = both + lost + gained + neither
    if not total:
        return -1.0, 1.0
    before, after = (both + lost) / total, (both + gained) / total
    (low_1, high_1), (low_2, high_2) = wilson(both + lost, total), wilson(both + gained, total)
    phi, difference = _phi(both, lost, gained, neither), after - before
    down, up = (after - low_2, high_1 - before), (high_2 - after, before - low_1)
    below, above = (math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b)) for a, b in (down, up))
    return max(-1.0, difference - below), min(1.0, difference + above)


def _phi(both: int, lost: int, gained: int, neither: int) -> float:
    """Correlation of the two answers to a question, with Newcombe's correction for continuity."""
    product = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    if not product:
        return 0.0
    cross: float = both * neither - lost * gained
    half = (both + lost + gained + neither) / 2
    cross = cross - half if cross > half else 0.0 if cross >= 0 else cross
    return cross / math.sqrt(product)


def mcnemar(lost: int, gained: int) -> float:
    """Exact two-sided p of McNemar's test: how often chance alone moves so many questions one way."""
    return sign_test(min(lost, gained), lost + gained)


def sign_test(fewer: int, total: int) -> float:
    """Exact two-sided p of `fewer` of `total` fair coins, 1 where there are none."""
    tail = sum(math.comb(total, k) for k in range(min(fewer, total - fewer) + 1))
    return min(1.0, 2 * tail / 2**total)


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted for being several (Holm, 1979), by name."""
    adjusted, highest = {}, 0.0
    for place, (name, p) in enumerate(sorted(values.items(), key=lambda one: one[1])):
        highest = max(highest, min(1.0, (len(values) - place) * p))
        adjusted[name] = highest
    return {name: adjusted[name] for name in values}
