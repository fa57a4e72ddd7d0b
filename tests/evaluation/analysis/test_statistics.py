"""Intervals and tests against published values, and by how often they cover the truth."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core.evaluation.analysis import statistics

CELLS = st.integers(0, 30)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_wilson_as_published(count, total, low, high):
    assert statistics.wilson(count, total) == pytest.approx((low, high), abs=1e-3)


def test_newcombe_as_published():
    """Example (a) of the 1998 paper's table of paired differences, method 10."""
    assert statistics.newcombe(36, 2, 12, 0) == pytest.approx((0.0569, 0.3404), abs=1e-3)


@settings(deadline=None)
@given(CELLS, CELLS, CELLS, CELLS)
def test_newcombe_holds_the_observed_difference(both, lost, gained, neither):
    total = both + lost + gained + neither
    low, high = statistics.newcombe(both, lost, gained, neither)
    assert -1 <= low <= (gained - lost) / max(total, 1) <= high <= 1


def test_newcombe_covers_the_truth_about_as_often_as_it_says():
    draw = random.Random(1)
    chances = (0.2, 0.1, 0.4, 0.3)
    hits = 0
    for _ in range(400):
        cells = [0, 0, 0, 0]
        for _ in range(40):
            cells[draw.choices(range(4), chances)[0]] += 1
        low, high = statistics.newcombe(*cells)
        hits += low <= chances[2] - chances[1] <= high
    assert 0.91 <= hits / 400 <= 0.99


@pytest.mark.parametrize(
    ("lost", "gained", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (5, 0, 0.0625), (2, 12, 0.01294), (4, 4, 1.0)]
)
def test_mcnemar_is_the_exact_binomial(lost, gained, p):
    assert statistics.mcnemar(lost, gained) == pytest.approx(p, abs=1e-4)


def test_holm_steps_down():
    assert statistics.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert statistics.holm({}) == {}
