"""Columns are mapped to tasks by name or by hand."""

import pytest

from glm_core import i18n
from glm_core.data import TEMPLATES, DataError, read_bytes
from glm_core.data.readers.templates.column_guess import propose, suggest


def read(content: str, template=None, **options):
    return read_bytes(content.encode(), "a.csv", template, **options)


def first(result) -> tuple[str, str]:
    assert not result.problems
    return result.examples[0].question, result.examples[0].answer


def test_the_eight_tasks_are_there_and_named_in_both_languages():
    assert list(TEMPLATES) == [
        "imprint",
        "advertisement",
        "translation",
        "classification",
        "summary",
        "continuation",
        "code_comments",
        "open_dialogue",
    ]
    for language in i18n.LANGUAGES:
        assert all(f"data.template.{name}" in i18n.table(language) for name in TEMPLATES)


@pytest.mark.parametrize(
    ("content", "template", "question", "answer"),
    [
        ("question,answer\n你是谁,我是{name}\n", "imprint", "你是谁", "我是{name}"),
        ("content,summary\n类型#裤,好裤\n", "advertisement", "类型#裤", "好裤"),
        ("source,target\n你好,Hello\n", "translation", "把下面的内容翻译成英文：\n你好", "Hello"),
        ("原文,译文\nHello,你好\n", "translation", "把下面的内容翻译成中文：\nHello", "你好"),
        ("text,label\n好吃,正面\n", "classification", "判断下面这段话属于哪一类，只回答类别：\n好吃", "正面"),
        ("content,summary\n长文,短\n", "summary", "用简短的话概括下面的内容：\n长文", "短"),
        ("开头,续写\n从前,有座山\n", "continuation", "接着往下写：\n从前", "有座山"),
        ("code,comment\nx=1,赋值\n", "code comments", "给下面的代码写注释：\nx=1", "赋值"),
        ("question,answer\n你好,好\n", "open-dialogue", "你好", "好"),
        ("question,answer\n你好,Hello\n", "translation", "把下面的内容翻译成英文：\n你好", "Hello"),
        ("instruction,output\n翻译：你好,Hello\n", "translation", "翻译：你好", "Hello"),  # it says what to do already
    ],
)
def test_a_task_asks_in_its_words(content, template, question, answer):
    assert first(read(content, template)) == (question, answer)


def test_conversations_stay_what_they_are_under_a_task():
    content = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'
    assert first(read_bytes(content.encode(), "a.jsonl", "summary")) == ("a", "b")


def test_unknown_tasks_list_the_known_ones():
    with pytest.raises(DataError) as caught:
        read("a,b\nc,d\n", "poetry")
    assert "poetry" in str(caught.value) and "translation" in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "template"),
    [
        ({"user": "标题", "assistant": "正文"}, None),
        ({"question": "标题", "answer": "正文"}, None),
        ({"prompt": "标题", "response": "正文"}, "imprint"),
        ({"user": "{标题}", "assistant": "{正文}"}, None),
    ],
)
def test_columns_are_mapped_by_hand(mapping, template):
    result = read("标题,正文,别的\n一,二,三\n", template, mapping=mapping)
    assert first(result) == ("一", "二") and result.layout == "mapped"


def test_a_mapping_may_put_words_around_columns():
    mapping = {"user": "用{语言}说“{标题}”", "assistant": "{正文}", "system": "语言"}
    result = read("标题,正文,语言\n{正文},二,英文\n", mapping=mapping)
    assert [message["content"] for message in result.examples[0].messages] == ["英文", "用英文说“{正文}”", "二"]


def test_a_mapping_by_the_fields_of_a_task():
    result = read("zh,en\n你好,Hello\n", "translation", mapping={"source": "zh", "target": "en"})
    assert first(result) == ("把下面的内容翻译成英文：\n你好", "Hello")


def test_a_mapped_history_column():
    content = 'q,a,h\n你好,好,"[[""一"",""二""]]"\n再见,见,\n'
    result = read(content, mapping={"user": "q", "assistant": "a", "history": "h"})
    assert [len(example.messages) for example in result.examples] == [4, 2]


@pytest.mark.parametrize(
    "mapping",
    [
        {"user": "没有", "assistant": "正文"},
        {"user": "{没有}", "assistant": "正文"},
        {"user": "标题"},
        {"user": "标题", "assistant": ""},
        {"user": "标题", "assistant": "正文", "poet": "正文"},
    ],
)
def test_an_impossible_mapping_is_a_sentence(mapping):
    with pytest.raises(DataError) as caught:
        read("标题,正文\n一,二\n", mapping=mapping)
    assert str(caught.value)


def test_blank_cells_of_mapped_columns_are_problems():
    result = read("标题,正文\n一,二\n,三\n四\n", mapping={"user": "请写：{标题}", "assistant": "正文"})
    assert [(problem.line, problem.field) for problem in result.problems] == [(3, "标题"), (4, "正文")]


