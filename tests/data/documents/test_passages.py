"""Blocks become passages: bounded in tokens, under their headings, without a word lost or said twice."""

from hypothesis import given
from hypothesis import strategies as st

from glm_core.data.documents import Block, cut, estimate_tokens

words = st.text("甲乙丙丁。！abc .\n", min_size=1, max_size=120).filter(lambda text: text.strip())
blocks = st.lists(st.builds(Block, words, st.sampled_from((0, 0, 0, 1, 2))), min_size=1, max_size=12)


@given(blocks, st.integers(5, 60))
def test_no_passage_is_longer_than_its_bound_and_no_text_is_lost(found, limit):
    passages = cut(found, limit)
    assert all(estimate_tokens(one.text) <= limit for one in passages)
    assert [one.number for one in passages] == list(range(1, len(passages) + 1))
    said = "".join("".join(one.text.split()) for one in passages) + "".join(
        "".join(p.heading.split()) for p in passages
    )
    for block in found:
        if not block.level:
            assert not set("".join(block.text.split())) - set(said)
    plain = "".join("".join(block.text.split()) for block in found if not block.level)
    kept = "".join("".join(one.text.split()) for one in passages)
    position = 0
    for letter in plain:  # the paragraphs are a subsequence of the passages: in order, whole
        position = kept.index(letter, position) + 1


def test_a_passage_knows_its_headings_and_page():
    leave, receipts = Block("年假十天，" * 20, 0, 3), Block("发票" * 60, 0, 4)
    found = cut([Block("手册", 1), Block("请假", 2, 3), leave, Block("报销", 2), receipts], 100)
    assert [(one.heading, one.page) for one in found] == [("手册 › 请假", 3), ("手册 › 报销", 4), ("手册 › 报销", 4)]


def test_short_sections_go_together():
    found = cut([Block("一、甲", 2), Block("短。"), Block("二、乙", 2), Block("也短。")], 400)
    assert [one.text for one in found] == ["短。\n二、乙\n也短。"]
