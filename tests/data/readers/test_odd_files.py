"""Odd files of the kinds that people bring: other names, languages, wrappers and marks; what is read, and what is said about it."""

import json

import pytest

from glm_core.data import DataError, ReadOptions, read_bytes


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


@pytest.mark.parametrize(
    ("head", "read"),
    [("客户问,标准答", True), ("买家所问,卖家所答", True), ("问卷,答卷", False), ("问答类型,备注", False)],
)
def test_a_column_whose_name_asks_or_answers_is_taken_for_that(head, read):
    result = read_bytes(f"{head}\n保修多久,一年\n怎么退货,七天内联系客服\n".encode(), "a.csv")
    assert (len(result.examples) == 2) is read, "what is no question is mapped by hand"


def test_messages_name_their_speakers_in_other_words():
    turns = [{"from_name": "user", "msg": "在吗"}, {"from_name": "bot", "msg": "在的"}]
    rows = said(read_bytes(json.dumps([{"conversation": turns}], ensure_ascii=False).encode(), "a.json"))
    assert rows == [["在吗", "在的"]]


# text that people write and copy


@pytest.mark.parametrize(
    "text",
    [
        "1. 几点上班？\n九点\n2. 几点下班？\n六点\n",
        "一、几点上班？\n九点\n二、几点下班？\n六点\n",
        "员工常见问题\n几点上班？\n九点\n几点下班？\n六点\n",
        "几点上班？ - 九点\n几点下班？ - 六点\n",
        "几点上班？ => 九点\n几点下班？ => 六点\n",
        "几点上班 -> 九点\n几点下班 -> 六点\n",
        "几点上班 = 九点\n几点下班 = 六点\n",
        "几点上班 —— 九点\n几点下班 —— 六点\n",
        "> 几点上班\n九点\n\n> 几点下班\n六点\n",
        "几点上班？|九点\n几点下班？|六点\n",
        "- 几点上班？\n- 九点\n- 几点下班？\n- 六点\n",
        "Q. 几点上班？\nA. 九点\n\nQ. 几点下班？\nA. 六点\n",
        "问 几点上班？\n答 九点\n问 几点下班？\n答 六点\n",
        "**Q: 几点上班？**\nA: 九点\n\n**Q: 几点下班？**\nA: 六点\n",
        "员工手册问答\n\n问：几点上班？\n答：九点\n问：几点下班？\n答：六点\n",
        "问：几点上班？\n答：九点\n\n【下班】\n\n问：几点下班？\n答：六点\n",
    ],
)
def test_questions_and_answers_in_text(text):
    rows = said(read_bytes(text.encode(), "a.txt"))
    assert [[one.rstrip("？") for one in row] for row in rows] == [OPEN, CLOSE]


@pytest.mark.parametrize(
    "text", ["lr = 1e-3\nepochs = 3\nmodel.name = glm\n", "他说：\n> 好的\n然后走了。\n天黑了。\n"]
)
def test_settings_and_quotations_are_no_questions(text):
    assert "question" not in read_bytes(text.encode(), "a.txt").layout


@pytest.mark.parametrize("ending", ["md", "txt"])
@pytest.mark.parametrize("title", ["", "# 问答表\n\n"])
def test_a_markdown_table_is_a_table(ending, title):
    text = f"{title}| 问题 | 答案 |\n| --- | :---: |\n| 几点上班 | 九点 |\n| 几点下班 | 六点 |\n"
    result = read_bytes(text.encode(), f"a.{ending}")
    assert said(result) == [OPEN, CLOSE] and kinds(result) == ({"lines_unused"} if title else set())


def test_a_title_above_questions_and_one_between_them_is_counted():
    result = read_bytes("手册\n问：几点上班\n答：九点\n\n# 下班\n问：几点下班\n答：六点\n".encode(), "a.txt")
    [notice] = [one for one in result.notices if one.kind == "lines_unused"]
    assert said(result) == [OPEN, CLOSE] and notice.count == 2


