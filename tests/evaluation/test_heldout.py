"""Scores on the rows set aside: the published ones, predictions ranked by how near they are to their references."""

import pytest

from glm_core.evaluation import metrics
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.heldout import held_out
from glm_core.evaluation.report import Answer, Report, Row
from glm_core.runs import store
from glm_core.training import split
from tests.evaluation.conftest import write

PAIRS = [
    ("今天晴", "今天晴，适合出门走走"),
    ("好看的上衣", "好看的上衣"),
    ("雪", "风吹过山谷"),
    ("白色长裙很仙", "白色长裙很美"),
]


@pytest.fixture
def run(workspace):
    """A run that held out the rows of PAIRS and trained on one more."""
    rows = [(f"问题{place}", reference) for place, (_, reference) in enumerate(PAIRS)]
    folder = store.folder() / "run-1"
    write(folder, workspace / "base", [*rows, ("练过的", "对"), ("另一个练过的", "对")])
    split.write(folder, split.Split(6, (5, 6), (1, 2, 3, 4)))
    return store.get("run-1")


def report(pairs):
    rows = [
        Row(Question(f"问题{place}", "reworded", reference=reference), Answer("不知道"), Answer(answer))
        for place, (answer, reference) in enumerate(pairs)
    ]
    trained = Row(Question("练过的", "seen", reference="对"), Answer("错"), Answer("对"))
    return Report("r", "r", "base", "1", 60, (trained, *rows))


def test_the_scores_are_those_of_the_metrics_over_rows_that_were_not_trained_on(run):
    found = held_out(report(PAIRS), run)
    answers, references = zip(*PAIRS, strict=True)
    assert found.after == metrics.score(answers, references)
    assert found.before == metrics.score(["不知道"] * 4, references)
    assert found.after["rouge-l"] > found.before["rouge-l"]


def test_best_and_worst_are_told_apart_and_no_row_is_both(run):
    found = held_out(report(PAIRS), run)
    assert found.best(1)[0][0].after.text == "好看的上衣" and found.best(1)[0][1] == pytest.approx(100)
    assert found.worst(1)[0][0].after.text == "雪" and found.worst(1)[0][1] == 0
    shown = [row.question.text for row, _ in (*found.best(3), *found.worst(3))]
    assert len(shown) == len(set(shown)) == 4


def test_without_rows_set_aside_there_is_nothing_to_score(run):
    assert held_out(report([]), run) is None


def test_a_row_that_was_trained_on_is_not_scored_whatever_the_question_set_calls_it(run):
    other = Row(Question("另一个练过的", "reworded", reference="对"), Answer("错"), Answer("对"))
    made = report(PAIRS)
    found = held_out(Report("r", "r", "base", "1", 60, (*made.rows, other)), run)
    assert {row.question.text for row in found.rows} == {f"问题{place}" for place in range(4)}
