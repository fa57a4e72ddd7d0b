"""A corrected answer becomes a row at the end of a set, or the first of a new one; the set is whole or as it was."""

import pytest

from glm_core.chat import feedback
from glm_core.data import DataError, library
from glm_core.data.examples import RowError, pair

BEFORE = [{"role": "user", "content": "我叫小王"}, {"role": "assistant", "content": "你好，小王", "vote": "up"}]


def test_a_row_goes_to_the_end_of_the_chosen_set():
    kept = library.add("纠正", [pair("一", "1")])
    changed = feedback.keep(feedback.row([], " 二 ", "2\n"), kept.id, "")
    assert [(one.question, one.answer) for one in library.examples(kept.id)] == [("一", "1"), ("二", "2")]
    assert (changed.id, changed.rows, changed.name) == (kept.id, 2, "纠正")


def test_a_row_begins_a_new_set_with_what_was_said_before():
    kept = feedback.keep(feedback.row(BEFORE, "我叫什么？", "小王"), None, "新的", "聊天")
    assert kept.source == "聊天" and library.examples(kept.id)[0].messages == [
        {"role": "user", "content": "我叫小王"},
        {"role": "assistant", "content": "你好，小王"},
        {"role": "user", "content": "我叫什么？"},
        {"role": "assistant", "content": "小王"},
    ]


@pytest.mark.parametrize(("before", "question", "answer"), [([], " ", "x"), ([], "x", "\n"), (BEFORE[:1], "x", "y")])
def test_what_cannot_be_learned_is_no_row(before, question, answer):
    with pytest.raises(RowError):
        feedback.row(before, question, answer)


@pytest.mark.parametrize("where", ["imprint", "gone", "../../x", ""])
def test_only_a_set_of_ones_own_takes_a_row(where):
    before = library.get("imprint").rows
    with pytest.raises(Exception) as caught:
        feedback.keep(pair("问", "答"), where, "")
    assert str(caught.value) and library.get("imprint").rows == before


def test_a_row_that_somebody_else_added_meanwhile_stays(monkeypatch):
    kept = library.add("纠正", [pair("一", "1")])
    examples, others = library.examples, iter([[pair("二", "2")], [pair("三", "3")]])

    def slow(id):
        rows = examples(id)
        if more := next(others, None):
            library.replace_rows(id, [*rows, *more])
        return rows

    monkeypatch.setattr(library, "examples", slow)
    feedback.keep(pair("四", "4"), kept.id, "")
    assert [one.question for one in examples(kept.id)] == ["一", "二", "三", "四"]


def test_a_set_that_never_rests_is_said(monkeypatch):
    kept = library.add("纠正", [pair("一", "1")])
    examples = library.examples

    def restless(id):
        rows = examples(id)
        library.replace_rows(id, [*rows, pair("又", "一")])
        return rows

    monkeypatch.setattr(library, "examples", restless)
    with pytest.raises(DataError, match="纠正"):
        feedback.keep(pair("二", "2"), kept.id, "")
