"""Every measure with its interval."""

import numpy
import pytest

from glm_core.evaluation import aggregate, metrics, scoring
from tests.evaluation.made import ROWS, row


def test_means_are_those_of_the_published_definitions():
    table = aggregate.measure(ROWS)["seen"]
    group = [one for one in ROWS if one.question.kind == "seen"]
    for place, side in enumerate(aggregate.SIDES):
        wanted = metrics.score([getattr(one, side).text for one in group], [one.question.reference for one in group])
        assert {name: table[name][place][0] for name in metrics.MEASURES} == pytest.approx(wanted, abs=1e-6)


def test_measures_against_references_are_left_out_where_there_are_none():
    assert set(aggregate.measure(ROWS)["unrelated"]) == set(aggregate.DEFECTS)


def test_broken_off_and_repeating_answers_are_counted():
    rows = [row("seen", "q", "好", "好" * 40, "好", cut=True), row("seen", "p", "好", "好", "好")]
    table = aggregate.measure(rows)["seen"]
    assert [one[0] for one in table["cut"]] == [0.0, 50.0] and [one[0] for one in table["looping"]] == [0.0, 50.0]
    assert [one[0] for one in table["exact"]] == [100.0, 50.0]


def test_the_bootstrap_interval_is_that_of_the_normal_approximation_for_many_values():
    values = numpy.random.default_rng(0).normal(50, 10, 400)
    mean, low, high = aggregate.bootstrap(values)
    assert mean == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)
    assert aggregate.bootstrap(values) == (mean, low, high)


def test_classification_intervals_are_those_of_drawing_the_rows_again():
    random = numpy.random.default_rng(3)
    wanted = ["好", "坏"] * 60
    answers = [one if random.random() < 0.8 else random.choice(["好", "坏", "不知道"]) for one in wanted]
    table = scoring.classify(wanted, answers)
    found = aggregate.classification_intervals(table)
    hits = [100.0 * (one == other) for one, other in zip(wanted, answers, strict=True)]
    assert found["accuracy"] == pytest.approx(aggregate.share(hits))
    assert found["accuracy"] == pytest.approx(aggregate.bootstrap(hits), abs=1.5)
    assert found["accuracy"][0] == pytest.approx(100 * table.accuracy) and found["macro-f1"][0] == pytest.approx(
        100 * table.macro_f1
    )
    assert found["macro-f1"][1] < found["macro-f1"][0] < found["macro-f1"][2]
    assert aggregate.classification_intervals(table) == found


def test_a_label_that_few_rows_neither_want_nor_get_takes_no_part_in_the_f1():
    none = scoring.classify(["好", "好"], ["不知道", "不知道"], known=["好", "坏", "中"])
    assert aggregate.classification_intervals(none)["macro-f1"] == (0, 0, 0)
    half = scoring.classify(["好", "坏"], ["好", "坏"], known=["好", "坏", "中"])
    assert aggregate.classification_intervals(half)["macro-f1"][0] == pytest.approx(100)
    assert aggregate.classification_intervals(half)["macro-f1"][1:] == pytest.approx((100, 100))


def test_no_values_are_an_error():
    with pytest.raises(ValueError):
        aggregate.bootstrap([])


@pytest.mark.parametrize(
    "record", [{"seen": {"exact": [[1, 2, 3]]}}, {"else": {}}, {"seen": {"exact": [[1, 2], [1, 2]]}}]
)
def test_measures_that_make_no_sense_are_refused(record):
    with pytest.raises(ValueError):
        aggregate.check(record)
