"""The encoding is found from the bytes; what is no known encoding is refused, not guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core.data import DataError, read_bytes
from glm_core.data.readers.formats.text_encoding import decode

CHINESE = '{"question":"今天天气怎么样？","answer":"晴，气温二十五度。"}\n'
RARE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=6)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("rows", [1, 50])
def test_an_encoding_is_found_by_itself(encoding, rows):
    result = read_bytes((CHINESE * rows).encode(encoding), "a.jsonl")
    assert len(result.examples) == rows and result.examples[0].question == "今天天气怎么样？"


def test_characters_that_only_gb18030_has():
    text = "这里有一个生僻字：㐂，还有表情😀。" * 3
    assert decode(text.encode("gb18030"), "a.txt") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("繁體中文的資料集，這裡是說明與範例。" * 5, "big5"),
        ("數據,資料繁體中文說明\n" * 9, "big5"),
        ("これはデータセットです。" * 5, "shift_jis"),
        ("café à la crème, déjà vu", "latin-1"),
    ],
)
def test_other_encodings_are_refused_with_the_place(text, encoding):
    with pytest.raises(DataError) as caught:
        decode(b"question\n" + text.encode(encoding), "数据.csv")
    assert "数据.csv" in str(caught.value) and "第 2 行" in str(caught.value) and "UTF-8" in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, bytes(64), b"\x7fELF" + bytes(500), bytes(range(128)) * 9]
)
def test_binary_files_are_refused(content):
    with pytest.raises(DataError):
        decode(content, "a.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_broken_byte_costs_its_row_only(encoding):
    rows = [CHINESE.encode(encoding) for _ in range(60)]
    rows[30] = rows[30].replace("晴".encode(encoding), b"\xff")
    result = read_bytes(b"".join(rows), "a.jsonl")
    assert len(result.examples) == 59
    assert [(problem.line, problem.field) for problem in result.problems] == [(31, "answer")]


@given(RARE)
def test_rare_characters_in_ordinary_gb18030_text_are_kept(rare):
    text = f"今天天气很好，我们一起去公园里看花，路上遇到了{rare}老朋友。"
    assert decode(text.encode("gb18030"), "a") == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_utf8_is_itself(text):
    assert decode(text.encode(), "a") == text.removeprefix("\ufeff")


@given(st.binary(max_size=300))
def test_any_bytes_give_text_or_a_sentence(content):
    try:
        assert isinstance(decode(content, "a"), str)
    except DataError as error:
        assert str(error)
