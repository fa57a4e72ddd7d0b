"""The encoding is found from the bytes, with a notice where it is an unusual one; what reads as several is refused until one is chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core.data import DataError, read_bytes
from glm_core.data.readers.formats.text_encoding import decode
from glm_core.data.readers.notices import NoticeTally

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


OTHERS = [
    ("繁體中文的資料集，這裡是說明與範例。" * 5, "big5", "Big5"),
    ("數據,資料繁體中文說明\n" * 9, "big5", "Big5"),
    ("你們幾點上班,我們早上九點上班\n", "cp950", "Big5"),
    ("これはデータセットです。" * 5, "shift_jis", "Shift-JIS"),
    ("営業時間は何時ですか,朝九時から夕方六時までです\n", "euc_jp", "EUC-JP"),
    ("몇 시에 열어요?,아홉 시에 열어요\n몇 시에 닫아요?,여섯 시에 닫습니다\n", "euc-kr", "EUC-KR"),
    ("café à la crème, déjà vu", "latin-1", "Windows-1252"),
    ("Wie heißen Sie?,Ich heiße Müller\nÖffnungszeiten,„täglich“ – 9 bis 18 Uhr\n", "cp1252", "Windows-1252"),
    ("Когда вы открыты?,Мы открыты с девяти до шести\n", "cp1251", "Windows-1251"),
    ("Когда вы открыты?,Мы открыты с девяти до шести\n", "koi8-r", "KOI8-R"),
]


@pytest.mark.parametrize(("text", "encoding", "called"), OTHERS)
def test_other_encodings_are_read_with_a_notice_where_the_text_tells_them(text, encoding, called):
    tally = NoticeTally()
    assert decode(b"question\n" + text.encode(encoding), "a.csv", tally=tally) == f"question\n{text}"
    assert list(tally.names["encoding"]) == [called]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("pytanie,odpowiedź\nGdzie są książki,Są na półce — zażółć gęślą jaźń\n", "cp1250"),
        ("otázka,odpověď\nKde jste?,Jsem doma, přišel jsem včera\n", "cp1250"),
        ("Nerede çalışıyorsun,Şirkette çalışıyorum, ığdır\n", "cp1254"),
        ("ερώτηση,απάντηση\nΠού είστε;,Είμαστε στην Αθήνα\n", "cp1253"),
        ("질문,답변\n배송비,무료\n", "cp949"),
    ],
)
def test_what_reads_as_several_or_none_is_refused_until_an_encoding_is_chosen(text, encoding):
    content = b"question\n" + text.encode(encoding)
    with pytest.raises(DataError) as caught:
        decode(content, "数据.csv")
    assert "数据.csv" in str(caught.value) and "第 2 行" in str(caught.value) and "--encoding" in str(caught.value)
    assert decode(content, "数据.csv", encoding) == f"question\n{text}"


def test_an_encoding_that_does_not_fit_or_exist_is_refused():
    for encoding, said in (("utf-8", "UTF-8"), ("klingon", "klingon")):
        with pytest.raises(DataError) as caught:
            decode("繁體中文".encode("big5") * 9, "a.txt", encoding)
        assert said in str(caught.value)


@pytest.mark.parametrize("text", ["问题,答案\n营业时间,九点到六点\n", "繁體的資料,這裡用國標碼寫\n" * 3])
def test_chinese_in_its_national_encoding_needs_no_notice(text):
    assert decode(text.encode("gb18030"), "a.csv", tally=(tally := NoticeTally())) == text and not tally.counts


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
