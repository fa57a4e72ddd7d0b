"""What a model said becomes pairs, in whatever form it said it; what looks wrong is marked."""

import pytest

from glm_core.drafting import Item, writing

PASSAGE = Item(1, "本店的绿茶产自杭州，每斤 300 元，七天内可以退货。", "绿茶")
PAIRS = [("绿茶产自哪里？", "产自杭州。"), ("几天内可以退货？", "七天内。")]


@pytest.mark.parametrize(
    "said",
    [
        '[{"question": "绿茶产自哪里？", "answer": "产自杭州。"}, {"question": "几天内可以退货？", "answer": "七天内。"}]',
        '好的，如下：\n```json\n[{"问题": "绿茶产自哪里？", "答案": "产自杭州。"},\n {"问题": "几天内可以退货？", "答案": "七天内。"}]\n```\n希望有用！',
        '<think>先想想 [1]</think>{"pairs": [{"Q": "绿茶产自哪里？", "A": "产自杭州。"}, {"Q": "几天内可以退货？", "A": "七天内。"}]}',
        '{"question": "绿茶产自哪里？", "answer": "产自杭州。"}\n{"question": "几天内可以退货？", "answer": "七天内。"}',
        '[["绿茶产自哪里？", "产自杭州。"], ["几天内可以退货？", "七天内。"]]',
        '[{"question": "绿茶产自哪里？", "answer": "产自杭州。"}, {"question": "几天内可以退货？", "answer": "七天内。"}, {"question": "被截',
        "问：绿茶产自哪里？\n答：产自杭州。\n\n问：几天内可以退货？\n答：七天内。",
        "1. **问题**：绿茶产自哪里？\n   **答案**：产自杭州。\n2. **问题**：几天内可以退货？\n   **答案**：七天内。",
        "Q1: 绿茶产自哪里？\nA1: 产自杭州。\nQ2: 几天内可以退货？\nA2: 七天内。",
        "### 问题 1：绿茶产自哪里？\n### 回答 1：产自杭州。\n---\n### 问题 2：几天内可以退货？\n### 回答 2：七天内。",
    ],
)
def test_pairs_in_any_form(said):
    assert writing.read_pairs(said) == PAIRS


@pytest.mark.parametrize(
    "said", ["", "我不会。", "[1, 2, 3]", "{}", "问：只有问题", "[" * 5_000, '{"question": "", "answer": "x"}']
)
def test_what_holds_no_pair_gives_none(said):
    assert writing.read_pairs(said) == []


def test_a_question_is_kept_once():
    assert writing.read_pairs("问：天？\n答：蓝。\n问：天？\n答：黑。") == [("天？", "蓝。")]


@pytest.mark.parametrize(
    ("answer", "doubt"),
    [
        ("Five books, for thirty days.", ""),
        ("Yes.", ""),
        ("Write three pairs that train an assistant.", "drafting.doubt.unsupported"),
    ],
)
def test_an_answer_in_letters_is_held_to_the_words_of_the_passage(answer, doubt):
    passage = Item(1, "Each reader may borrow five books for thirty days. Yes, renewing takes a card.")
    assert writing.doubt_of("questions", "How many?", answer, passage) == doubt


def test_rewordings_are_the_new_lines_with_the_old_answer():
    row = Item(1, "你们几点开门？", answer="九点。")
    said = "好的，下面是几种说法：\n1. 你们几点开门？\n2. “早上几点营业？”\n- 什么时候开门呀\n什么时候开门呀？"
    assert writing.read_rewordings(said, row) == [("早上几点营业？", "九点。"), ("什么时候开门呀", "九点。")]
    assert writing.read_rewordings('["几点开？"]', row) == [("几点开？", "九点。")]


@pytest.mark.parametrize(
    ("question", "answer", "doubt"),
    [
        ("绿茶产自哪里？", "产自杭州。", ""),
        ("绿茶多少钱？", "每斤 300 元。", ""),
        ("绿茶多少钱？", "每斤 500 元。", "drafting.doubt.numbers"),
        ("地球是什么？", "地球是一颗行星，绕着太阳转。", "drafting.doubt.unsupported"),
        ("老问题？", "产自杭州。", "drafting.doubt.repeated"),
    ],
)
def test_doubts_about_an_answer(question, answer, doubt):
    assert writing.doubt_of("questions", question, answer, PASSAGE, {writing.normalize("老问题？")}) == doubt


def test_doubts_about_a_rewording():
    row = Item(1, "订单 3021 到哪了？", answer="在路上。")
    assert writing.doubt_of("rewordings", "3021 号订单到哪了", "在路上。", row) == ""
    assert writing.doubt_of("rewordings", "订单到哪了", "在路上。", row) == "drafting.doubt.numbers"
    assert writing.doubt_of("rewordings", "今天天气好吗", "在路上。", row) == "drafting.doubt.other_question"


def test_the_prompt_fills_the_holes_and_no_other_braces():
    asked = writing.prompt('{count} 组 [{"question": "…"}]\n{passage}', Item(1, "含 {count} 的原文"), 3)
    assert asked == '3 组 [{"question": "…"}]\n含 {count} 的原文'
    assert writing.prompt("写两个问题", PASSAGE, 2).endswith(PASSAGE.text), (
        "a passage that the instruction forgets goes below"
    )


def test_the_usual_instruction_speaks_the_language_of_the_text():
    assert "材料" in writing.usual_instruction("questions", PASSAGE.text)
    assert "passage" in writing.usual_instruction("questions", "The shop opens at nine.")
    assert writing.usual_instruction("questions", "The shop opens").startswith("Write")
