"""Pictures, voice and films of which only the mark is left: what was said about them is not learned, and that is said."""

import json

import pytest

from glm_core.data import read_bytes
from glm_core.data.readers.media import is_media, shows_media

PICTURES = [
    "[图片]",
    "【照片】",
    "<Media omitted>",
    "[语音] ",
    "image omitted",
    "IMG-1.jpg (file attached)",
    "[CQ:image,file=a]",
]


def rows(*pairs: tuple[str, str]) -> bytes:
    return "".join(json.dumps({"question": q, "answer": a}, ensure_ascii=False) + "\n" for q, a in pairs).encode()


def talk(*texts: str) -> bytes:
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    return json.dumps({"messages": messages}, ensure_ascii=False).encode()


def learned(result) -> list[bool]:
    return [one.get("learn", True) for row in result.examples for one in row.messages if one["role"] == "assistant"]


def told(result) -> dict[str, int]:
    return {notice.kind: notice.count for notice in result.notices}


@pytest.mark.parametrize("mark", PICTURES)
def test_an_answer_to_a_picture_and_a_picture_as_an_answer_are_not_learned(mark):
    result = read_bytes(talk("在吗", "在的", mark, "这是发票", "发我一张", mark, "谢谢", "不客气"), "a.jsonl")
    assert learned(result) == [True, False, False, True] and told(result) == {"media_unseen": 2}


@pytest.mark.parametrize("question", ["[图片]", "<image> 这是什么", "![发票](http://a/b.png) 对吗", "看看\n![](a.jpg)"])
def test_a_row_about_a_picture_is_a_problem(question):
    result = read_bytes(rows((question, "猫"), ("几点开门", "九点")), "a.jsonl")
    assert [one.answer for one in result.examples] == ["九点"]
    assert [(one.line, one.field) for one in result.problems] == [(1, "question")]


@pytest.mark.parametrize(
    "question",
    [
        "How do I use <image> in SVG",
        "usage: cat [file]",
        "怎么写 ![说明](地址) 这种格式",
        "数组 a[图片] 是什么",
        "What does `<video>` do?",
    ],
)
def test_what_only_speaks_of_pictures_is_text(question):
    assert not shows_media(question)
    result = read_bytes(rows((question, "![图](a.png) 这样写")), "a.jsonl")
    assert learned(result) == [True] and not result.notices


def test_only_marks_alone_are_media():
    assert is_media("[图片]\n[图片]") and not is_media("[图片] 好看") and not is_media("")
