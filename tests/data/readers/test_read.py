"""Every format gives the same examples; bad rows are named by line and field, and good ones are kept."""

import io
import json

import openpyxl
import pandas as pd
import pytest

from glm_core.data import DataError, read, read_bytes, read_text

ROWS = [
    {"instruction": "你是谁？", "input": "", "output": "我是小印。"},
    {"instruction": "翻译成英文", "input": "你好", "output": 'Hello, "friend"\nand, you'},
    {"instruction": "等于几", "input": "1+1", "output": "2"},
]
EXPECTED = [("你是谁？", "我是小印。"), ("翻译成英文\n你好", 'Hello, "friend"\nand, you'), ("等于几\n1+1", "2")]


def in_format(ending: str, rows=ROWS) -> bytes:
    frame, target = pd.DataFrame(rows), io.BytesIO()
    if ending == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if ending == "json":
        return json.dumps(rows, ensure_ascii=False, indent=2).encode()
    if ending in ("csv", "tsv"):
        return frame.to_csv(index=False, sep="," if ending == "csv" else "\t").encode()
    if ending == "xlsx":
        frame.to_excel(target, index=False)
    else:
        frame.to_parquet(target)
    return target.getvalue()


def pairs(result) -> list[tuple[str, str]]:
    return [(example.question, example.answer) for example in result.examples]


def failure(content: bytes | str, file: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_bytes(content.encode() if isinstance(content, str) else content, file, **options)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "tsv", "xlsx", "parquet"])
def test_every_format_gives_the_same_examples(ending, tmp_path):
    path = tmp_path / f"rows.{ending.upper()}"
    path.write_bytes(in_format(ending))
    result = read(path)
    assert pairs(result) == EXPECTED
    assert (result.layout, result.problems, result.rows) == ("alpaca", [], 3)
    assert result.columns == ("instruction", "input", "output")


