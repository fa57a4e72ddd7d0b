"""Fuzzed texts through `harmless`: a parser that knows links, HTML, formulas and directives finds none of them."""

import os
import random
import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from glm_core.markdown import harmless

PIECES = (
    *(
        "`",
        "``",
        "```",
        "~~~",
        "````",
        "\t",
        " ",
        "  ",
        "    ",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "- ",
        "1. ",
        "2) ",
        "> ",
        "# ",
        "* ",
    ),
    *(
        "![x](http://e/x.png)",
        "[l](http://e)",
        "[a]: http://e\n",
        "[a]",
        "<http://e>",
        "<img src=x>",
        "<b>",
        "</b>",
        "<!--",
        "-->",
    ),
    *(
        "$a$",
        "$$",
        "$",
        ":red[b]",
        ":red-background[",
        ":material/home:",
        ":smile:",
        "::name",
        ":::",
        "]",
        "[",
        "(",
        ")",
        "!",
        "\\",
    ),
    *(
        "http://e.example",
        "www.e.example",
        "a@b.example",
        "&lt;",
        "&#91;",
        "&amp;",
        "|",
        "| a | b |\n|---|---|\n",
        "---\n",
        "===\n",
    ),
    *(
        "*",
        "**",
        "_",
        "~~",
        "~",
        "a",
        "字",
        "x y",
        "\x00",
        "\u2028",
        "\x0b",
        "\x0c",
        "\u00a0",
        "\x85",
        "``` a`b\n",
        "```\t\n",
        "```math\n",
        "~~~ Mermaid\n",
        "mermaid",
        "'",
        '"',
    ),
)
LIVE = {"link", "image", "html_inline", "html_block", "live"}
AUTOLINK = re.compile(r"https?://|www\.|:material/|\w@\w", re.IGNORECASE)


def _live_rule(state, silent):
    """Find a formula or a directive where remark would begin one: at an unescaped dollar sign, or a colon before a name."""
    if not re.match(r"\$|:+[\w+\-]", state.src[state.pos :]):
        return False
    if not silent:
        state.push("live", "", 0).content = state.src[state.pos]
    state.pos += 1
    return True


@pytest.fixture(scope="module")
def reader():
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.inline.ruler.before("escape", "live", _live_rule)
    terminators = parser.inline.ruler
    assert "live" in terminators.get_active_rules()
    return parser


def live_parts(reader, shown: str) -> list[str]:
    found = []
    for node in SyntaxTreeNode(reader.parse(shown)).walk():
        if node.type == "fence" and re.search("math|mermaid", node.info, re.IGNORECASE):
            found.append(node.info)  # drawn as a formula or a diagram
        if node.type in LIVE:
            found.append(node.type)
        elif node.type == "text" and AUTOLINK.search(node.content):
            found.append(node.content)
    return found


def fuzzed(number: int) -> str:
    source = random.Random(number)
    return "".join(source.choice(PIECES) for _ in range(source.randint(1, 24)))


def test_the_reader_finds_what_is_live(reader):
    for text in (
        "[l](http://e)",
        "![x](y)",
        "<b>",
        "$a$",
        ":red[b]",
        "a www.e.example",
        "<http://e>",
        "a\n\n$$",
        "x :smile:",
        "```mermaid\ngraph TD\n```",
    ):
        assert live_parts(reader, text), text


def _all_dead(reader, numbers) -> None:
    for number in numbers:
        text = fuzzed(number)
        assert live_parts(reader, harmless(text)) == [], (number, text)


def test_fuzzed_texts_have_nothing_live(reader):
    _all_dead(reader, range(3_000))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_fuzzed_texts_have_nothing_live(reader):
    _all_dead(reader, range(int(os.environ.get("EASYAIGC_TEXTS", 6_000))))


@pytest.mark.parametrize(
    "text",
    [
        "``` a`b\n[l](http://e)\n```",
        "```\ncode\n```\t\n[l](http://e)",
        "`a\n\n[l](http://e) `",
        "`a\r\r[l](http://e)`",
        "- ```\n[l](http://e)",
        "~~~\n```\n~~~\n[l](http://e)\n```",
        "```math\nx^2\n```\n`$$`",
        '~~~  Mermaid-x\ngraph TD\nA-->B\nclick A href "http://e"\n~~~',
        "``` &#109;ermaid\ngraph TD\n```",
    ],
)
def test_what_got_through_once_does_not(reader, text):
    assert live_parts(reader, harmless(text)) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("1. a\n2. b", "1. a\n2. b"),
        ("# 标题\n\n**粗** *斜* ~~删~~", "# 标题\n\n**粗** *斜* ~~删~~"),
        ("```py\na = [1]\n```", "```py\na = [1]\n```"),
        ("| a | b |\n|---|---|\n| 1 | `x` |", "| a | b |\n| --- | --- |\n| 1 | `x` |"),
        ("> 引", "> 引"),
    ],
)
def test_structure_stays(text, shown):
    assert harmless(text) == shown
    assert harmless(harmless(text)) == shown
