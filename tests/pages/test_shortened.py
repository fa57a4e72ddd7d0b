"""Answers made short enough for where they are shown."""

from pages.parts.shortened import without_loop


def test_an_answer_that_repeats_itself_is_shown_by_its_start():
    said = without_loop("自" * 400)
    assert said.startswith("自自") and said.endswith("…") and len(said) < 120


def test_other_answers_stay_whole():
    story = "".join(f"第{number}天我们走了{number * 7}里路，住在{number}号驿站，" for number in range(40))
    assert without_loop(story) == story
    assert without_loop("好的好的好的好的") == "好的好的好的好的", "short enough"
