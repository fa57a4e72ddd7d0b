"""The library's file of rows has one reader, which numbers lines and guesses no layout."""

import json

import pytest

from glm_core.data import DataError, library, row_file
from glm_core.data.examples import pair


def line(*contents):
    roles = ("user", "assistant") * len(contents)
    return json.dumps({"messages": [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]})


def test_lines_that_are_no_conversation_are_none_and_keep_their_number(tmp_path):
    path = tmp_path / "dataset.jsonl"
    bad = ["{", "3", '{"prompt": "一", "response": "1"}', '{"messages": 3}', line("问"), line("问", 3), ""]
    path.write_text("\n".join([line("一", "1"), *bad, line("二", "2")]), encoding="utf-8")
    found = list(row_file.read_lines(path))
    assert [number for number, _ in found] == list(range(1, 10))
    assert [(one.line, one.question) for _, one in found if one is not None] == [(1, "一"), (9, "二")]


def test_what_the_library_writes_is_read_back(workspace):
    rows = [pair("一\u2028行", "1\u0085"), pair("二", "2")]
    kept = library.add("两行", rows)
    found = [example for _, example in row_file.read_lines(library.rows_file(kept.id))]
    assert [one.messages for one in found] == [one.messages for one in rows]


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="none.jsonl"):
        list(row_file.read_lines(tmp_path / "none.jsonl"))