def test_a_task_is_suggested_by_the_names_of_columns():
    assert suggest(("id", "Text", "Label")).name == "classification"
    assert suggest(("zh", "en")) is None


def test_a_column_of_few_words_that_come_again_suggests_a_classification():
    said = [{"评语": f"第{number}间房的话", "归到": ("好", "坏", "中")[number % 3]} for number in range(9)]
    assert suggest(("评语", "归到"), said).name == "classification"
    assert propose(TEMPLATES["classification"], ("归到", "评语"), said) == {"text": "评语", "label": "归到"}
    assert suggest(("评语", "归到"), said[:4]) is None, "too few to tell"
    assert suggest(("评语", "归到"), [row | {"归到": row["评语"] + "！"} for row in said]) is None, (
        "no word comes again"
    )
    assert suggest(("归到", "另"), [row | {"另": row["归到"]} for row in said]) is None, "nothing to classify"


@pytest.mark.parametrize(
    "answers", [("早上九点开门。", "在人民路十二号，邮局对面"), ("We open at nine.", "Sure, within seven days")]
)
def test_answers_that_come_again_are_no_classes(answers):
    said = [
        {"客户说的话": f"第{number}种问法", "咱们该咋回": answers[number % 2], "哪类": "售后"} for number in range(8)
    ]
    assert suggest(("客户说的话", "咱们该咋回", "哪类"), said) is None


def test_a_task_s_question_can_be_put_in_other_words():
    table, sample = "甲,乙\n学而时习之,学习并且复习\n", [{"甲": "学而时习之", "乙": "学习并且复习"}]
    usual = TEMPLATES["translation"].wording({"source": "甲", "target": "乙"}, sample)
    assert usual == "把下面的内容翻译成中文：\n{甲}"
    own = {"question": usual.replace("翻译成中文", "翻成白话"), "answer": "乙"}
    assert first(read(table, "translation", mapping=own)) == ("把下面的内容翻成白话：\n学而时习之", "学习并且复习")
    assert TEMPLATES["open_dialogue"].wording({"question": "甲", "answer": "乙"}, sample) == ""


def test_a_mapping_by_hand_begins_with_the_columns_of_the_task_else_with_words():
    sample = [{"编号": 1, "页": "12", "标题": None, "正文": "甲", "摘要": None}, {"标题": "乙", "摘要": "丙"}]
    columns = tuple(sample[0])
    assert propose(TEMPLATES["summary"], columns, sample) == {"text": "正文", "summary": "摘要"}
    assert propose(None, columns, sample) == {"question": "标题", "answer": "正文"}
    assert propose(TEMPLATES["translation"], columns, sample) == {"source": "标题", "target": "正文"}
    assert propose(None, ("编号",), sample) == {"question": "编号"}


def test_a_mapping_by_hand_begins_with_the_half_that_is_known_and_prefers_varied_text():
    sample = [
        {"类": "售前" if row % 2 else "售后", "客户说的话": f"第{row}个人说的话", "reply": f"答复{row}"}
        for row in range(8)
    ]
    assert propose(None, tuple(sample[0]), sample) == {"question": "客户说的话", "answer": "reply"}
    sample = [{"ask": f"问{row}", "门类": "甲", "咱们该咋回": f"回{row}"} for row in range(8)]
    assert propose(None, tuple(sample[0]), sample) == {"question": "ask", "answer": "咱们该咋回"}


def test_a_nested_field_is_mapped_by_its_path():
    content = '{"info":{"ask":["一","二"]},"out":{"text":"三"}}\n'
    result = read_bytes(content.encode(), "a.jsonl", mapping={"question": "info.ask.1", "answer": "out.text"})
    assert first(result) == ("二", "三")


def test_codes_and_short_words_that_repeat_are_not_proposed():
    """A table of five facts in five wordings each: its answers repeat, too, but are longer than its labels."""
    facts = {"几点开门": "早上九点开门", "几点关门": "晚上六点关门", "怎么退货": "七天内凭小票退货"}
    ways = ("{}", "请问{}", "你好，{}？", "我想知道{}")
    rows = [
        {"编码": f"K{place:03}", "场景": "店铺", "归档": "是", "顾客原话": way.format(asked), "处理口径": told}
        for place, (asked, told, way) in enumerate((a, b, way) for a, b in facts.items() for way in ways)
    ]
    assert propose(None, list(rows[0]), rows) == {"question": "顾客原话", "answer": "处理口径"}
    first = [
        {"姓名": f"张{chr(0x4E00 + n)}", "原话": f"第{n}个问题说得很长", "口径": f"第{n}个很长的口径"} for n in range(5)
    ]
    assert propose(None, list(first[0]), first) == {"question": "原话", "answer": "口径"}