def test_a_novel_with_questions_in_it_is_no_list_of_questions():
    text = "天黑了。他站在门口，等了很久。\n“你去哪？”她问。\n“回家。”\n雨下了一夜，第二天早上路上全是水。\n谁也没有再提起这件事？\n过了三年，他们又在同一个站台上见面。\n"
    assert read_bytes(text.encode(), "a.txt").layout == "text"


@pytest.mark.parametrize(
    "text",
    [
        "客服：您好\n客户：几点上班\n客服：九点\n客户：谢谢\n",
        "客服小王：您好\n客户张三：几点上班\n客服小王：九点\n客户张三：谢谢\n",
        "2024-01-02 10:00:00 客服小王(123)\n您好\n\n2024-01-02 10:01:00 张三(456)\n几点上班\n\n2024-01-02 10:02:00 客服小王(123)\n九点\n",
    ],
)
def test_greetings_and_thanks_around_a_conversation_are_left_out_and_counted(text):
    result = read_bytes(text.encode(), "a.txt")
    assert said(result) == [OPEN] and not result.problems and "turns_unused" in kinds(result)


def test_messages_with_a_blank_line_over_each_are_one_conversation():
    stamps = ["张三 2024/1/2 10:00:00\n几点上班", "李四 2024/1/2 10:01:00\n九点"]
    stamps += ["张三 2024/1/2 10:02:00\n几点下班", "李四 2024/1/2 10:03:00\n六点"]
    result = read_bytes("\n\n".join(stamps).encode(), "a.txt")
    assert said(result) == [[*OPEN, *CLOSE]] and "speakers" in kinds(result)


GROUP = {
    "a.txt": "张三：几点开会？\n李四：三点。\n王五：我来不了。\n张三：好的。\n李四：记得请假。\n王五：收到。\n",
    "b.txt": "张三 2024/1/2 10:00:00\n几点开会？\n\n李四 2024/1/2 10:01:12\n三点。\n\n王五 2024/1/2 10:02:12\n我来不了。\n\n"
    "张三 2024/1/2 10:03:12\n好的。\n\n李四 2024/1/2 10:04:12\n记得请假。\n",
    "c.csv": "speaker,text\n张三,几点开会？\n李四,三点。\n王五,我来不了。\n张三,好的。\n李四,记得请假。\n",
}


@pytest.mark.parametrize("file", GROUP)
def test_of_a_group_the_reader_says_who_answers(file):
    asked = read_bytes(GROUP[file].encode(), file)
    assert (list(asked.examples), asked.speakers) == ([], ("张三", "李四", "王五"))
    assert "张三, 李四, 王五" in asked.problems[0].message
    result = read_bytes(GROUP[file].encode(), file, options=ReadOptions(assistant="李四"))
    assert said(result) == [["张三：几点开会？", "三点。", "王五：我来不了。\n张三：好的。", "记得请假。"]]


def test_of_two_names_either_may_answer():
    text = "张三：九点\n李四：几点上班\n张三：九点\n李四：几点下班\n张三：六点\n"
    result = read_bytes(text.encode(), "a.txt", options=ReadOptions(assistant="张三"))
    assert said(result) == [[*OPEN, *CLOSE]] and result.speakers == ("张三", "李四")


def test_short_questions_without_a_header_are_data():
    result = read_bytes("几点上班,九点\n几点下班,六点\n".encode(), "a.csv")
    assert said(result) == [OPEN, CLOSE] and kinds(result) == {"no_header"}


def test_korean_of_another_encoding_is_not_read_as_chinese():
    text = "질문,답변\n몇 시에 열어요?,아홉 시에 열어요\n몇 시에 닫아요?,여섯 시에 닫습니다\n" * 4
    result = read_bytes(text.encode("euc-kr"), "a.csv")
    assert result.examples[0].question == "몇 시에 열어요?" and "encoding" in kinds(result)


@pytest.mark.parametrize("mark", ["<|name|>", "____", "＿＿", "@@name@@", "某某公司"])
def test_other_blanks_of_forms_are_placeholders(mark):
    assert kinds(read_bytes(lines({"question": "你是谁", "answer": f"我是{mark}的助手"}), "a.jsonl")) == {"placeholder"}


