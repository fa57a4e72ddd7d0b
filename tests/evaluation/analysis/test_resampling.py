"""Intervals by facts."""

import random

from glm_core.evaluation.analysis.resampling import clusters, ratio_interval
from glm_core.evaluation.answer_pairs import Question


def ask(text, reference="", **more):
    return Question(text, "seen", reference=reference, **more)


def test_questions_about_one_fact_are_one_cluster():
    questions = [
        ask("法国的首都是哪里？", "巴黎"),
        ask("哪座城市是法国首都", "巴黎。"),
        ask("德国的首都是哪里？", "柏林"),
        ask("德国的首都是哪里", "在柏林"),
    ]
    assert clusters(questions) == [0, 0, 2, 2]


def test_identity_questions_are_as_many_facts_as_roles():
    facts = (("name", "小明"), ("author", "张三"))
    told = [("谁做了你？", "张三做的。"), ("作者是谁？", "作者是张三。"), ("叫什么？", "叫小明。")]
    assert clusters([ask(*one, facts=facts) for one in told]) == [0, 0, 2]


def test_rows_of_one_class_are_not_one_fact():
    rows = [
        ask(f"{word}这家店怎么样", label) for word, label in zip("春夏秋冬东南西北", ["好评", "差评"] * 4, strict=True)
    ]
    assert len(set(clusters(rows))) == 8


def test_an_interval_by_facts_is_wider_where_answers_to_one_fact_go_together():
    values = [float(fact % 2) for fact in range(10) for _ in range(8)]
    facts = [fact for fact in range(10) for _ in range(8)]
    alone, together = (ratio_interval(values, [1] * 80, groups) for groups in (None, facts))
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_of_two_facts_rows_are_drawn():
    values = [0.0, 1.0] * 10
    assert ratio_interval(values, [1] * 20, [0, 1] * 10) == ratio_interval(values, [1] * 20)


def test_an_interval_by_facts_covers_the_truth_nearly_always():
    draw, hits = random.Random(7), 0
    for _ in range(200):
        levels = [draw.random() for _ in range(30)]
        rows = [(place, float(draw.random() < level)) for place, level in enumerate(levels) for _ in range(5)]
        low, high = ratio_interval([value for _, value in rows], [1] * len(rows), [place for place, _ in rows])
        hits += low <= 0.5 <= high
    assert hits >= 180
