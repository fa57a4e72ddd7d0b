"""Published layouts are recognized, and every way a conversation can be wrong is named by its field."""

import json

import pytest

from glm_core import i18n
from glm_core.data import read_bytes


def lines(*rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def read(*rows, **options):
    return read_bytes(lines(*rows), "a.jsonl", **options)


def said(*pairs) -> list[dict]:
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return [{"role": roles[role], "content": content} for role, content in pairs]


def shared(question: str, answer: str, human="human", gpt="gpt") -> list[dict]:
    return [{"from": human, "value": question}, {"from": gpt, "value": answer}]


ONE = said(("u", "你好"), ("a", "好"))
TWO = said(("u", "一"), ("a", "二"), ("u", "你好"), ("a", "好"))


@pytest.mark.parametrize(
    ("row", "layout", "messages"),
    [
        ({"instruction": "你好", "output": "好"}, "alpaca", ONE),
        ({"instruction": "你好", "input": None, "output": "好", "history": [], "system": ""}, "alpaca", ONE),
        ({"instruction": "说", "input": "你好", "output": "好"}, "alpaca", said(("u", "说\n你好"), ("a", "好"))),
        ({"instruction": "", "input": "你好", "output": "好"}, "alpaca", ONE),
        ({"instruction": "你好", "output": "好", "history": [["一", "二"]]}, "alpaca", TWO),
        ({"instruction": "你好", "output": "好", "system": "短"}, "alpaca", said(("s", "短")) + ONE),
        ({"conversations": shared("你好", "好")}, "sharegpt", ONE),
        ({"id": 1, "conversations": shared("你好", "好", "user", "assistant")}, "sharegpt", ONE),
        ({"conversations": ONE}, "conversations", ONE),
        ({"messages": TWO}, "messages", TWO),
        ({"messages": said(("s", "短")) + ONE}, "messages", said(("s", "短")) + ONE),
        ({"system": "短", "conversations": shared("你好", "好")}, "sharegpt", said(("s", "短")) + ONE),
        ({"content": "你好", "summary": "好"}, "content_summary", ONE),
        ({"prompt": "你好", "response": "好"}, "prompt_response", ONE),
        ({"prompt": "你好", "response": "好", "history": [["一", "二"]]}, "prompt_response", TWO),
        ({"prompt": "你好", "response": "好", "history": '[["一", "二"]]'}, "prompt_response", TWO),
        ({"prompt": "你好", "response": "好", "history": TWO[:2]}, "prompt_response", TWO),
        ({"query": "你好", "response": "好"}, "prompt_response", ONE),
        ({"input": "你好", "output": "好"}, "prompt_response", ONE),
        ({"question": "你好", "answer": "好"}, "question_answer", ONE),
        ({"问题": "你好", "答案": "好"}, "question_answer", ONE),
        ({"Question": "你好", "Answer": "好", "extra": [1]}, "question_answer", ONE),
    ],
)
def test_a_layout_is_recognized(row, layout, messages):
    result = read(row)
    assert not result.problems
    assert (result.layout, result.examples[0].messages) == (layout, messages)


def test_an_example_knows_its_question_answer_and_prompt():
    [example] = read({"messages": TWO}).examples
    assert (example.question, example.answer, example.prompt) == ("你好", "好", TWO[:3])


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"instruction": "a", "input": ""}, "output"),
        ({"instruction": "a", "output": " "}, "output"),
        ({"output": "a"}, "instruction"),
        ({"instruction": "", "input": "", "output": "a"}, "instruction"),
        ({"instruction": ["a"], "output": "a"}, "instruction"),
        ({"question": "a"}, "answer"),
        ({"prompt": "a"}, "response"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "你好"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["你好"]}, "messages[0]"),
        ({"messages": said(("s", "x"))}, "messages"),
        ({"messages": said(("u", "x"))}, "messages[0].content"),
        ({"messages": said(("a", "x"), ("u", "y"))}, "messages[0].role"),
        ({"messages": said(("u", "x"), ("u", "y"), ("a", "z"))}, "messages[1].role"),
        ({"messages": said(("u", "x"), ("a", "y"), ("s", "z"), ("u", "x"), ("a", "y"))}, "messages[2].role"),
        ({"messages": said(("u", "x"), ("a", "y"), ("u", "z"))}, "messages[2].content"),
        ({"messages": said(("u", "x"), ("a", " "))}, "messages[1].content"),
        ({"messages": [{"role": "user"}, {"role": "assistant", "content": "x"}]}, "messages[0].content"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": None, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
        ({"conversations": [{"from": "gpt", "value": "x"}]}, "conversations[0].from"),
        ({"conversations": [{"from": "human", "value": "x"}]}, "conversations[0].value"),
        ({"conversations": [{"from": "human"}]}, "conversations[0].value"),
        ({"prompt": "a", "response": "b", "history": "no list"}, "history"),
        ({"prompt": "a", "response": "b", "history": "[broken"}, "history"),
        ({"prompt": "a", "response": "b", "history": ["x", "y"]}, "history[0]"),
        ({"prompt": "a", "response": "b", "history": [["x"]]}, "history[0]"),
        ({"prompt": "a", "response": "b", "history": [["x", None]]}, "history[0][1]"),
    ],
)
def test_what_is_wrong_with_a_row_is_named_by_field(row, field):
    result = read(row, {"question": "good", "answer": "row"}, row)
    assert [example.question for example in result.examples] == ["good"]
    assert [(problem.line, problem.field) for problem in result.problems] == [(1, field), (3, field)]


def test_a_file_with_every_row_wrong_still_names_each():
    result = read({"instruction": "a"}, {"instruction": "b"})
    assert (result.examples, result.layout) == ([], "alpaca")
    assert [(problem.line, problem.field) for problem in result.problems] == [(1, "output"), (2, "output")]


def test_mixed_layouts_are_each_read_as_what_they_are():
    result = read(
        {"question": "你好", "answer": "好"},
        {"messages": ONE},
        {"question": "你好", "answer": "好"},
        {"instruction": "你好", "output": "好"},
        {"title": "x"},
    )
    assert [example.messages for example in result.examples] == [ONE] * 4
    assert result.layout == "question_answer"
    assert [(problem.line, problem.field) for problem in result.problems] == [(5, "question")]


def test_unknown_columns_are_listed_for_mapping():
    result = read_bytes("标题,正文\n一,二\n三,四\n".encode(), "a.csv")
    assert (result.layout, result.columns, result.examples) == ("unknown", ("标题", "正文"), [])
    assert result.sample == [{"标题": "一", "正文": "二"}, {"标题": "三", "正文": "四"}]
    assert len(result.problems) == 1 and "标题" in result.problems[0].message


def test_every_layout_has_its_words():
    names = {"alpaca", "sharegpt", "messages", "conversations", "content_summary", "prompt_response", "question_answer"}
    for language in i18n.LANGUAGES:
        assert {f"data.layout.{name}" for name in names | {"text", "mapped", "unknown"}} <= set(i18n.table(language))
