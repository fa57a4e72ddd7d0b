"""Parts of a file that no example takes are named: scores, rows of totals, other branches of a chat."""

import io
import json

import openpyxl
import pytest

from glm_core.data import read_bytes


def notice(result, kind: str):
    return next((one for one in result.notices if one.kind == kind), None)


def questions(result) -> list[str]:
    return [example.question for example in result.examples]


@pytest.mark.parametrize("column", ["score", "reward", "评分", "helpful_rating", "质量分"])
@pytest.mark.parametrize(("low", "high"), [(-3.2, 4.5), (1, 5), (60, 98)])
def test_scores_of_a_range_are_named_with_it(column, low, high):
    rows = [
        {"question": "几点上班", "answer": "九点", column: high},
        {"question": "几点下班", "answer": "滚", column: low},
    ]
    for content, name in (
        (json.dumps(rows, ensure_ascii=False).encode(), "a.json"),
        (f"question,answer,{column}\n几点上班,九点,{high}\n几点下班,滚,{low}\n".encode(), "a.csv"),
    ):
        result = read_bytes(content, name)
        assert len(result.examples) == 2
        assert f"{column} ({low:g} – {high:g})" in notice(result, "scores_unused").message


def test_scores_that_are_all_the_same_or_the_answer_are_not_named():
    same = "question,answer,score\n几点上班,九点,5\n几点下班,六点,5\n".encode()
    assert notice(read_bytes(same, "a.csv"), "scores_unused") is None
    asked = "text,score\n很好用,5\n不好用,1\n".encode()
    result = read_bytes(asked, "a.csv", mapping={"question": "text", "answer": "score"})
    assert [one.answer for one in result.examples] == ["5", "1"] and notice(result, "scores_unused") is None


TOTALS = ["合计,,6", "合计：,2条,", "Total,2,6", "总计,,", "平均,,3.5", "共计2条,,"]


@pytest.mark.parametrize("total", TOTALS)
def test_a_row_of_totals_is_no_question(total):
    content = f"问题,答案,次数\n几点上班,九点,5\n几点下班,六点,1\n{total}\n".encode()
    result = read_bytes(content, "a.csv")
    assert questions(result) == ["几点上班", "几点下班"] and not result.problems
    assert notice(result, "totals_unused").count == 1


def test_a_row_of_totals_in_a_sheet():
    book = openpyxl.Workbook()
    for row in [("序号", "问题", "答案"), (1, "几点上班", "九点"), (2, "几点下班", "六点"), ("合计", None, 2)]:
        book.active.append(row)
    book.save(stream := io.BytesIO())
    result = read_bytes(stream.getvalue(), "a.xlsx")
    assert questions(result) == ["几点上班", "几点下班"] and notice(result, "totals_unused").count == 1


def test_a_question_about_totals_stays():
    content = "问题,答案\n合计怎么算,把每行加起来\n总计,所有项目的和\nTotal,the sum of all\n".encode()
    result = read_bytes(content, "a.csv")
    assert len(result.examples) == 3 and notice(result, "totals_unused") is None


def node(parent, role=None, text="") -> dict:
    author = {"author": {"role": role}, "content": {"parts": [text]}} if role else None
    return {"parent": parent, "message": author, "children": []}


def chat(current: str | None, **others) -> dict:
    nodes = {
        "root": node(None),
        "ask": node("root", "user", "几点上班"),
        "bad": node("ask", "assistant", "错"),
        **others,
    }
    return {"title": "上班", "mapping": {**nodes, "good": node("ask", "assistant", "九点")}, "current_node": current}


@pytest.mark.parametrize(
    ("chats", "count"),
    [
        ([chat("good")], 1),
        ([chat("good"), chat(None)], 2),
        ([chat("good", edited=node("root", "user", "几点开门"), answer=node("edited", "assistant", "八点"))], 2),
        ([chat("good", more=node("bad", "user", "不对"), again=node("more", "assistant", "抱歉"))], 1),
        ([chat("good", hidden=node("ask"), tool=node("hidden", "tool", "查到了"))], 1),
    ],
)
def test_branches_that_are_not_read_are_counted(chats, count):
    result = read_bytes(json.dumps(chats, ensure_ascii=False).encode(), "conversations.json")
    assert {example.answer for example in result.examples} == {"九点"}
    assert notice(result, "branches_unused").count == count


def test_a_chat_without_branches_says_nothing_of_them():
    nodes = {"root": node(None), "ask": node("root", "user", "几点"), "good": node("ask", "assistant", "九点")}
    result = read_bytes(json.dumps([{"mapping": nodes, "current_node": "good"}]).encode(), "conversations.json")
    assert len(result.examples) == 1 and notice(result, "branches_unused") is None
