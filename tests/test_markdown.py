"""Text of people and models, drawn safely; two answers, compared word by word."""

from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core.markdown import MOST_CELLS, differences, harmless, literal, marked, unique_labels, words

HOSTILE = "![x](http://e/x.png) [l](http://e) <img src=x onerror=alert(1)> $a$ :red[b] \\alpha"


def test_live_markdown_is_escaped_and_lists_and_code_stay():
    shown = harmless("- 一\n- **二**\n\n`a[0] < b`\n" + HOSTILE)
    assert "- 一" in shown and "**二**" in shown and "`a[0] < b`" in shown
    for live in ("![x](", "[l](", "<img", ":red[", "$a$"):
        assert live not in shown.replace("\\[", "").replace("\\$", "").replace("\\<", "").replace("\\:", "")


def test_code_blocks_are_left_as_they_are_even_while_they_stream():
    code = "```python\nx = a[0]  # $y$ <b>\n"
    assert "x = a[0]  # $y$ <b>" in harmless(code)
    after = harmless(code + "```\n[l](http://e)")
    assert "\\[l\\]" in after


def test_tables_that_fill_the_memory_are_drawn_as_text():
    """The parser fills each row up to its head: 160 kB of text were six million cells in a hundred tables."""
    head = "|".join("a" * 100) + "\n" + "|".join("-" * 100) + "\n"
    for first, before in (("", ""), ("> ", "> "), ("- ", "  ")):
        lines = f"\n{before}".join((head + "a\n" * 10).splitlines())
        many = f"{first}{lines}\n\n"
        assert "| --- |" in harmless(many), "one such table is drawn"
        text = many * 40
        assert (
            100 * 400 > MOST_CELLS
            and "---" not in harmless(text).replace("\\", "")
            and len(harmless(text)) < 5 * len(text)
        )


def test_line_breaks_survive():
    assert harmless("a\nb").split("\n") == ["a  ", "b"]
    assert literal("a\nb") == "a  \nb"


@settings(deadline=None)  # the first call loads the dictionary
@given(st.text("你我 ab\n。,", max_size=30), st.text("你我 ab\n。,", max_size=30))
def test_the_pieces_joined_are_the_texts(before, after):
    left, right = differences(before, after)
    assert "".join(piece.text for piece in left) == before
    assert "".join(piece.text for piece in right) == after


def test_words_that_changed_are_marked_and_equal_answers_are_not():
    left, right = differences("我是小砚，由项目组开发。", "我是小明，由张三开发。")
    assert [piece.text for piece in right if piece.changed] == ["明", "张三"]
    assert all(not piece.changed for side in differences("一样", "一样") for piece in side)
    assert left[0].text == "我是小"


def test_a_mark_cannot_be_left_by_what_is_inside():
    _, right = differences("好", "坏] :red[x] <b>")
    shown = marked(right, "green")
    assert shown.startswith(":green-background[") and "\\]" in shown and ":red[" not in shown.replace("\\:", "")


def test_words_joined_are_the_text():
    text = "给连衣裙写广告\n  two  words"
    assert "".join(words(text)) == text


def test_options_of_one_name_are_told_apart_by_time_and_then_by_id():
    labels = {"a-1": "印", "b-2": "印", "c-3": "印", "d-4": "别的"}
    times = {"a-1": "11-24 08:00", "b-2": "11-24 08:05", "c-3": "11-24 08:05", "d-4": "11-24 08:05"}
    assert unique_labels(labels, times) == {
        "a-1": "印 · 11-24 08:00",
        "b-2": "印 · 11-24 08:05 · b-2",
        "c-3": "印 · 11-24 08:05 · c-3",
        "d-4": "别的",
    }
