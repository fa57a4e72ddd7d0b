"""Documents become blocks: every format, what is left out is said, and files made to harm end in a sentence."""

import io
import zipfile

import pytest

from glm_core.data import DataError
from glm_core.data.documents import extract
from glm_core.data.documents.parsers import MAX_UNPACKED
from tests.data.documents import papers


def texts(document) -> list[tuple[int, str]]:
    return [(block.level, block.text) for block in document.blocks]


def kinds(document) -> dict[str, int]:
    assert all(str(notice) for notice in document.notices)
    return {notice.kind: notice.count for notice in document.notices}


def test_a_word_file_keeps_headings_paragraphs_and_tables():
    content = papers.docx(
        [(1, "请假"), (0, "年假十天。"), (2, "病假"), (0, "要有证明。")], [["项目", "天数"], ["婚假", "三天"]]
    )
    assert texts(extract(content, "手册.docx")) == [
        (2, "请假"),
        (0, "年假十天。"),
        (3, "病假"),
        (0, "要有证明。"),
        (0, "项目 | 天数\n婚假 | 三天"),
    ]


def test_a_page_of_the_web_loses_menus_scripts_and_forms():
    page = """<?xml version="1.0" encoding="gb2312"?><html><head><title>x</title><style>p{}</style></head><body><nav>首页 登录</nav>
    <h1>茶<b>叶</b></h1><div>绿茶不发酵。<p>红茶全发酵。<br>黑茶后发酵。</p></div><ul><li>龙井<li>毛尖</ul>
    <table><tr><th>名<td>地</tr><tr><td>龙井<td>杭州</tr></table><script>alert(1)</script><img src=x onerror=y><footer>版权</footer></body>"""
    document = extract(page.encode("gb18030"), "茶.html")
    assert texts(document) == [
        (1, "茶叶"),
        (0, "绿茶不发酵。"),
        (0, "红茶全发酵。"),
        (0, "黑茶后发酵。"),
        (0, "- 龙井"),
        (0, "- 毛尖"),
        (0, "名 | 地"),
        (0, "龙井 | 杭州"),
    ]
    assert kinds(document) == {"images": 1}


def test_markdown_loses_its_marks():
    text = "---\ntitle: x\n---\n# 退货\n\n七天内**可以**退，见[说明](http://a)。\n\n- 一\n- 二\n\n| 物 | 天 |\n|--|--|\n| 鞋 | 7 |\n\n```\nreturn 7\n```\n![图](a.png)\n"
    document = extract(text.encode(), "a.md")
    assert texts(document) == [
        (1, "退货"),
        (0, "七天内可以退，见说明。"),
        (0, "- 一"),
        (0, "- 二"),
        (0, "物 | 天"),
        (0, "鞋 | 7"),
        (0, "return 7"),
    ]
    assert kinds(document) == {"images": 1}


def test_pages_of_a_pdf_are_numbered_without_their_margins():
    body = [
        "The warranty lasts two years from the day that the customer",
        "bought the lamp.",
        "Batteries are not included.",
    ]
    pages = [["Handbook 2024", *body, f"page {number}"] for number in (1, 2, 3)] + [[]]
    document = extract(papers.pdf(pages, compress=True), "lamp.pdf")
    assert [block.page for block in document.blocks] == [1, 1, 2, 2, 3, 3]
    assert document.blocks[0].text.endswith("customer bought the lamp."), "a line broken at the margin goes on"
    assert kinds(document) == {"margin_lines": 6, "pages_without_text": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_plain_text_in_the_encodings_people_have(encoding):
    text = "第一章 总则\n\n本店卖茶。\n\n一、退货\n\n七天内可以退。"
    document = extract(text.encode(encoding), "店.txt")
    assert texts(document) == [(2, "第一章 总则"), (0, "本店卖茶。"), (2, "一、退货"), (0, "七天内可以退。")]


def bomb() -> bytes:
    """A document that unpacks to a little more than may be."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("word/document.xml", "w") as file:
            for _ in range(MAX_UNPACKED // 1_000_000 + 1):
                file.write(b" " * 1_000_000)
    return target.getvalue()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a.exe", b"MZ", "a.exe"),
        ("a.doc", b"\xd0\xcf\x11\xe0", ".docx"),
        ("a.txt", b" \n ", "a.txt"),
        ("a.docx", b"no zip", "docx"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + b"0" * 600, "密码"),
        ("a.pdf", b"%PDF-1.4 nothing", "a.pdf"),
        ("a.pdf", papers.pdf([[], []]), "OCR"),
        ("a.html", b"<html><script>x</script></html>", "没有文字"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(file, content, words):
    with pytest.raises(DataError) as caught:
        extract(content, file)
    assert words in str(caught.value)


def test_a_bomb_is_one_sentence():
    with pytest.raises(DataError) as caught:
        extract(bomb(), "a.docx")
    assert "300 MB" in str(caught.value)


def test_entities_that_multiply_are_not_expanded():
    lol = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    target = io.BytesIO(papers.docx([(0, "x")]))
    made = io.BytesIO()
    with zipfile.ZipFile(target) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "word/document.xml":
                content = content.replace(b"<w:document", lol.encode() + b"]><w:document", 1).replace(b">x<", b">&j;<")
            new.writestr(name, content)
    with pytest.raises(DataError):
        extract(made.getvalue(), "a.docx")


def test_deep_nesting_does_not_end_the_reader():
    content = b"<div>" * 50_000 + "深处的一句话。".encode() + b"</div>" * 50_000
    try:
        document = extract(content, "a.html")
    except DataError as error:
        assert str(error)
    else:
        assert document.blocks
