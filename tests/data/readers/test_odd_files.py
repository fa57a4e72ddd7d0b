"""Odd files of the kinds that people bring: other names, languages, wrappers and marks; what is read, and what is said about it."""

import json

import pytest

from glm_core.data import read_bytes


def lines(*rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def said(result) -> list[list[str]]:
    """The texts of every row; the first letter of a role stands before what is not the usual turn of two."""
    return [[one["content"] for one in example.messages] for example in result.examples]


def roles(result) -> list[str]:
    return ["".join(one["role"][0] for one in example.messages) for example in result.examples]


def kinds(result) -> set[str]:
    return {notice.kind for notice in result.notices}


OPEN, CLOSE = ["几点上班", "九点"], ["几点下班", "六点"]
ROWS = [{"question": OPEN[0], "answer": OPEN[1]}, {"question": CLOSE[0], "answer": CLOSE[1]}]
CHAT = [{"role": "user", "content": OPEN[0]}, {"role": "assistant", "content": OPEN[1]}]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("pregunta", "respuesta"),
        ("Frage", "Antwort"),
        ("Question", "Réponse"),
        ("質問", "回答"),
        ("問題", "答覆"),
        ("질문", "답변"),
        ("вопрос", "ответ"),
        ("userQuestion", "botAnswer"),
        ("Customer Question", "Suggested Reply"),
        ("标准问题", "标准答案"),
        ("text_input", "output"),
    ],
)
def test_columns_named_in_other_languages_and_manners(question, answer):
    content = f"{question},{answer}\n几点上班,九点\n几点下班,六点\n".encode()
    result = read_bytes(content, "a.csv")
    assert said(result) == [OPEN, CLOSE] and (result.problems, result.notices) == ([], [])


def test_of_a_question_and_its_rewordings_the_question_is_asked_and_the_rest_named():
    result = read_bytes("标准问题,标准答案,相似问题\n几点上班,九点,上班时间\n".encode(), "a.csv")
    assert said(result) == [OPEN] and kinds(result) == {"columns_ignored"}


def test_a_list_of_wordings_is_a_row_each():
    result = read_bytes(lines({"questions": ["几点上班", "上班时间"], "answer": "九点"}), "a.jsonl")
    assert said(result) == [["几点上班", "九点"], ["上班时间", "九点"]]


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("is_good", 1, 0),
        ("feedback", "thumbs_up", "thumbs_down"),
        ("is_chosen", True, False),
        ("accepted", "yes", "no"),
        ("label", "good", "bad"),
        ("label", "desirable", "undesirable"),
        ("是否采纳", "是", "否"),
        ("rejected", False, True),
        ("ignore", False, True),
    ],
)
def test_a_row_that_was_judged_bad_is_not_learned(column, good, bad):
    result = read_bytes(lines({**ROWS[0], column: good}, {**ROWS[1], column: bad}), "a.jsonl")
    assert said(result) == [OPEN] and kinds(result) == {"rows_not_learned"}


@pytest.mark.parametrize("mark", [{"train_on_turn": False}, {"mask": True}, {"training": False}, {"loss_mask": 0}])
def test_an_answer_that_is_masked_is_no_target(mark):
    turns = [CHAT[0], {**CHAT[1], **mark}, *CHAT]
    result = read_bytes(lines({"messages": turns}), "a.jsonl")
    assert [one.get("learn", True) for one in result.examples[0].messages if one["role"] == "assistant"] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"faq": ROWS},
        {
            "conversations": [
                {"messages": CHAT},
                {"messages": [{**CHAT[0], "content": CLOSE[0]}, {**CHAT[1], "content": CLOSE[1]}]},
            ]
        },
        {"version": "1.0", "qa_pairs": [{"q": OPEN[0], "a": OPEN[1]}, {"q": CLOSE[0], "a": CLOSE[1]}]},
        {"上班": ROWS[:1], "下班": ROWS[1:]},
        {"code": 0, "data": {"total": 2, "list": ROWS}},
        [{"id": 1, "data": ROWS[0]}, {"id": 2, "data": ROWS[1]}],
        {"几点上班？": ["九点"], "几点下班？": ["六点"]},
        [{"context_text": None, "qas": [{"query_text": one["question"], "answers": [one["answer"]]} for one in ROWS]}],
    ],
)
def test_rows_in_other_wrappers(value):
    result = read_bytes(json.dumps(value, ensure_ascii=False).encode(), "a.json")
    assert [[one.rstrip("？") for one in row] for row in said(result)] == [OPEN, CLOSE] and not result.problems