def test_messages_are_plain_lists_of_role_and_content(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(in_format("jsonl"))
    assert read(tmp_path / "a.jsonl").examples[0].messages == [
        {"role": "user", "content": "你是谁？"},
        {"role": "assistant", "content": "我是小印。"},
    ]


def test_progress_ends_at_one(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(in_format("jsonl", ROWS * 2_000))
    seen = []
    read(tmp_path / "a.jsonl", progress=lambda stage, fraction: seen.append(fraction))
    assert seen == sorted(seen) and len(seen) > 2 and seen[-1] == 1.0


# places of problems


@pytest.mark.parametrize(
    ("file", "content", "line"),
    [
        ("a.jsonl", '{"question":"a","answer":"b"}\n\n{"question":"a"}\n', 3),
        ("a.json", '[\n {"question":"a",\n  "answer":"b"},\n\n {"question":\n"a"}\n]', 5),
        ("a.json", '{"data": [\n {"question":"a","answer":"b"},\n {"question":"a"}]}', 3),
        ("a.json", '{"question":"a",\n"answer":"b"}\n{\n"question":"a"}', 3),
        ("a.csv", 'question,answer\n"a\nb",c\n\nd\n', 5),
    ],
)
def test_a_missing_field_is_named_with_its_real_line(file, content, line):
    result = read_bytes(content.encode(), file)
    assert len(result.examples) == 1
    [problem] = result.problems
    assert (problem.line, problem.field) == (line, "answer")
    assert "answer" in problem.message and str(line) in str(problem)


def test_a_blank_cell_of_a_sheet_is_named_by_its_sheet_row():
    book, target = openpyxl.Workbook(), io.BytesIO()
    for row in ([], ["question", "answer"], ["a", "b"], [], ["c", None], ["d", 5]):
        book.active.append(row)
    book.save(target)
    result = read_bytes(target.getvalue(), "a.xlsx")
    assert pairs(result) == [("a", "b"), ("d", "5")]
    assert [(problem.line, problem.field) for problem in result.problems] == [(5, "answer")]


def test_the_first_sheet_that_is_not_empty_is_read():
    book, target = openpyxl.Workbook(), io.BytesIO()
    sheet = book.create_sheet("second")
    sheet.append(["question", "answer"])
    sheet.append(["a", "b"])
    book.save(target)
    assert pairs(read_bytes(target.getvalue(), "a.xlsx")) == [("a", "b")]


def test_a_broken_line_is_a_problem_and_the_others_are_kept():
    lines = ['{"question":"a","answer":"b"}', '{"question":"a" "answer":"b"}', "[1]", '{"question":"c","answer":"d"}']
    result = read_bytes("\n".join(lines).encode(), "a.jsonl")
    assert pairs(result) == [("a", "b"), ("c", "d")]
    assert [problem.line for problem in result.problems] == [2, 3]
    assert "17" in result.problems[0].message  # the column


def test_a_broken_first_line_does_not_hide_the_good_ones():
    result = read_bytes(b'{"question":\n{"question":"a","answer":"b"}\n{"question":"c","answer":"d"}\n', "a.jsonl")
    assert len(result.examples) == 2 and [problem.line for problem in result.problems] == [1]


def test_line_separators_inside_strings_do_not_break_lines():
    content = '{"question":"a\u2028b\x0c","answer":"c\u0085"}\n{"question":"a"}'
    result = read_bytes(content.replace("\x0c", "\\f").encode(), "a.jsonl")
    assert pairs(result) == [("a\u2028b\x0c", "c\u0085")] and result.problems[0].line == 2


def test_json_lines_under_the_ending_json_are_read():  # AdvertiseGen is published that way
    result = read_bytes(
        '{"content":"类型#裤","summary":"好裤"}\n{"content":"类型#裙","summary":"好裙"}\n'.encode(), "train.json"
    )
    assert pairs(result) == [("类型#裤", "好裤"), ("类型#裙", "好裙")] and result.layout == "content_summary"


def test_a_json_array_under_the_ending_jsonl_is_read():
    assert pairs(read_bytes(in_format("json"), "a.jsonl")) == EXPECTED


def test_line_ends_of_windows_and_old_macs():
    for end in ("\r\n", "\r"):
        content = f"question,answer{end}a,b{end}c{end}".encode()
        result = read_bytes(content, "a.csv")
        assert pairs(result) == [("a", "b")] and result.problems[0].line == 3


# cells that are not text


def test_numbers_dates_and_truth_values_become_text():
    content = '{"question":1,"answer":2.5}\n{"question":true,"answer":3.0}\n'
    assert pairs(read_bytes(content.encode(), "a.jsonl")) == [("1", "2.5"), ("true", "3")]
    frame, target = pd.DataFrame({"question": pd.to_datetime(["2024-01-02"]), "answer": [7]}), io.BytesIO()
    frame.to_parquet(target)
    assert pairs(read_bytes(target.getvalue(), "a.parquet")) == [("2024-01-02 00:00:00", "7")]


@pytest.mark.parametrize("value", ["null", '""', '"  \\n"', "NaN", "[]", '{"a":1}', '"\\ud83d"'])
def test_a_cell_without_usable_text_is_a_problem(value):
    content = f'{{"question":"a","answer":"b"}}\n{{"question":"a","answer":{value}}}\n'
    result = read_bytes(content.encode(), "a.jsonl")
    assert len(result.examples) == 1
    assert [(problem.line, problem.field) for problem in result.problems] == [(2, "answer")]


def test_nan_cells_of_parquet_are_blank():
    frame, target = pd.DataFrame({"question": ["a", "b"], "answer": [1.0, float("nan")]}), io.BytesIO()
    frame.to_parquet(target)
    result = read_bytes(target.getvalue(), "a.parquet")
    assert pairs(result) == [("a", "1")] and result.problems[0].line == 2


def test_nested_columns_of_parquet_are_conversations():
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    target = io.BytesIO()
    pd.DataFrame({"conversations": [turns, turns]}).to_parquet(target)
    result = read_bytes(target.getvalue(), "a.parquet")
    assert pairs(result) == [("a", "b")] * 2 and result.layout == "sharegpt"


# tables


def test_an_unclosed_quote_costs_its_own_line_only():
    result = read_bytes(b'question,answer\na,b\n"c,d\ne,f\n"g,h",i\n', "a.csv")
    assert pairs(result) == [("a", "b"), ("e", "f"), ("g,h", "i")]
    assert [problem.line for problem in result.problems] == [3]


def test_repeated_and_unnamed_columns_get_names_of_their_own():
    result = read_bytes(b"question,answer,answer,\na,b,c,d\n", "a.csv")
    assert result.columns == ("question", "answer", "answer (2)", "#4")
    assert pairs(result) == [("a", "b")]
    assert [(problem.line, problem.field) for problem in result.problems] == [(1, "answer")]


def test_more_cells_than_columns_is_a_problem():
    result = read_bytes(b"question,answer\na,b,\na,b,c\n", "a.csv")
    assert len(result.examples) == 1 and result.problems[0].line == 3


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_separators_are_found(delimiter):
    content = f"question{delimiter}answer\na, b{delimiter}c\n"
    assert pairs(read_bytes(content.encode(), "a.csv")) == [("a, b", "c")]


def test_headers_are_recognized_in_any_case_and_with_spaces():
    assert pairs(read_bytes(b" Question , ANSWER\na,b\n", "a.csv")) == [("a", "b")]


# files that cannot be read at all


@pytest.mark.parametrize("file", ["a.json", "a.jsonl", "a.csv", "a.tsv", "a.xlsx", "a.parquet", "a.txt"])
@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf\n"])
def test_an_empty_file_says_so(file, content):
    assert file in failure(content, file)


def test_a_table_of_column_names_alone_says_so():
    assert "列名" in failure("question,answer\n", "a.csv")


@pytest.mark.parametrize(
    "content", ['[{"question": "a", "answer": "b"}]', '{"question": "a", "answer": "b"}\n{"question": "c"}']
)
def test_json_under_the_name_of_a_table_is_called_so(content):
    assert ".json" in failure(content, "a.csv")


@pytest.mark.parametrize("content", ["[]", '{"data": []}', "question,answer\n"])
def test_a_file_without_rows_is_refused(content):
    failure(content, "a.csv" if "," in content else "a.json")


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ('[{"a": "b"},\n {"a" "b"}]', 2, 7),
        ('[{"a": "b"}\n {"a": "b"}]', 2, 2),
        ('[{"a": "b"},\n]', 2, 1),
        ('[{"a": "b"}', 1, 12),
        ('[{"a": "b"}]\n\n x', 3, 2),
        ('{"a": "b",\n}', 2, 1),
        ("hello", 1, 1),
    ],
)
def test_broken_json_names_line_and_column(content, line, column):
    sentence = failure(content, "数据.json")
    assert "数据.json" in sentence and f"第 {line} 行" in sentence and f"第 {column} 列" in sentence


