"""What is exported reads back as it was."""

import csv
import io

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core.data import DataError, Example, read_bytes
from glm_core.data.examples import pair
from glm_core.data.export import count_formulas, export, from_table, quote_formula, table

WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t\",;='{}[]"), min_size=1, max_size=30
)
SPOKEN = WORDS.filter(lambda words: not words.isspace())


@st.composite
def conversations(draw) -> Example:
    system = [{"role": "system", "content": draw(SPOKEN)}] if draw(st.booleans()) else []
    turns = draw(st.lists(st.tuples(SPOKEN, SPOKEN), min_size=1, max_size=3))
    return Example(
        system
        + [
            message
            for asked, said in turns
            for message in ({"role": "user", "content": asked}, {"role": "assistant", "content": said})
        ]
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(conversations(), min_size=1, max_size=5), st.sampled_from(["jsonl", "csv", "xlsx"]))
def test_a_file_reads_back_as_it_was_exported(examples, format):
    result = read_bytes(export(examples, format), f"a.{format}")
    assert [example.messages for example in result.examples] == [example.messages for example in examples]
    assert not result.problems


def test_quotes_within_a_cell_take_no_blank_from_another():
    said = [("user", "0"), ("assistant", "0"), ("user", "1"), ("assistant", " 1")]
    talk = Example([{"role": role, "content": text} for role, text in said])
    assert [one.messages for one in read_bytes(export([talk], "csv"), "a.csv").examples] == [talk.messages]


def test_excel_reads_formulas_as_text():
    book = openpyxl.load_workbook(io.BytesIO(export([pair("=1+1", '=HYPERLINK("x")')], "xlsx")))
    assert [cell.data_type for cell in book["data"][2]] == ["s", "s"]


def test_excel_never_gets_a_text_that_it_would_cut():
    with pytest.raises(DataError):
        export([pair("a", "长" * 40_000)], "xlsx")


def test_control_characters_do_not_break_a_sheet():
    assert read_bytes(export([pair("a\x00\x1b", "b")], "xlsx"), "a.xlsx").examples[0].question == "a"


def test_an_unknown_format_is_a_sentence():
    with pytest.raises(DataError):
        export([pair("a", "b")], "pdf")


def test_single_questions_have_two_columns_only():
    assert table([pair("a", "b")]) == [{"prompt": "a", "response": "b"}]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a"},
        {"prompt": "", "response": "b"},
        {"prompt": "a", "response": None},
        {"prompt": "a", "response": "b", "history": "[["},
    ],
)
def test_a_row_edited_wrongly_is_named_by_its_number(row):
    with pytest.raises(DataError) as caught:
        from_table([{"prompt": "a", "response": "b"}, row])
    assert "2" in str(caught.value)


def test_a_field_left_empty_is_called_as_the_column_of_the_edited_table():
    with pytest.raises(DataError, match="回答 是空的"):
        from_table([{"prompt": "a", "response": " "}])


@given(st.lists(conversations(), min_size=1, max_size=4))
def test_an_edited_table_is_the_set_again(examples):
    assert [example.messages for example in from_table(table(examples))] == [example.messages for example in examples]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", " ="])
def test_a_csv_for_spreadsheets_runs_nothing_and_one_for_programs_changes_nothing(start):
    text = start + 'HYPERLINK("http://x","y")'
    examples = [pair("q", text)]
    assert count_formulas(examples) == 1
    cells = [
        next(csv.DictReader(io.StringIO(export(examples, "csv", quote).decode("utf-8-sig"), newline="")))
        for quote in (False, True)
    ]
    assert [cell["response"] for cell in cells] == [text, f"'{text}"]


@pytest.mark.parametrize("before", ["", " ", "\u3000", "\ufeff", "\u200b \u00a0", "\x00"])
@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "＝cmd", "\t=1", "-2+3"])
def test_a_formula_behind_what_nobody_sees_is_quoted(before, cell):
    assert quote_formula(before + cell) == f"'{before}{cell}"
    assert quote_formula(f"{before}a{cell}") == f"{before}a{cell}"