def test_a_single_row_of_unknown_names_is_not_taken_for_questions_and_answers():
    row = {"system_prompt": "你是客服", "context": "朝九晚六", "user_input": "几点上班", "assistant_response": "九点"}
    result = read_bytes(lines(row), "a.jsonl")
    assert said(result) == [["你是客服", "朝九晚六\n几点上班", "九点"]] and roles(result) == ["sua"]
    assert read_bytes(lines({"甲": "一", "乙": "二", "丙": "三"}), "a.jsonl").layout == "unknown"


def test_an_object_of_names_that_are_no_plain_questions_says_how_it_was_read():
    result = read_bytes(b'{"open": "nine", "close": "six", "lunch": "noon"}', "a.json")
    assert said(result)[0] == ["open", "nine"] and kinds(result) == {"reading_guessed"}


def node(parent, role=None, text="") -> dict:
    author = {"author": {"role": role}, "content": {"parts": [text]}} if role else None
    return {"parent": parent, "message": author, "children": []}


@pytest.mark.parametrize(
    "value",
    [
        {"custom_id": "1", "body": {"messages": CHAT}},
        {
            "uuid": "1",
            "chat_messages": [{"sender": "human", "text": OPEN[0]}, {"sender": "assistant", "text": OPEN[1]}],
        },
        {"contents": [{"role": one["role"], "parts": [{"text": one["content"]}]} for one in CHAT]},
        {"mapping": {"a": node(None), "b": node("a", "user", OPEN[0]), "c": node("b", "assistant", OPEN[1])}},
        {"id": "0", "data": OPEN},
        {"chat_id": 1, "turns": {"turn_1": {"Human": OPEN[0], "Assistant": OPEN[1]}}},
        {"input": OPEN[0], "content": OPEN[1], "reasoning_content": "想"},
    ],
)
def test_exports_of_chats_and_servers(value):
    result = read_bytes(json.dumps([value, value], ensure_ascii=False).encode(), "a.json")
    assert said(result) == [OPEN, OPEN] and not result.problems


def test_a_chat_export_follows_the_branch_in_use():
    nodes = {
        "a": node(None),
        "b": node("a", "user", OPEN[0]),
        "c": node("b", "assistant", "错"),
        "d": node("b", "assistant", OPEN[1]),
    }
    value = [{"mapping": nodes, "current_node": "d"}]
    assert said(read_bytes(json.dumps(value, ensure_ascii=False).encode(), "a.json")) == [OPEN]


@pytest.mark.parametrize("cell", [str(CHAT), str(CHAT).replace("}, {", "}\n {"), json.dumps(CHAT)])
def test_a_cell_that_prints_a_list_in_the_manner_of_python_is_a_conversation(cell):
    quoted = cell.replace('"', '""')
    assert said(read_bytes(f'messages\n"{quoted}"\n'.encode(), "a.csv")) == [OPEN]


def test_a_prompt_that_writes_the_conversation_down_becomes_turns():
    prompt = "Human:几点上班\nAssistant:九点\nHuman:几点下班\nAssistant:"
    result = read_bytes(lines({"instruction": prompt, "input": "", "output": "六点"}), "a.jsonl")
    assert said(result) == [[*OPEN, *CLOSE]] and roles(result) == ["uaua"]


@pytest.mark.parametrize(("answer", "read"), [(1, "B"), ("b", "b"), ("西", "西")])
def test_options_get_their_letters_where_the_answer_names_one(answer, read):
    result = read_bytes(lines({"question": "落日在哪边", "choices": ["东", "西"], "answer": answer}), "a.jsonl")
    options = "东\n西" if read == "西" else "A. 东\nB. 西"
    assert said(result) == [[f"落日在哪边\n{options}", read]]


def test_a_chain_of_thought_without_its_opening_mark_is_apart():
    result = read_bytes(lines({"question": "几点上班", "answer": "想一想\n</think>\n\n九点"}), "a.jsonl")
    assert said(result) == [OPEN] and kinds(result) == {"reasoning_unused"}


def test_a_split_is_known_by_what_stands_in_its_column():
    result = read_bytes(lines({**ROWS[0], "part": "train"}, {**ROWS[1], "part": "test"}), "a.jsonl")
    assert said(result) == [OPEN] and "splits" in kinds(result)
