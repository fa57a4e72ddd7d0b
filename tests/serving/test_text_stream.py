"""What streams is exactly the final text, whatever the pieces."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core.serving.text_stream import AnswerText, Stopper, Tidier

FULL = {",": "，", "!": "！", ":": "：", ";": "；", "?": "？"}
ALPHABET = "你好年a1 \n,!:;?.。[]训练时间，"


def tidy_like_chatglm(text: str) -> str:
    """The published post-processing, written again from its description."""
    text = text.strip().replace("[[训练时间]]", "2023年")
    for half, full in FULL.items():
        text = re.sub(rf"([\u4e00-\u9fff]){re.escape(half)}", rf"\1{full}", text)
        text = re.sub(rf"{re.escape(half)}([\u4e00-\u9fff])", rf"{full}\1", text)
    return text


def stream(machine, pieces):
    return "".join(machine.push(piece) for piece in pieces) + machine.finish()


chunks = st.lists(
    st.one_of(st.text(ALPHABET, max_size=4), st.sampled_from(["[[训练时间]]", "[[训练", "时间]]", "训练时间]]", "  "])),
    max_size=12,
)


@given(chunks)
def test_tidied_pieces_joined_are_the_tidied_text(pieces):
    assert stream(Tidier(tidy_like_chatglm), pieces) == tidy_like_chatglm("".join(pieces))


def test_a_comma_waits_for_its_neighbour_and_nothing_else_waits():
    tidier = Tidier(tidy_like_chatglm)
    assert tidier.push("hi") == "hi"
    assert tidier.push(",") == ""
    assert tidier.push("你") == "，你"


def test_white_space_at_the_ends_never_shows():
    assert stream(Tidier(str.strip), [" ", "\n a", " ", "b ", "\n"]) == "a b"


@given(st.lists(st.text("abc", max_size=3), max_size=8), st.lists(st.text("abc", min_size=1, max_size=3), max_size=3))
def test_stop_strings_cut_the_text_at_the_first_of_them(pieces, stops):
    text = "".join(pieces)
    found = [text.find(stop) for stop in stops if stop in text]
    shown = stream(Stopper(stops), pieces)
    if not found:
        assert shown == text
    else:
        assert text.startswith(shown) and any(text[len(shown) :].startswith(stop) for stop in stops)
        assert not any(stop in shown for stop in stops)


def test_nothing_comes_after_a_stop_string():
    stopper = Stopper(["。"])
    assert stopper.push("好。不") == "好" and stopper.stopped
    assert stopper.push("再见") == "" and stopper.finish() == ""


class Letters:
    """A detokenizer whose ids are code points and that is always whole."""

    def push(self, token):
        return chr(token)

    def finish(self):
        return ""


@given(st.text(ALPHABET, max_size=30))
def test_an_answer_is_tidied_before_stop_strings_are_looked_for(text):
    answer = AnswerText(Letters(), tidy_like_chatglm, ["，"])
    shown = ""
    for letter in text:
        if answer.stopped:
            break
        shown += answer.push(ord(letter))
    shown += answer.finish()
    assert shown == tidy_like_chatglm(text).split("，")[0] or answer.stopped
    assert "，" not in shown


@given(st.text(ALPHABET, max_size=20), st.text(ALPHABET, max_size=20))
def test_an_answer_that_goes_on_ends_as_if_it_had_never_paused(first, second):
    paused = AnswerText(Letters(), tidy_like_chatglm)
    before = "".join([*map(paused.push, map(ord, first)), paused.finish()])
    resumed = AnswerText(Letters(), tidy_like_chatglm)
    shown = resumed.resume(map(ord, before), before)
    assert before.startswith(shown)
    shown += "".join([*map(resumed.push, map(ord, second)), resumed.finish()])
    assert shown == tidy_like_chatglm(before + second)


def test_a_beginning_that_the_tokenizer_cannot_spell_is_left_as_it_is():
    answer = AnswerText(Letters(), tidy_like_chatglm)
    assert answer.resume(map(ord, "别的,"), "原来的,") == "原来的,"
    assert answer.push(ord("好")) + answer.finish() == "好"


@pytest.mark.parametrize("length", [2000])
def test_cost_grows_with_the_length_and_not_its_square(length):
    calls = []

    def counted(text):
        calls.append(len(text))
        return tidy_like_chatglm(text)

    stream(Tidier(counted), ["你好,"] * length)
    assert sum(calls) < 10 * length