@pytest.mark.parametrize("mark", ["TBD", "待补充。", "TODO"])
def test_an_answer_that_is_yet_to_be_written_is_a_placeholder(mark):
    assert kinds(read_bytes(lines({"question": "你是谁", "answer": mark}), "a.jsonl")) == {"placeholder"}


@pytest.mark.parametrize("mark", ["<UNK>", "[UNK]", "<unk>"])
def test_marks_of_lost_words_are_no_placeholders_and_are_said(mark):
    result = read_bytes(lines({"question": "写广告", "answer": f"{mark}的面料"}), "a.jsonl")
    [notice] = result.notices
    assert (notice.kind, notice.count) == ("unknown_words", 1) and mark in notice.message


@pytest.mark.parametrize(
    "answer", ["<BR>换行", "def __init__(self):", "请等待定位完成", "a_b__c", "TODO 列表是这样写的：先列后做"]
)
def test_code_and_ordinary_words_are_no_placeholders(answer):
    assert kinds(read_bytes(lines({"question": "怎么写", "answer": answer}), "a.jsonl")) == set()


# the same in other dress


@pytest.mark.parametrize(
    "text",
    [
        "<start_of_turn>user\n几点上班<end_of_turn>\n<start_of_turn>model\n九点<end_of_turn>\n",
        "<|user|>\n几点上班<|assistant|>\n九点",
        "<|user|>\n几点上班<|end|>\n<|assistant|>\n九点<|end|>\n",
        "A chat between a user and an assistant. USER: 几点上班 ASSISTANT: 九点</s>",
        "[Round 1]\n\n问：几点上班\n\n答：九点",
    ],
)
def test_conversations_written_down_in_the_marks_of_other_models(text):
    assert said(read_bytes(lines({"text": text}), "a.jsonl")) == [OPEN]


@pytest.mark.parametrize(
    "row",
    [
        {"dialog": ["用户：几点上班", "客服：九点"]},
        {"dialogue": "客户：几点上班\n客服：九点"},
        {"dialogue": [{"speaker": "A", "text": OPEN[0]}, {"speaker": "B", "text": OPEN[1]}]},
        {"messages": [{"from": "张三", "text": OPEN[0]}, {"from": "李四", "text": OPEN[1]}]},
        {
            "input": {"messages": CHAT[:1]},
            "preferred_output": CHAT[1:],
            "non_preferred_output": [{**CHAT[1], "content": "滚"}],
        },
        {"question": {"text": OPEN[0]}, "answer": {"text": OPEN[1]}},
        {"article": OPEN[0], "summary": OPEN[1]},
    ],
)
def test_conversations_in_other_fields(row):
    assert said(read_bytes(lines(row, row), "a.jsonl")) == [OPEN, OPEN]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("質問", "回答"),
        ("Ｑ", "Ａ"),
        ("Pregunta", "Respuesta"),
        ("Frage", "Antwort"),
        ("Вопрос", "Ответ"),
        ("問", "答"),
    ],
)
def test_marks_of_questions_in_other_languages_are_pairs(question, answer):
    text = f"{question}：几点上班\n{answer}：九点\n{question}：几点下班\n{answer}：六点\n"
    assert said(read_bytes(text.encode(), "a.txt")) == [OPEN, CLOSE]


def test_weights_of_a_table_are_numbers_in_text():
    result = read_bytes("question,answer,weight\n几点上班,九点,0.5\n几点下班,六点,0\n".encode(), "a.csv")
    assert said(result) == [OPEN] and kinds(result) == {"rows_not_learned"}


def test_what_stands_below_a_title_that_asks_belongs_to_the_question():
    result = read_bytes("标题,内容,回复\n退货,衣服大了,可以\n".encode(), "a.csv")
    assert said(result) == [["退货\n衣服大了", "可以"]] and not result.notices


def test_headers_that_speak_of_asking_are_headers():
    content = "客户怎么说,我们怎么答\n几点上班,九点\n几点下班,六点\n".encode()
    assert read_bytes(content, "a.csv").columns == ("客户怎么说", "我们怎么答")


