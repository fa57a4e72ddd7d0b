"""Equal and nearly equal questions are found, and told from those that only look alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_chinese import Rouge

from glm_core.data import similar

QUESTIONS = [
    "你们店周末几点开门营业呢，可以刷卡付款吗？",
    "退货的运费由谁来承担？",
    "你们店周末几点开门营业呢，可以刷卡付款吗?",
    "你们店周末几点开门营业呢，可以刷卡付款么？",
    "第12号文件放在哪个柜子里面？",
    "第13号文件放在哪个柜子里面？",
]


def test_equal_and_nearly_equal_questions_are_one_group():
    assert similar.group(QUESTIONS) == [0, 1, 0, 0, 4, 5]


def test_texts_without_letters_are_compared_as_they_are():
    assert similar.group(["！！！", "？？？", "！！！"]) == [0, 1, 0]


@settings(deadline=None)
@given(st.text("甲乙丙丁", min_size=1, max_size=20), st.text("甲乙丙丁", min_size=1, max_size=20))
def test_likeness_is_rouge_l_over_characters(left, right):
    wanted = Rouge().get_scores(" ".join(left), " ".join(right))[0]["rouge-l"]["f"]
    assert similar.likeness(left, right) == pytest.approx(wanted, abs=1e-6)