def test_missing_files_folders_and_strange_paths_are_sentences(tmp_path):
    for path in (tmp_path / "nowhere.json", tmp_path, tmp_path / "a\0b.json", str(tmp_path / "nowhere.json")):
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(caught.value)


@pytest.mark.parametrize("file", ["a.psd", "data", "a.xls", ""])
def test_unknown_endings_list_the_known_ones(file):
    assert "jsonl" in failure("x", file)


@pytest.mark.parametrize("file", ["a.pdf", "b.docx"])
def test_a_document_is_sent_to_where_documents_become_rows(file):
    assert "python -m glm_core documents" in failure("x", file)


def test_files_that_only_claim_to_be_tables():
    assert "xlsx" in failure(b"PK\x03\x04 no zip", "a.xlsx")
    assert "xlsx" in failure("question,answer\n", "a.xlsx")
    assert "xlsx" in failure(b"\xd0\xcf\x11\xe0" + bytes(100), "a.xlsx")
    assert "parquet" in failure(b"PAR1 no PAR1", "a.parquet")
    assert failure(in_format("xlsx")[:-500], "a.xlsx") and failure(in_format("parquet")[:-20], "a.parquet")
    assert failure(in_format("xlsx"), "a.csv") and failure(in_format("parquet"), "a.jsonl")


def test_a_zip_of_something_else_is_no_sheet():
    import zipfile

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.txt", "b")
    assert "a.xlsx" in failure(target.getvalue(), "a.xlsx")


def test_a_sheet_that_unpacks_to_gigabytes_is_refused_quickly(monkeypatch):
    monkeypatch.setattr("glm_core.data.readers.formats.xlsx_rows.MAX_UNPACKED", 1_000)
    assert "MB" in failure(in_format("xlsx"), "a.xlsx")


def test_a_line_of_millions_of_cells_is_refused_before_it_is_divided(monkeypatch):
    monkeypatch.setattr("glm_core.data.readers.formats.csv_rows.MAX_TEXT", 10)
    monkeypatch.setattr("glm_core.data.readers.formats.csv_rows.LONGEST_LINE", 40)
    result = read_bytes(("question,answer\na,b\n" + "c," * 30 + "\nd,e\n").encode(), "a.csv")
    assert [one.question for one in result.examples] == ["a", "d"]
    assert [(one.line, "60" in one.message) for one in result.problems] == [(3, True)]


def test_entities_of_a_sheet_do_not_multiply():
    import zipfile

    target, laughs = io.BytesIO(), "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
    with zipfile.ZipFile(io.BytesIO(in_format("xlsx"))) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name).decode()
            if name.endswith("sharedStrings.xml") or name.endswith("sheet1.xml"):
                content = content.replace("instruction", "&a8;")
                head, _, rest = (
                    content.partition("?>") if content.startswith("<?xml") else ("<?xml version='1.0'", "", content)
                )
                content = f'{head}?><!DOCTYPE x [<!ENTITY a0 "laugh">{laughs}]>{rest}'
            archive.writestr(name, content)
    assert len(failure(target.getvalue(), "a.xlsx")) < 1_000


