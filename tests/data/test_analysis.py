"""Statistics say what a reader would count by hand; divisions are fair, stable and without leaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core.data import DataError, Example
from glm_core.data.analysis import LONG, divide, statistics
from glm_core.data.examples import pair


def test_counts_of_a_mixed_set():
    said = (("system", "短"), ("user", "一"), ("assistant", "二二"), ("user", "三"), ("assistant", "四四四"))
    talk = Example([{"role": role, "content": content} for role, content in said])
    counts = statistics([pair("a", "b"), talk, pair("a", "b"), pair("a", "c"), pair("长", "长" * (LONG + 1))])
    assert (counts.rows, counts.turns) == (5, 6)
    assert (counts.repeated, counts.contradicting, counts.long) == ([2], [3], [4])
    assert counts.question_lengths[1] == 5 and counts.answer_lengths[:2] == [1, 3]
    assert counts.labels == {}


def test_label_balance_of_a_classification():
    examples = [pair(f"评论{number}", "正面" if number % 4 else "负面") for number in range(40)]
    assert statistics(examples).labels == {"正面": 30, "负面": 10}


@pytest.mark.parametrize(
    "examples",
    [
        [pair(str(n), str(n)) for n in range(40)],
        [pair(str(n), "长长" * 20 + str(n % 2)) for n in range(40)],
        [pair(str(n), "同") for n in range(40)],
        [],
    ],
)
def test_answers_that_are_no_labels(examples):
    assert statistics(examples).labels == {}


QUESTIONS = st.lists(st.integers(0, 30), min_size=2, max_size=60).filter(lambda asked: len(set(asked)) > 1)


@given(QUESTIONS, st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_division_loses_nothing_leaks_nothing_and_repeats_itself(asked, share, seed):
    examples = [pair(f"问{question}", f"答{number}") for number, question in enumerate(asked)]
    train, validation = divide(examples, share, seed)
    assert train and validation
    assert sorted(example.answer for example in train + validation) == sorted(example.answer for example in examples)
    assert not {example.question for example in train} & {example.question for example in validation}
    assert divide(examples, share, seed) == (train, validation)


def test_a_division_is_about_as_large_as_asked_and_stable_when_rows_are_added():
    examples = [pair(f"问{number}", "答") for number in range(200)]
    before = {example.question for example in divide(examples[:180], 0.2)[1]}
    after = {example.question for example in divide(examples, 0.2)[1]}
    assert len(before) == 36 and len(after) == 40 and len(before - after) < 6
    assert {example.question for example in divide(examples, 0.2, seed=1)[1]} != after


@pytest.mark.parametrize("share", [0, 1, -0.1, 2, float("nan")])
def test_impossible_shares_are_refused(share):
    with pytest.raises(DataError):
        divide([pair("a", "b"), pair("c", "d")], share)


def test_rows_that_all_ask_the_same_cannot_be_divided():
    with pytest.raises(DataError):
        divide([pair("a", "b"), pair("a", "c")], 0.5)