@pytest.mark.parametrize(
    "content",
    [
        "session_id,sender_type,message\n1,user,几点上班\n1,bot,九点\n2,user,几点下班\n2,bot,六点\n".encode(),
        "会话编号,发送人,消息内容\n1,张三,几点上班\n1,客服小李,九点\n2,张三,几点下班\n2,客服小李,六点\n".encode(),
    ],
)
def test_tables_of_messages_by_session(content):
    assert said(read_bytes(content, "a.csv")) == [OPEN, CLOSE]


def test_the_fields_of_an_inner_object_are_mapped_by_path_and_by_their_own_names():
    content = lines({"id": 1, "data": {"question": "几点上班", "answer": "九点", "note": "改过"}})
    for mapping in ({"question": "data.question", "answer": "data.note"}, {"question": "question", "answer": "note"}):
        assert said(read_bytes(content, "a.jsonl", mapping=mapping)) == [["几点上班", "改过"]]


def test_rows_inside_a_row_are_rows_with_what_stands_beside_them():
    result = read_bytes(lines({"doc": 1, "context": "朝九晚六", "faqs": ROWS}, {"doc": 2, "faqs": ROWS[:1]}), "a.jsonl")
    assert said(result) == [["朝九晚六\n几点上班", "九点"], ["朝九晚六\n几点下班", "六点"], OPEN]


@pytest.mark.parametrize(
    "row", [{"tokens": ["我", "爱"], "tags": [0, 1]}, {"edges": [["a b", "c d"]]}, {"keywords": ["a b", "c d"]}]
)
def test_lists_of_words_are_no_conversation(row):
    assert read_bytes(lines(row, row), "a.jsonl").layout == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        "一、几点上班？\n答：九点\n二、几点下班？\n答：六点\n",
        "1. 几点上班\n答：九点\n2. 几点下班\n答：六点\n",
        "Q：几点上班 A：九点 Q：几点下班 A：六点\n",
        "<details>\n<summary>几点上班</summary>\n\n九点\n\n</details>\n<details>\n<summary>几点下班</summary>\n\n六点\n\n</details>\n",
        "<table>\n<tr><th>问题</th><th>答案</th></tr>\n<tr><td>几点上班</td><td>九点</td></tr>\n<tr><td>几点下班<td>六点</table>\n",
    ],
)
def test_questions_of_a_text_lose_their_marks(text):
    wanted = [[one.rstrip("？") for one in pair] for pair in said(read_bytes(text.encode(), "a.md"))]
    assert wanted == [OPEN, CLOSE]


def test_a_small_table_in_a_longer_text_is_the_data_and_the_rest_is_said():
    text = "# 问答\n\n常见的都在这里。\n更新于五月。\n\n| 问题 | 答案 |\n|---|---|\n| 几点上班 | 九点 |\n| 几点下班 | 六点 |\n\n谢谢。\n再见。\n"
    result = read_bytes(text.encode(), "a.md")
    assert said(result) == [OPEN, CLOSE] and [(one.kind, one.count) for one in result.notices] == [("lines_unused", 5)]


def test_test_questions_of_several_turns_have_their_reference_answers():
    row = {"question_id": 81, "turns": [OPEN[0], CLOSE[0]], "reference": [OPEN[1], CLOSE[1]]}
    result = read_bytes(lines(row, row), "a.jsonl")
    assert said(result) == [OPEN + CLOSE] * 2 and not result.notices
    alone = read_bytes(lines({"question_id": 81, "turns": [OPEN[0], CLOSE[0]]}), "a.jsonl")
    assert kinds(alone) == {"reading_guessed"} and "1" in alone.notices[0].message


def test_json_with_comments_and_a_comma_too_many():
    text = '// 问答\n[\n  {"question": "几点上班", "answer": "九点"}, // 平日 {"a"}\n  /* 旧的\n */\n  {"question": "几点下班", "answer": "六点，见 http://a.b/*c",},\n]\n'
    result = read_bytes(text.encode(), "a.json")
    assert said(result) == [OPEN, [CLOSE[0], "六点，见 http://a.b/*c"]] and [one.line for one in result.examples] == [
        3,
        6,
    ]