def test_a_sheet_that_claims_a_million_rows_is_read_by_what_it_holds():
    book, target = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["question", "answer"])
    book.active.append(["a", "b"])
    book.active.cell(5_000, 16_000, " ")
    book.save(target)
    assert pairs(read_bytes(target.getvalue(), "a.xlsx")) == [("a", "b")]


def test_thousands_of_columns_are_refused():
    assert "5000" in failure(",".join(f"c{n}" for n in range(5_000)) + "\n1\n", "a.csv")


def test_a_line_of_ten_megabytes_is_a_problem_not_a_crash():
    long = "长" * 3_500_000
    for file, content in {
        "a.jsonl": json.dumps({"question": "a", "answer": long}) + '\n{"question":"a","answer":"b"}\n',
        "a.json": json.dumps([{"question": "a", "answer": long}, {"question": "a", "answer": "b"}]),
        "a.csv": f"question,answer\na,{long}\na,b\n",
    }.items():
        result = read_bytes(content.encode(), file)
        assert pairs(result) == [("a", "b")]
        assert len(result.problems) == 1 and len(result.problems[0].message) < 200


@pytest.mark.parametrize("bomb", ["[" * 200_000, '{"a":' * 200_000, "[" * 200_000 + "]" * 200_000])
@pytest.mark.parametrize("file", ["a.json", "a.jsonl"])
def test_nested_bombs_are_refused(bomb, file):
    assert file in failure(bomb, file)


def test_a_nested_bomb_in_one_line_costs_that_line():
    content = '{"question":"a","answer":"b"}\n{"question":"a","answer":' + "[" * 100_000 + "\n"
    assert [problem.line for problem in read_bytes(content.encode(), "a.jsonl").problems] == [2]


def test_a_number_of_five_thousand_digits_is_a_problem():
    content = '{"question":"a","answer":"b"}\n{"question":"a","answer":' + "9" * 5_000 + "}\n"
    assert [problem.line for problem in read_bytes(content.encode(), "a.jsonl").problems] == [2]
    assert "a.json" in failure("[" + "9" * 5_000 + "]", "a.json")


def test_rows_that_are_no_objects_are_named():
    assert "a.json" in failure('["a", "b"]', "a.json")


# plain and pasted text


def test_marked_dialogues_become_conversations():
    result = read_text("问：你好\n答：你好呀\n问：天气\n答：晴\n今天\n\n问：再见\n答：再见！\n")
    assert [len(example.messages) for example in result.examples] == [4, 2]
    assert result.examples[0].answer == "晴\n今天" and result.examples[1].line == 7


def test_pasted_json_and_tables_are_found():
    assert pairs(read_text('{"question":"a","answer":"b"}')) == [("a", "b")]
    assert pairs(read_text('[{"question":"a","answer":"b"}]')) == [("a", "b")]
    assert pairs(read_text("question,answer\na,b")) == [("a", "b")]
    assert pairs(read_text("问题\t答案\na\tb")) == [("a", "b")]
    assert pairs(read_text("你好\t你好呀\n天气\t晴")) == [("你好", "你好呀"), ("天气", "晴")]


def test_paragraphs_are_cut_into_given_and_continuation():
    text = "春天来了，山上的花都开了。我们一家人去看花，路上很热闹。\n\n短\n"
    result = read_text(text)
    [example] = result.examples
    assert result.layout == "text" and example.question.endswith("春天来了，山上的花都开了。")
    assert example.answer == "我们一家人去看花，路上很热闹。"
    assert result.problems[0].line == 3


def test_a_novel_in_one_line_is_cut_at_sentences():
    result = read_text("他走进了屋子，看见一盏灯。" * 2_000)
    assert len(result.examples) > 60 and not result.problems
    assert all(example.answer.endswith("。") for example in result.examples)


def test_a_blank_cell_at_the_end_of_a_row_of_excel_is_blank_and_not_missing():
    book = openpyxl.Workbook()
    for row in (["question", "answer"], ["a", None], [None, "b"], ["c", "d"]):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    found = read_bytes(content.getvalue(), "a.xlsx")
    assert len(found.examples) == 1 and [one.field for one in found.problems] == ["answer", "question"]
    first, second = (str(one.message).replace(one.field, "") for one in found.problems)
    assert first == second
