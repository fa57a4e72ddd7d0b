"""Columns that say which rows are not to be learned, by their names, by their words, and those that nothing understands."""

import json

import pytest

from glm_core.data import read_bytes


def table(name: str, good, bad) -> bytes:
    rows = [("几点开门", "九点", good), ("几点关门", "滚", bad), ("怎么退", "七天内", good)]
    return "".join(json.dumps({"问题": q, "答案": a, name: v}, ensure_ascii=False) + "\n" for q, a, v in rows).encode()


def told(result) -> dict[str, str]:
    return {notice.kind: notice.message for notice in result.notices}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("点赞", "👍", "👎"),
        ("对错", "√", "×"),
        ("thumbs", "up", "down"),
        ("rating", "good", "bad"),
        ("审核意见", "通过", "驳回"),
        ("moderation", "approved", "denied"),
        ("老王看过", "✓", "✗"),
        ("second look", "accepted", "rejected"),
        ("上级审批", "同意", "不同意"),
        ("status", "published", "archived"),
        ("状态", "已发布", "已下线"),
        ("deleted", 0, 1),
        ("flagged", False, True),
        ("toxic", False, True),
        ("是否删除", "否", "是"),
        ("作废", "", "√"),
        ("hallucinated", "no", "yes"),
    ],
)
def test_rows_that_a_column_refuses_are_left_out_and_the_column_is_named(name, good, bad):
    result = read_bytes(table(name, good, bad), "a.jsonl")
    assert [one.answer for one in result.examples] == ["九点", "七天内"]
    assert "1" in told(result)["rows_not_learned"] and name in told(result)["rows_not_learned"]


def test_a_column_of_yes_and_no_that_nothing_understands_is_named_with_its_numbers():
    result = read_bytes(table("is_multi", False, True), "a.jsonl")
    assert len(result.examples) == 3 and "is_multi (1 : 2)" in told(result)["flags_unused"]


@pytest.mark.parametrize(("good", "bad"), [(True, True), (0, 7), (0.5, 1)])
def test_numbers_and_what_never_changes_are_no_flags(good, bad):
    assert not read_bytes(table("is_multi", good, bad), "a.jsonl").notices


def test_a_rejected_answer_of_yes_or_no_is_an_answer():
    rows = [
        {"prompt": "开门吗", "chosen": "yes", "rejected": "no"},
        {"prompt": "关门吗", "chosen": "no", "rejected": "yes"},
    ]
    result = read_bytes("".join(json.dumps(row) + "\n" for row in rows).encode(), "a.jsonl")
    assert [one.answer for one in result.examples] == ["yes", "no"] and set(told(result)) == {"rejected_unused"}


@pytest.mark.parametrize("mark", [{"rating": "bad"}, {"feedback": {"rating": "thumbs_down"}}, {"deleted": True}])
def test_a_turn_says_that_it_is_not_to_be_learned(mark):
    turns = [("user", "开门吗"), ("assistant", "滚"), ("user", "关门吗"), ("assistant", "六点关")]
    messages = [{"role": role, "content": text} for role, text in turns]
    messages[1] |= mark
    result = read_bytes(json.dumps({"messages": messages}).encode(), "a.jsonl")
    assert [one.get("learn", True) for one in result.examples[0].messages] == [True, False, True, True]
    assert set(told(result)) == {"answers_not_learned"}


@pytest.mark.parametrize("flag", ["is_best", "is_accepted", "best"])
def test_of_several_answers_the_one_that_is_marked_is_learned(flag):
    answers = [{"text": "不知道", flag: False}, {"text": "九点", flag: True}]
    result = read_bytes(json.dumps({"question": "几点开门", "answers": answers}).encode(), "a.jsonl")
    assert [one.answer for one in result.examples] == ["九点"] and set(told(result)) == {"rejected_unused"}
    nothing = [{"text": "不知道", flag: False}, {"text": "九点", flag: False}]
    rows = [{"question": "几点开门", "answers": one} for one in (answers, nothing)]
    result = read_bytes("".join(json.dumps(row) + "\n" for row in rows).encode(), "a.jsonl")
    assert len(result.examples) == 1 and "ties_unused" in told(result)