@pytest.mark.parametrize("text", ["'问题','答案'\n'几点上班','九点, 早上'\n", '问题,答案\n几点上班, "九点, 早上"\n'])
def test_other_habits_of_quoting_cells(text):
    assert said(read_bytes(text.encode(), "a.csv")) == [[OPEN[0], "九点, 早上"]]


def test_two_languages_without_column_names_are_data_from_the_first_row():
    for mark, ending in (("\t", "tsv"), (",", "csv"), ("\t", "txt")):
        text = f"Hello{mark}你好\nThanks{mark}谢谢\n"
        result = read_bytes(text.encode(), f"a.{ending}")
        assert said(result) == [["Hello", "你好"], ["Thanks", "谢谢"]] and kinds(result) == {"no_header"}


def test_names_that_nothing_knows_are_said_to_be_taken_for_names():
    content, mapping = "foo,bar\n几点上班,九点\n".encode(), {"question": "foo", "answer": "bar"}
    result = read_bytes(content, "a.csv", mapping=mapping)
    assert said(result) == [OPEN] and kinds(result) == {"names_taken"} and "foo、bar" in result.notices[0].message
    known = "工单,客户问题\n几点上班,九点\n".encode()
    assert not kinds(read_bytes(known, "a.csv", mapping={"question": "工单", "answer": "客户问题"}))


def test_names_over_numbers_codes_or_one_word_are_names_beyond_doubt():
    mapping = {"question": "foo", "answer": "bar"}
    for content in ("foo,bar,n\n几点上班,九点,1\n几点下班,六点,2\n", "n,foo,bar\nK1,几点上班,九点\nK2,几点下班,六点\n"):
        assert not kinds(read_bytes(content.encode(), "a.csv", mapping=mapping))


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#value!"])
def test_the_error_of_a_formula_is_no_text(error):
    result = read_bytes(f"问题,答案\n几点上班,九点\n几点下班,{error}\n{error},六点\n".encode(), "a.csv")
    assert said(result) == [OPEN] and [one.line for one in result.problems] == [3, 4]
    assert error in result.problems[0].message


@pytest.mark.parametrize("names", ["选项A,选项B", "選項A,選項B", "option_a,option_b", "Choice A,Choice B"])
def test_options_in_columns_of_their_own_keep_their_letters(names):
    result = read_bytes(f"问题,{names},答案\n哪个会飞,猫,鸟,B\n".encode(), "a.csv")
    assert said(result) == [["哪个会飞\nA. 猫\nB. 鸟", "B"]]


def test_names_of_columns_once_more_below_are_no_row():
    result = read_bytes("question,answer\n问题,答案\n几点上班,九点\n".encode(), "a.csv")
    assert said(result) == [OPEN] and [one.line for one in result.problems] == [2]


@pytest.mark.parametrize("answer", ["同上", "N/A", "ditto"])
def test_an_answer_that_only_points_elsewhere_is_named(answer):
    result = read_bytes(lines({"question": "几点上班", "answer": answer}), "a.jsonl")
    assert [(one.kind, one.count) for one in result.notices] == [("placeholder", 1)]


def test_a_workbook_with_the_ending_of_a_text_is_told_apart():
    with pytest.raises(DataError, match="xlsx"):
        read_bytes(b"PK\x03\x04" + bytes(100), "a.csv")


def test_options_that_are_objects_are_mapped_with_their_letters():
    question = {"stem": "哪个会飞", "choices": [{"label": "A", "text": "猫"}, {"label": "B", "text": "鸟"}]}
    mapping = {"question": "{question.stem}\n{question.choices}", "answer": "answerKey"}
    result = read_bytes(lines({"id": "1", "question": question, "answerKey": "B"}), "a.jsonl", mapping=mapping)
    assert said(result) == [["哪个会飞\nA. 猫\nB. 鸟", "B"]]
