"""The templates of HTML, SVG and style sheets: what people write stays text in each of them."""

import re
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from glm_core import i18n, templates, ui

HOSTILE = "\"'}</style></p><script>alert(1)</script>\\A &甲"


def drawn(template: str, **values) -> str:
    return templates.render(ui.TEMPLATES, f"{template}.html", **values)


class Reader(HTMLParser):
    """What a browser sees: tags with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def css_strings(style: str) -> list[str]:
    """The values of the strings of a style sheet, as a browser reads them."""
    found = re.findall(r'content: "((?:[^"\\]|\\.)*)"', style)
    return [re.sub(r"\\([0-9a-f]{1,6}) ", lambda code: chr(int(code[1], 16)), one) for one in found]


def test_a_name_in_a_page_is_text():
    page = Reader(drawn("sign_out", name=HOSTILE))
    assert [tag for tag, _ in page.tags] == ["p", "a"] and page.text.startswith(f"{HOSTILE} · ")


def test_a_value_in_an_attribute_is_that_value():
    page = Reader(drawn("address_check", data={"good": HOSTILE, "count": 3}, trying=HOSTILE))
    (_, attributes), (_, script) = page.tags
    assert attributes["data-good"] == HOSTILE and attributes["data-count"] == "3" and page.text.strip() == HOSTILE
    assert script == {"src": "/check.js"}


def test_words_in_a_style_sheet_end_neither_their_string_nor_the_sheet():
    style = drawn("uploader_style", word=HOSTILE, refused=HOSTILE[::-1])
    assert css_strings(style) == [HOSTILE, HOSTILE[::-1]] and style.count("</style>") == 1 and "<script" not in style


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_streamlits_own_words_are_replaced_by_the_readers(language):
    i18n.use(language)
    assert css_strings(drawn("connection_style")) == [i18n.t("ui.connection_lost"), i18n.t("ui.stop")]


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(UndefinedError):
        drawn("sign_out")
