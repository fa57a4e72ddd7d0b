"""Marks that models end and begin turns with are no words to learn, whoever left them in a file; code and talk about them is."""

import json

import pytest

from glm_core.data import read_bytes


def lines(*rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def texts(result) -> list[list[str]]:
    return [[one["content"] for one in example.messages] for example in result.examples]


def notices(result) -> dict[str, int]:
    return {notice.kind: notice.count for notice in result.notices}


ENDS = [
    "<|im_end|>",
    "</s>",
    "<eos>",
    "<eoa>",
    "<eom>",
    "<eoh>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end|>",
    "<end_of_turn>",
]
ENDS += ["<｜end▁of▁sentence｜>", "[EOS]", "<|end_of_text|>", " </s>\n", "<|im_end|>\n<|endoftext|>"]
OPENINGS = ["<|user|>", "<|im_start|>user\n", "[INST] ", "<s>", "<|Human|>: ", "[Human]: ", "<start_of_turn>user\n"]


@pytest.mark.parametrize("mark", ENDS)
def test_a_mark_of_the_end_is_removed_and_named(mark):
    result = read_bytes(lines({"question": "几点上班", "answer": f"九点{mark}"}), "a.jsonl")
    assert texts(result) == [["几点上班", "九点"]] and notices(result) == {"marks_removed": 1}
    assert mark.split()[-1] in result.notices[0].message


@pytest.mark.parametrize("mark", OPENINGS)
@pytest.mark.parametrize("end", ["", "</s>", "<eoh>"])
def test_a_mark_before_a_question_is_removed_and_named(mark, end):
    result = read_bytes(lines({"prompt": f"{mark}几点上班{end}", "response": "九点"}), "a.jsonl")
    assert texts(result) == [["几点上班", "九点"]] and notices(result) == {"marks_removed": 1}


def test_a_prompt_in_the_marks_of_a_model_is_its_question():
    result = read_bytes(lines({"prompt": "<s>[INST] 几点上班 [/INST]", "response": "九点"}), "a.jsonl")
    assert texts(result) == [["几点上班", "九点"]]


@pytest.mark.parametrize("mark", ["<|assistant|>", "[/INST] ", "<|MOSS|>: ", "[MOSS]: ", "<|im_start|>assistant\n"])
def test_a_mark_before_an_answer_in_turns_and_tables(mark):
    turns = [{"role": "user", "content": "几点上班"}, {"role": "assistant", "content": f"{mark}九点</s>"}]
    for content, name in (
        (lines({"messages": turns}), "a.jsonl"),
        (f'问题,答案\n几点上班,"{mark}九点</s>"\n'.encode(), "a.csv"),
    ):
        result = read_bytes(content, name)
        assert texts(result) == [["几点上班", "九点"]] and notices(result) == {"marks_removed": 1}


@pytest.mark.parametrize("name", ["<用户>", "[客户]", "<|name|>", "<|user_name|>"])
def test_the_blank_of_a_form_is_no_mark(name):
    result = read_bytes(lines({"question": "怎么称呼", "answer": f"{name}您好"}), "a.jsonl")
    assert texts(result) == [["怎么称呼", f"{name}您好"]] and "marks_removed" not in notices(result)


def test_turns_in_the_manner_of_moss():
    turn = {"Human": "<|Human|>: 几点<eoh>\n", "Inner Thoughts": "<|Inner Thoughts|>: None<eot>\n"}
    turn["MOSS"] = "<|MOSS|>: 九点<eom>\n"
    row = {"conversation_id": 1, "meta_instruction": "你是 MOSS", "chat": {"turn_1": turn, "turn_2": turn}}
    assert texts(read_bytes(lines(row), "a.jsonl")) == [["你是 MOSS", "几点", "九点", "几点", "九点"]]


@pytest.mark.parametrize("column", ["text", "plain_text", "data"])
@pytest.mark.parametrize(
    "text",
    [
        "<|Human|>: 几点上班<eoh>\n<|MOSS|>: 九点<eom>\n<|Human|>: 几点下班<eoh>\n<|MOSS|>: 六点<eom>",
        "[Human]: 几点上班<eoh> [MOSS]: 九点<eoa> [Human]: 几点下班<eoh> [MOSS]: 六点<eoa>",
        "[Human]: 几点上班\n[AI]: 九点\n[Human]: 几点下班\n[AI]: 六点",
    ],
)
def test_a_whole_conversation_in_such_marks(column, text):
    result = read_bytes(lines({column: text}, {column: text}), "a.jsonl")
    assert texts(result) == [["几点上班", "九点", "几点下班", "六点"]] * 2


@pytest.mark.parametrize(
    "answer",
    [
        "句子用 `</s>` 结束，轮次用 `<|im_end|>` 结束",
        '```python\nprompt = f"<|im_start|>user\\n{text}<|im_end|>"\n```',
        "```\n[INST] 你好 [/INST]\n```",
        "表示删除的标签：<s>旧价</s> 新价",
        "<s>一百元</s> 八十元",
        "if a[i] < b[s]: return a</s",
        "数组写作 a[INDEX]，链接写作 [文字](地址)",
        "<html><body><p>你好</p></body></html>",
        "#include <iostream>",
    ],
)
def test_code_and_tags_stay(answer):
    result = read_bytes(lines({"question": "怎么写", "answer": answer}), "a.jsonl")
    assert texts(result) == [["怎么写", answer]] and not {"marks_removed", "marks_left"} & set(notices(result))


@pytest.mark.parametrize(
    "answer",
    [
        "ChatML 的结束标记是<|im_end|>",
        "The turn ends with </s>",
        "<|im_end|> ends a turn and nothing else does",
        "</s>",
    ],
)
def test_an_answer_that_speaks_of_marks_keeps_them_and_is_named(answer):
    result = read_bytes(lines({"question": "用什么结束", "answer": answer}), "a.jsonl")
    assert texts(result) == [["用什么结束", answer]] and notices(result) == {"marks_left": 1}


def test_marks_within_an_answer_are_named_and_not_cut():
    answer = "九点</s>\n问：下班呢\n答：六点"
    result = read_bytes(lines({"question": "几点", "answer": answer}), "a.jsonl")
    assert texts(result) == [["几点", answer]] and notices(result) == {"marks_left": 1}
