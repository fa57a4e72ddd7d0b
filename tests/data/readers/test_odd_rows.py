"""Rows whose weights, verdicts, dividers or numbers stand in unusual places."""

import json

import pytest

from glm_core.data import DataError, read_bytes

TALK = [
    {"role": "user", "content": "几点上班"},
    {"role": "assistant", "content": "错"},
    {"role": "user", "content": "几点上班"},
    {"role": "assistant", "content": "九点"},
]


def lines(*rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def kinds(result) -> set[str]:
    return {one.kind for one in result.notices}


def pairs(result) -> list[tuple[str, str]]:
    return [(one.question, one.answer) for one in result.examples]


@pytest.mark.parametrize("weights", [{"weights": [0, 1]}, {"loss_mask": [0, 0, 0, 1]}, {"mask": [True, False]}])
def test_a_list_of_weights_beside_the_messages_is_heeded(weights):
    result = read_bytes(lines({"messages": TALK, **weights}), "a.jsonl")
    assert [one.get("learn", True) for one in result.examples[0].messages] == [True, False, True, True]
    assert "answers_not_learned" in kinds(result)


def test_a_list_of_weights_that_fits_no_count_is_a_problem():
    result = read_bytes(lines({"messages": TALK, "weights": [0, 1, 1]}), "a.jsonl")
    assert not result.examples and "weights" in result.problems[0].message


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("status", "approved", "rejected"),
        ("审核结果", "通过", "不通过"),
        ("是否采用", "是", "否"),
        ("quality", "good", "bad"),
    ],
)
def test_more_columns_that_say_what_is_not_to_be_learned(column, good, bad):
    content = f"问题,答案,{column}\n几点上班,九点,{good}\n几点下班,不知道,{bad}\n".encode()
    result = read_bytes(content, "a.csv")
    assert pairs(result) == [("几点上班", "九点")] and "rows_not_learned" in kinds(result)


@pytest.mark.parametrize(
    ("good", "bad"), [("good", "bad"), ("accepted", "rejected"), ("positive", "negative"), ("好回答", "坏回答")]
)
def test_of_two_answers_with_opposite_names_the_good_one_is_learned(good, bad):
    result = read_bytes(lines({"prompt": "几点上班", bad: "不知道哦", good: "早上九点"}), "a.jsonl")
    assert pairs(result) == [("几点上班", "早上九点")] and kinds(result) == {"rejected_unused"}


@pytest.mark.parametrize(
    "value",
    [
        {"几点上班": {"answer": "九点"}, "几点下班": {"answer": "六点"}},
        {"faq": {"上班": [{"q": "几点上班", "a": "九点"}], "下班": [{"q": "几点下班", "a": "六点"}]}},
        {"上班": {"几点上班": "九点"}, "下班": {"几点下班": "六点"}},
    ],
)
def test_rows_under_names_of_questions_and_subjects(value):
    result = read_bytes(json.dumps(value, ensure_ascii=False).encode(), "a.json")
    assert pairs(result) == [("几点上班", "九点"), ("几点下班", "六点")]


def test_turns_of_one_name_each_are_messages():
    turns = [{"user": "几点上班"}, {"bot": "九点"}]
    assert pairs(read_bytes(lines({"title": "x", "conversation": turns}), "a.jsonl")) == [("几点上班", "九点")]


@pytest.mark.parametrize("rule", ["---", "=====", "***", "——————"])
def test_rules_between_questions_divide_them(rule):
    text = f"分类：上班\n问题：几点上班\n答案：九点\n{rule}\n分类：下班\n问题：几点下班\n答案：六点\n"
    result = read_bytes(text.encode(), "a.txt")
    assert pairs(result) == [("几点上班", "九点"), ("几点下班", "六点")] and "lines_unused" in kinds(result)


def test_a_rule_within_an_answer_stays_there():
    text = "问：几点上班\n答：九点\n---\n其他时间看通知。\n问：几点下班\n答：六点\n"
    assert pairs(read_bytes(text.encode(), "a.txt"))[0] == ("几点上班", "九点\n---\n其他时间看通知。")


def test_messages_of_a_table_are_grouped_by_their_number_and_ordered_by_their_turn():
    content = "id,turn,role,content\n1,2,assistant,九点\n1,1,user,几点上班\n2,1,user,几点下班\n2,2,assistant,六点\n"
    assert pairs(read_bytes(content.encode(), "a.csv")) == [("几点上班", "九点"), ("几点下班", "六点")]


def test_headings_that_ask_in_words_are_questions():
    result = read_bytes("# 手册\n\n## 几点上班\n九点。\n\n## 能退货吗\n七天内。\n".encode(), "a.md")
    assert pairs(result) == [("几点上班", "九点。"), ("能退货吗", "七天内。")] and "reading_guessed" in kinds(result)


