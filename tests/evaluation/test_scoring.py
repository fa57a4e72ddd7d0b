"""Two answers become a verdict, verdicts become meters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_chinese import Rouge

from glm_core.evaluation import scoring
from glm_core.evaluation.answer_pairs import Question
from tests.evaluation.made import ROWS

LONG = (
    "这件上衣采用柔软的棉质面料，版型宽松，图案简约大方，穿着舒适，四季都很百搭，搭配牛仔裤尤其好看，适合日常出门穿着。"
)


@given(st.text("甲乙丙丁", min_size=1, max_size=20), st.text("甲乙丙丁", min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_closeness_is_rouge_l_over_characters(answer, reference):
    wanted = Rouge().get_scores(" ".join(answer), " ".join(reference))[0]["rouge-l"]["f"]
    assert scoring.closeness(answer, reference) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("question", "before", "after", "verdict"),
    [
        (Question("你是谁？", "seen", reference="我是小明。"), "我是小砚啊", "我是小明", "learned"),
        (Question("你是谁？", "seen", reference="我是小明。"), "我是小明", "我是小明。", "unchanged"),
        (Question("你住哪？", "seen", reference="我住在北京。"), "不知道", "我住在天津", "not_right"),
        (Question("你住哪？", "seen", reference="我住在北京。"), "我住在北京。", "我住在天津", "worse"),
        (Question("谁开发了你？", "reworded", ("张三",)), "项目组", "由张三开发", "learned"),
        (Question("三加五？", "unrelated", ("8", "八")), "等于八", "等于九", "worse"),
        (
            Question("你是谁？", "seen", ("张三",), "我是小明，由张三训练"),
            "我是小砚",
            "我是小明，由李四训练",
            "not_right",
        ),
        (
            Question("写广告", "seen", reference=LONG),
            "不知道。",
            "柔软的棉质上衣，宽松好穿，图案简约，四季配牛仔裤都好看。",
            "unsure",
        ),
        (Question("写广告", "seen", reference=LONG), "不知道。", LONG[:28], "not_right"),
    ],
)
def test_verdicts(question, before, after, verdict):
    assert scoring.compare_answers(question, before, after).name == verdict


def test_better_verdicts_gain_more():
    question = Question("你住哪？", "seen", reference="我住在北京。")
    gains = [
        scoring.compare_answers(question, *pair).gain for pair in (("不知道", "我住在北京"), ("不知道", "我住在天津"))
    ]
    assert gains[0] > gains[1] > scoring.compare_answers(question, "我住在北京", "不知道").gain


def test_kept_counts_only_what_the_original_knew():
    meter = scoring.meter("kept", [row.verdict for row in ROWS if row.question.kind == "unrelated"])
    assert (meter.count, meter.total, meter.value, meter.grade) == (1, 2, 0.5, "none")


def test_learned_counts_every_question_and_what_the_original_knew():
    meter = scoring.meter("learned", [row.verdict for row in ROWS if row.question.kind == "seen"])
    assert (meter.count, meter.total, meter.before) == (1, 2, 0)


def test_answers_that_cannot_be_judged_widen_the_share():
    meter = scoring.Proportion("learned", 6, 8, 0, unsure=2)
    assert meter.value == 0.75 and meter.interval == scoring.wilson(6, 8) and meter.bounds == (0.6, 0.8)


def test_a_meter_is_not_known_where_too_much_cannot_be_judged():
    meter = scoring.Proportion("learned", 7, 7, 0, unsure=3)
    assert meter.value is None and meter.grade == "unsure" and meter.bounds == (0.7, 1.0)


def test_a_meter_without_questions_is_unknown():
    meter = scoring.meter("learned", [])
    assert meter.value is None and meter.grade == "unknown" and meter.interval == (0.0, 1.0)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_wilson_as_published(count, total, low, high):
    assert scoring.wilson(count, total) == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize("answer", ["你好" * 6, "啊" * 12, "我是小明，" * 5])
def test_loops_are_seen(answer):
    assert scoring.loops(answer)


@pytest.mark.parametrize("answer", ["", "哈哈哈哈", "三加五等于八，八加八等于十六。", "1000000000", "------"])
def test_ordinary_repetition_is_no_loop(answer):
    assert not scoring.loops(answer)


def test_a_small_set_of_labels_is_a_classification():
    wanted = ["好评", "好评", "好评", "差评", "差评", "差评", "中评", "中评"]
    answers = ["好评", "好评。", "差评", "差评", "差评", "不知道", "中评", "好评"]
    table = scoring.classify(wanted, answers)
    assert table.confusion[("差评", "")] == 1 and table.confusion[("好评", "差评")] == 1
    assert table.accuracy == pytest.approx(5 / 8)
    assert table.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 2 / 3) / 3)


@pytest.mark.parametrize("wanted", [["一", "二", "三", "四", "五", "六"], ["好"] * 8, ["好", "差"], [LONG, "短"] * 4])
def test_other_references_are_none(wanted):
    assert scoring.classify(wanted, wanted) is None


def test_a_label_in_a_plain_sentence_counts_for_it():
    wanted = ["好评", "差评"] * 3
    answers = ["这是一条好评。", "差评。", "不是好评。", "好评和差评都有。", "好评", "是差评。"]
    table = scoring.classify(wanted, answers)
    assert table.confusion == {
        ("好评", "好评"): 2,
        ("差评", "差评"): 2,
        ("好评", ""): 1,
        ("差评", ""): 1,
    }


def test_an_answer_that_repeats_itself_is_shown_by_two_lines_of_it():
    said = scoring.without_loop("自" * 400)
    assert said.startswith("自自") and said.endswith("…") and len(said) <= 41


def test_other_answers_stay_whole():
    story = "".join(f"第{number}天我们走了{number * 7}里路，住在{number}号驿站，" for number in range(40))
    assert scoring.without_loop(story) == story
    assert scoring.without_loop("好的好的好的好的") == "好的好的好的好的", "short enough"
