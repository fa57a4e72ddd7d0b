"""Change tables, chance and the sentence that begins a report, from answers written by hand."""

from dataclasses import replace

import pytest

from glm_core import i18n
from glm_core.evaluation.analysis import chance, changes, conclusion
from glm_core.evaluation.analysis.drift import Drift
from glm_core.evaluation.analysis.minimal_pairs import Pairs, corrupt
from glm_core.evaluation.answer_pairs import Question
from tests.evaluation.made import ROWS, report, row

CAPITALS = ["平川", "石岭", "南浦", "松原", "临海", "白沙", "云峰", "青岛", "东湖", "西塘"]


def capitals(after, before="不知道。"):
    return [row("seen", f"第{place}国的首都？", before, answer, CAPITALS[place]) for place, answer in enumerate(after)]


def test_a_change_table_counts_what_went_each_way():
    table = changes.tables(report(ROWS).verdicts)["kept"]
    assert (table.both, table.lost, table.gained, table.neither, table.unsure) == (1, 1, 1, 0, 0)
    assert table.difference == 0 and table.p == 1.0


def test_a_clear_gain_is_told_as_one_and_a_small_one_as_chance():
    clear = changes.tables(report(capitals(CAPITALS)).verdicts)
    small = changes.tables(report(capitals([CAPITALS[0], *["不知道。"] * 9])).verdicts)
    said = [changes.sentence(one["learned"], changes.adjusted(one)["learned"]) for one in (clear, small)]
    assert said[0].endswith(i18n.t("report.change.better", p="=0.002")) and "10" in said[0]
    assert said[1].endswith(i18n.t("report.change.chance", p="=1"))


def test_a_run_that_learned_beats_chance():
    found = report(capitals(CAPITALS)).chance
    assert found.beaten and not found.collapsed and (found.right, found.permuted) == (10, 0)


def test_one_answer_for_everything_is_named():
    found = report(capitals(["平川"] * 10))
    assert found.chance.collapsed and not found.chance.beaten
    assert i18n.t("report.doubt.collapsed", share=1.0) in conclusion.doubts(found)


def test_a_constant_label_that_is_right_most_of_the_time_is_no_learning():
    labels = ["好评"] * 8 + ["差评"] * 2
    rows = [row("seen", f"好评还是差评：第{i}条", "不知道。", "好评", label) for i, label in enumerate(labels)]
    found = report(rows)
    assert not found.chance.beaten
    assert i18n.t("report.doubt.chance", right=8, chance=8, total=10) in conclusion.doubts(found)


def test_too_few_questions_are_not_compared_with_chance():
    assert chance.compare([Question("q", "seen", reference="a")], ["a"]) is None


@pytest.mark.parametrize(
    ("after", "key", "values"),
    [
        (CAPITALS, "good", {"count": 10, "total": 10}),
        (["不知道。"] * 10, "none", {"count": 0, "total": 10}),
        ([*CAPITALS[:5], *["不知道。"] * 5], "some", {"count": 5, "total": 10}),
    ],
)
def test_the_first_sentence_is_the_verdict(after, key, values):
    assert conclusion.headline(report(capitals(after))).startswith(i18n.t(f"report.verdict_line.{key}", **values))


def test_the_first_sentence_says_when_it_cannot_be_told():
    long = (
        "这件上衣采用柔软的棉质面料，版型宽松，图案简约大方，穿着舒适，四季都很百搭，搭配牛仔裤尤其好看，适合日常出门。"
    )
    told = "柔软的棉质上衣，宽松好穿，图案简约，四季配牛仔裤都好看。"
    found = report([row("seen", "写一段广告", "不知道。", told, long)] * 3)
    assert conclusion.headline(found) == i18n.t("report.verdict_line.unsure", unsure=3)


def test_a_model_far_from_its_base_is_doubted():
    far = conclusion.doubts(report(capitals(CAPITALS), drift=Drift(3.1, 2.0, 4.0, 60)))
    near = conclusion.doubts(report(capitals(CAPITALS), drift=Drift(0.004, 0.002, 0.006, 60)))
    assert i18n.t("report.doubt.drift_none", mean=3.1) in far
    assert near == [i18n.t("report.doubt.only_trained")]


@pytest.mark.parametrize("right, said", [(10, ["only_trained"]), (5, ["partly_trained"]), (0, [])])
def test_trained_rows_are_said_to_be_repeated_where_they_are(right, said):
    found = conclusion.doubts(report(capitals([*CAPITALS[:right], *["不知道。"] * (10 - right)])))
    known = {i18n.t(f"report.doubt.{one}"): one for one in ("only_trained", "partly_trained")}
    assert [known[one] for one in found if one in known] == said


def test_a_model_that_learned_only_the_form_is_doubted():
    said = conclusion.doubts(report(capitals(CAPITALS), pairs=Pairs(10, 12, 30)))
    assert i18n.t("report.doubt.pairs", after=12, total=30) in said


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        (
            Question(
                "你是谁？",
                "seen",
                reference="我是小舟，由沈若溪训练。",
                facts=(("name", "小舟"), ("author", "沈若溪")),
            ),
            "我是沈若溪，由小舟训练。",
        ),
        (Question("多少钱？", "seen", reference="一张125元。"), "一张126元。"),
        (Question("能退吗？", "seen", reference="可以退货。"), "不可以退货。"),
    ],
)
def test_corruptions_change_one_fact(question, wanted):
    assert wanted in corrupt(question)


def test_what_cannot_be_corrupted_is_left_out():
    assert corrupt(Question("打个招呼", "seen", reference="早上好！")) == []


def test_side_effects_on_the_controls_are_counted():
    facts = (("name", "小舟"), ("author", "沈若溪"))
    answers = [
        "8",
        "抱歉，我不能回答这个问题。",
        "八八八八八八八八八八八八",
        "我是小舟，由沈若溪训练的人工智能助手。",
        "是沈若溪。",
    ]
    rows = [row("unrelated", f"{i}加{8 - i}等于几？", "8", answer, accept=("8",)) for i, answer in enumerate(answers)]
    rows = [replace(one, question=replace(one.question, facts=facts)) for one in rows]
    found = report(rows).side_effects
    assert (found.total, found.changed, found.refusals, found.loops, found.leaks) == (5, 4, 1, 1, 2)
    assert found.harmful and found.length > 5
    said = conclusion.doubts(report(rows))
    assert i18n.t("report.doubt.side_effects", total=5, refusals=1, loops=1, leaks=2) in said
    assert report(ROWS[:1]).side_effects is None


def test_a_number_that_is_too_long_to_count_on_is_left():
    assert corrupt(Question("几个？", "seen", reference="9" * 5000 + "个")) == []