def test_a_short_chat_of_several_names_asks_who_answers():
    result = read_bytes("小明：几点开门？\n店长：九点\n小红：能退吗？\n店长：能\n".encode(), "a.txt")
    assert not result.examples and result.speakers == ("小明", "店长", "小红")


def test_weights_of_several_sizes_are_named_since_only_zero_is_heeded():
    content = "question,answer,weight\n几点上班,九点,0.9\n几点下班,六点,0.4\n".encode()
    result = read_bytes(content, "a.csv")
    assert len(result.examples) == 2 and kinds(result) == {"scores_unused"}


def test_a_hole_of_a_template_that_stays_empty_is_counted():
    rows = lines({"商品": "裙子", "颜色": "", "文案": "好看"}, {"商品": "裤子", "颜色": "黑", "文案": "耐穿"})
    result = read_bytes(rows, "a.jsonl", mapping={"question": "用{颜色}介绍{商品}", "answer": "文案"})
    assert [one.question for one in result.examples] == ["用介绍裙子", "用黑介绍裤子"]
    assert [(one.kind, one.count) for one in result.notices] == [("holes_empty", 1)]


def test_people_called_by_letters_are_a_chat_of_two_and_a_third_is_named():
    text = "A：几点上班？\nB：九点\nC：我也想问，您好\nA：几点下班\nB：六点\n"
    result = read_bytes(text.encode(), "a.txt")
    assert result.examples[0].answer == "六点" and {"speakers", "speakers_unclear"} <= kinds(result)


@pytest.mark.parametrize(
    ("value", "question", "answer"),
    [
        ([["几点上班", "九点", "旧"], ["几点下班", "六点", "新"]], "#1", "#2"),
        ([[1, "几点上班", "九点"], [2, "几点下班", "六点"]], "#2", "#3"),
        ({"entries": [{"甲": "几点上班", "乙": "九点"}, {"甲": "几点下班", "乙": "六点"}], "count": 2}, "甲", "乙"),
        (
            {"a": [{"b": {"c": {"x": "几点上班", "y": "九点"}}}, {"b": {"c": {"x": "几点下班", "y": "六点"}}}]},
            "b.c.x",
            "b.c.y",
        ),
    ],
)
def test_structures_that_nobody_knows_can_be_mapped(value, question, answer):
    content = json.dumps(value, ensure_ascii=False).encode()
    assert not read_bytes(content, "a.json").examples
    result = read_bytes(content, "a.json", mapping={"question": question, "answer": answer})
    assert pairs(result) == [("几点上班", "九点"), ("几点下班", "六点")]


REVIEWED = lines(
    {"q": "几点上班", "a": "九点", "审核状态": "通过"},
    {"q": "几点下班", "a": "滚", "审核状态": "不通过"},
    {"q": "在哪", "a": "人民路", "审核状态": "待审核"},
)


@pytest.mark.parametrize("choice", [{}, {"mapping": {"question": "q", "answer": "a"}}, {"template": "open_dialogue"}])
def test_a_rejected_row_is_left_out_however_the_file_is_read_and_an_open_verdict_is_said(choice):
    result = read_bytes(REVIEWED, "a.jsonl", **choice)
    assert [one.answer for one in result.examples] == ["九点", "人民路"]
    assert [(one.kind, one.count) for one in result.notices] == [("rows_not_learned", 1), ("verdicts_pending", 1)]


@pytest.mark.parametrize("file", ["手册.docx", "a.PDF", "a.html"])
def test_a_document_is_sent_where_documents_are_read(file):
    with pytest.raises(DataError) as caught:
        read_bytes(b"PK", file)
    assert caught.value.key == "data.document"


def test_titles_of_a_faq_are_no_questions_and_are_counted():
    text = "常见问题\n\n一、借阅\n\n怎么借？\n带证。\n\n可以续借。\n\n逾期怎么办？\n两角。\n\n丢了怎么办？\n赔。\n"
    result = read_bytes(text.encode(), "a.txt")
    assert pairs(result) == [("怎么借？", "带证。\n\n可以续借。"), ("逾期怎么办？", "两角。"), ("丢了怎么办？", "赔。")]
    assert not result.problems and ("lines_unused", 2) in [(one.kind, one.count) for one in result.notices]


def test_a_blank_verdict_is_counted_but_not_where_only_refusals_are_marked():
    rows = "问题,答案,{}\n水在几度结冰？,零度。,{}\n水在几度烧开？,一百度。,\n冰是什么？,固态的水。,{}\n"
    open_ones = read_bytes(rows.format("是否合格", "合格", "不合格").encode(), "a.csv")
    assert {one.kind: one.count for one in open_ones.notices} == {"rows_not_learned": 1, "verdicts_pending": 1}
    marked = read_bytes(b"question,answer,rejected\na,b,\nc,d,1\ne,f,\n", "b.csv")
    assert {one.kind: one.count for one in marked.notices} == {"rows_not_learned": 1} and len(marked.examples) == 2
