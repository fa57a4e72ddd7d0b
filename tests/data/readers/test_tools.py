"""Tools in published rows: every usual form becomes the same messages, goes out and comes back as it was."""

import json

import pytest

from glm_core import data
from glm_core.data import export

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
FLAT = {"name": "weather", "description": "天气", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FLAT}
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "北京"}}}
READ = [
    {"role": "user", "content": "热吗？", "tools": [TOOL]},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": '{"t": 30}'},
    {"role": "assistant", "content": "三十度"},
]
TEXT = '{"name": "weather", "arguments": {"city": "北京"}}'
OPENAI_CALL = {
    "id": "1",
    "type": "function",
    "function": {"name": "weather", "arguments": json.dumps({"city": "北京"})},
}
ASKED, ANSWERED = {"role": "user", "content": "热吗？"}, {"role": "assistant", "content": "三十度"}
FORMS = {
    "openai": {
        "messages": [
            ASKED,
            {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]},
            {"role": "tool", "tool_call_id": "1", "content": '{"t": 30}'},
            ANSWERED,
        ],
        "tools": [TOOL],
    },
    "openai, older": {
        "messages": [
            ASKED,
            {"role": "assistant", "content": None, "function_call": OPENAI_CALL["function"]},
            {"role": "function", "name": "weather", "content": '{"t": 30}'},
            ANSWERED,
        ],
        "functions": [FLAT],
    },
    "sharegpt": {
        "conversations": [
            {"from": "human", "value": "热吗？"},
            {"from": "function_call", "value": TEXT},
            {"from": "observation", "value": '{"t": 30}'},
            {"from": "gpt", "value": "三十度"},
        ],
        "tools": json.dumps([FLAT]),
    },
    "chatglm3": {
        "conversations": [
            ASKED,
            {"role": "tool", "name": "weather", "parameters": {"city": "北京"}, "observation": {"t": 30}},
            ANSWERED,
        ],
        "tools": [FLAT],
    },
    "glm-4": {
        "messages": [
            {"role": "system", "content": "", "tools": [TOOL]},
            ASKED,
            {"role": "assistant", "content": TEXT},
            {"role": "observation", "content": '{"t": 30}'},
            ANSWERED,
        ]
    },
    "hermes": {
        "conversations": [
            {"from": "human", "value": "热吗？"},
            {"from": "gpt", "value": f"<tool_call>\n{TEXT}\n</tool_call>"},
            {"from": "tool", "value": '<tool_response>\n{"t": 30}\n</tool_response>'},
            {"from": "gpt", "value": "三十度"},
        ],
        "tools": json.dumps([TOOL]),
    },
}


def read(folder, *rows):
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return data.read(file)


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_is_read_alike(form, tmp_path):
    found = read(tmp_path, FORMS[form])
    assert not found.problems and not found.notices
    assert found.examples[0].messages == READ and found.examples[0].has_tools


@pytest.mark.parametrize("format", ["jsonl", "csv", "xlsx"])
def test_what_goes_out_comes_back(format, tmp_path):
    plain = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    examples = read(tmp_path, FORMS["openai"], plain).examples
    (tmp_path / f"out.{format}").write_bytes(export.export(examples, format))
    assert [one.messages for one in data.read(tmp_path / f"out.{format}").examples] == [
        one.messages for one in examples
    ]
    assert [one.messages for one in export.from_table(export.table(examples))] == [one.messages for one in examples]


@pytest.mark.parametrize(
    "change, field",
    [
        ({"tools": "not json"}, "tools"),
        ({"tools": [{"description": "x"}]}, "tools[0]"),
        ({"messages": [ASKED, {"role": "tool", "content": "x"}, ANSWERED]}, "messages[1].role"),
        ({"messages": [*FORMS["openai"]["messages"][:2], ASKED, ANSWERED]}, "messages[2].role"),
        ({"messages": FORMS["openai"]["messages"][:3]}, "messages[2].content"),
        (
            {"messages": [ASKED, {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "{"}}]}]},
            "messages[1].tool_calls[0]",
        ),
    ],
)
def test_a_row_that_makes_no_sense_is_named(change, field, tmp_path):
    found = read(tmp_path, FORMS["openai"] | change, FORMS["openai"])
    assert [problem.field for problem in found.problems] == [field] and len(found.examples) == 1


def test_several_calls_have_several_results_and_a_row_may_end_with_a_call(tmp_path):
    twice = [
        ASKED,
        {"role": "assistant", "content": "查一下", "tool_calls": [OPENAI_CALL, OPENAI_CALL]},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        ANSWERED,
    ]
    found = read(tmp_path, {"messages": twice, "tools": [TOOL]}, {"messages": twice[:2], "tools": [TOOL]})
    assert [len(one.messages) for one in found.examples] == [5, 2] and not found.problems
    assert found.examples[1].answer == f"查一下\n{TEXT}\n{TEXT}"
