"""Every kind of file that used to be read wrongly in silence: the right rows, and a notice of what is not used."""

import io
import json
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from glm_core import i18n
from glm_core.data import ReadOptions, read, read_bytes
from glm_core.data.examples import NOTICES

CASES = Path(__file__).resolve().parents[3] / ".." / "shared" / "cases" / "data"


def spoken(result) -> list[list[tuple[str, str]]]:
    letters = {"system": "s", "user": "u", "assistant": "a"}
    return [[(letters[one["role"]], one["content"]) for one in example.messages] for example in result.examples]


def learned(result) -> list[list[bool]]:
    return [
        [one.get("learn", True) for one in example.messages if one["role"] == "assistant"]
        for example in result.examples
    ]


def kinds(result) -> set[str]:
    return {notice.kind for notice in result.notices}


def lines(*rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def chat(*texts, **more) -> dict:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)], **more}


def sheet(*sheets: tuple[str, list[list]]) -> bytes:
    book, target = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for name, rows in sheets:
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(target)
    return target.getvalue()


def pair(question: str, answer: str) -> list[tuple[str, str]]:
    return [("u", question), ("a", answer)]


def expected_cases() -> list:
    file = CASES / "expected.json"
    if not file.exists():
        return []
    return [pytest.param(name, wanted, id=name) for name, wanted in json.loads(file.read_text("utf-8")).items()]


@pytest.mark.skipif(not expected_cases(), reason="the shared cases are not here")
@pytest.mark.parametrize(("name", "wanted"), expected_cases())
def test_the_shared_cases_are_read_as_expected(name, wanted):
    result = read(CASES / name)
    rows = [[[one["role"], one["content"]] for one in example.messages] for example in result.examples]
    assert rows == wanted["rows"]
    assert kinds(result) >= set(wanted["notices"])
    assert len(result.problems) >= wanted["problems"]
    if "learned" in wanted:
        assert learned(result) == wanted["learned"]


# rows and answers that the file marks as not to be learned


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([chat("Opening hours?", "Nine to six.", label=True), chat("Fax?", "Go away.", label=False)], 1),
        (
            [
                {"prompt": "营业时间", "completion": "九点到六点", "label": "True"},
                {"prompt": "传真", "completion": "滚", "label": "False"},
            ],
            1,
        ),
        (
            [
                {"instruction": "营业时间", "input": "", "output": "九点", "kto_tag": True},
                {"instruction": "a", "input": "", "output": "b", "kto_tag": False},
            ],
            1,
        ),
        ([{"question": "营业时间", "answer": "九点", "weight": 1}, {"question": "b", "answer": "c", "weight": 0}], 1),
        (
            [{"question": "营业时间", "answer": "九点", "loss": True}, {"question": "b", "answer": "c", "loss": False}],
            1,
        ),
        (
            [
                {"query": "营业时间", "response": "九点", "loss_weight": 0.5},
                {"query": "b", "response": "c", "loss_weight": 0.0},
            ],
            1,
        ),
        (
            [
                {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "label": True},
                {"conversations": [{"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}], "label": False},
            ],
            1,
        ),
    ],
)
def test_rows_marked_as_not_to_be_learned_are_left_out_and_counted(rows, left):
    result = read_bytes(lines(*rows), "a.jsonl")
    [notice] = [one for one in result.notices if one.kind == "rows_not_learned"]
    assert (len(result.examples), notice.count, result.problems) == (len(rows) - left, left, [])
    assert str(left) in notice.message


def test_a_csv_column_of_truth_values_is_a_verdict_and_one_of_words_is_not():
    told = read_bytes("prompt,completion,label\n几点开门,九点,TRUE\n有传真吗,走开,FALSE\n".encode(), "a.csv")
    assert spoken(told) == [pair("几点开门", "九点")] and kinds(told) == {"rows_not_learned"}
    worded = read_bytes("prompt,completion,label\n几点开门,九点,时间\n有传真吗,没有,设备\n".encode(), "a.csv")
    assert len(worded.examples) == 2 and kinds(worded) == {"columns_ignored"}


@pytest.mark.parametrize(
    "mark", [{"weight": 0}, {"loss": False}, {"loss_weight": 0.0}, {"train": False}, {"learn": False}]
)
@pytest.mark.parametrize("column", ["messages", "conversations"])
def test_answers_marked_as_not_to_be_learned_stay_and_are_no_targets(mark, column):
    said = chat("When?", "At noon.", "Where?", "In the hall.")["messages"]
    said[1] |= mark
    if column == "conversations":
        said = [
            {"from": one["role"], "value": one["content"], **{k: v for k, v in one.items() if k in mark}}
            for one in said
        ]
    result = read_bytes(lines({column: said}), "a.jsonl")
    assert learned(result) == [[False, True]]
    assert [(one.kind, one.count) for one in result.notices] == [("answers_not_learned", 1)]


def test_a_conversation_of_which_no_answer_is_learned_is_a_row_not_learned():
    said = chat("一", "二", "三", "四")["messages"]
    for place in (1, 3):
        said[place]["weight"] = 0
    result = read_bytes(lines({"messages": said}, chat("五", "六")), "a.jsonl")
    assert spoken(result) == [pair("五", "六")] and kinds(result) == {"rows_not_learned"}


def test_a_file_of_which_nothing_is_to_be_learned_says_so():
    result = read_bytes(lines(chat("一", "二", label=False), chat("三", "四", label=False)), "a.jsonl")
    assert not result.examples and len(result.problems) == 1 and "2" in result.problems[0].message


# columns


@pytest.mark.parametrize(
    ("row", "question", "answer"),
    [
        (
            {"instruction": "Answer briefly.", "question": "Opening hours?", "answer": "Nine."},
            "Answer briefly.\nOpening hours?",
            "Nine.",
        ),
        ({"passage": "Open from nine.", "query": "When?", "response": "Nine."}, "Open from nine.\nWhen?", "Nine."),
        ({"question": "When?", "context": "Open from nine.", "answer": "Nine."}, "When?\nOpen from nine.", "Nine."),
        ({"input": "你好", "instruction": "翻译成英文", "output": "Hello"}, "翻译成英文\n你好", "Hello"),
        ({"prompt": "分类", "input": "味道不错", "response": "好评"}, "分类\n味道不错", "好评"),
        ({"背景": "周一休息", "问题": "哪天休息？", "答案": "周一"}, "周一休息\n哪天休息？", "周一"),
        ({"参考资料": ["甲", "乙"], "提问": "选哪个？", "回答": "甲"}, "甲\n乙\n选哪个？", "甲"),
        ({"题目": "最大的是？", "选项": ["一", "二"], "答案": "二"}, "最大的是？\n一\n二", "二"),
        (
            {"question": "Largest?", "A": "one", "B": "two", "C": "three", "D": "four", "answer": "D"},
            "Largest?\nA. one\nB. two\nC. three\nD. four",
            "D",
        ),
        ({"title": "感冒", "ask": "发烧怎么办", "answer": "多喝水"}, "感冒\n发烧怎么办", "多喝水"),
        ({"ask": "When?", "reply": "Nine."}, "When?", "Nine."),
        ({"input": "1+1", "target": "2"}, "1+1", "2"),
        ({"user": "在吗", "assistant": "在的"}, "在吗", "在的"),
        ({"Human": "hi", "Assistant": "hello"}, "hi", "hello"),
        ({"用户问题": "在吗", "标准答案": "在的"}, "在吗", "在的"),
        ({"客户的问题": "在吗", "客服的回复": "在的"}, "在吗", "在的"),
        ({"user_question": "When?", "bot_answer": "Nine."}, "When?", "Nine."),
        (
            {
                "id": "x-1",
                "context": "巴黎是法国首都。",
                "question": "法国首都？",
                "answers": {"text": ["巴黎"], "answer_start": [0]},
            },
            "巴黎是法国首都。\n法国首都？",
            "巴黎",
        ),
    ],
)
def test_columns_of_the_question_are_joined_in_the_order_of_the_file(row, question, answer):
    result = read_bytes(lines(row, row), "a.jsonl")
    assert spoken(result) == [pair(question, answer)] * 2
    assert (result.problems, result.notices) == ([], [])


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"question": "a", "answer": "b", "备注": "很重要"}, ["备注"]),
        ({"instruction": "a", "output": "b", "comment": "keep this", "category": "faq"}, ["comment", "category"]),
        ({"question": "a", "question_type": "how to", "answer": "b"}, ["question_type"]),
        ({**chat("a", "b"), "出处": "员工手册"}, ["出处"]),
    ],
)
def test_columns_with_text_that_nothing_takes_are_named(row, names):
    [notice] = read_bytes(lines(row), "a.jsonl").notices
    assert (notice.kind, notice.count) == ("columns_ignored", len(names))
    assert all(name in notice.message for name in names)


@pytest.mark.parametrize(
    "more", [{"id": "q-17"}, {"编号": "三号"}, {"score": 4.5}, {"category": ""}, {"answer_id": "abc"}, {"note": None}]
)
def test_numbers_of_rows_and_blank_columns_are_no_loss(more):
    assert read_bytes(lines({"question": "a", "answer": "b", **more}), "a.jsonl").notices == []


# preferences, reasoning, media


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "几点？", "chosen": "九点", "rejected": "不知道"},
        {"question": "几点？", "chosen": "九点", "rejected": "不知道"},
        {"instruction": "几点？", "input": "", "chosen": "九点", "rejected": "不知道"},
        {
            "prompt": "几点？",
            "chosen": chat("几点？", "九点")["messages"],
            "rejected": chat("几点？", "不知道")["messages"],
        },
        {"chosen": chat("几点？", "九点")["messages"], "rejected": chat("几点？", "不知道")["messages"]},
        {"chosen": "\n\nHuman: 几点？\n\nAssistant: 九点", "rejected": "\n\nHuman: 几点？\n\nAssistant: 不知道"},
        {
            "prompt": [{"role": "user", "content": "几点？"}],
            "chosen": [{"role": "assistant", "content": "九点"}],
            "rejected": [{"role": "assistant", "content": "不知道"}],
        },
        {
            "conversations": [{"from": "human", "value": "几点？"}],
            "chosen": {"from": "gpt", "value": "九点"},
            "rejected": {"from": "gpt", "value": "不知道"},
        },
        {"messages": chat("几点？", "九点")["messages"], "rejected_response": "不知道"},
        {"question": "几点？", "response_j": "九点", "response_k": "不知道"},
    ],
)
def test_of_a_preference_pair_the_chosen_answer_is_learned(row):
    result = read_bytes(lines(row), "a.jsonl")
    assert spoken(result) == [pair("几点？", "九点")] and kinds(result) == {"rejected_unused"}


@pytest.mark.parametrize(
    "row",
    [
        {"question": "几点？", "reasoning": "看表", "answer": "九点"},
        {"question": "几点？", "思维链": "看表", "答案": "九点"},
        {"instruction": "几点？", "output": "<think>\n看表\n</think>\n\n九点"},
        chat("几点？", "<think>看表</think>九点"),
        {
            "messages": [
                {"role": "user", "content": "几点？"},
                {"role": "assistant", "content": "九点", "thinking": "看表"},
            ]
        },
    ],
)
def test_a_chain_of_thought_is_not_learned_and_counted(row):
    result = read_bytes(lines(row), "a.jsonl")
    assert spoken(result) == [pair("几点？", "九点")] and kinds(result) == {"reasoning_unused"}


@pytest.mark.parametrize(
    "row",
    [
        {"question": "画里是什么？", "answer": "猫", "image": "a.png"},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "什么？"}],
                },
                {"role": "assistant", "content": "猫"},
            ]
        },
        {"conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat"}]},
        {**chat("听到什么？", "雨声"), "audios": ["a.wav"]},
        {**chat("看到什么？", "雨"), "videos": ["a.mp4"]},
    ],
)
def test_rows_with_images_or_sound_are_problems(row):
    result = read_bytes(lines(row, chat("你好", "好")), "a.jsonl")
    assert len(result.examples) == 1 and [one.line for one in result.problems] == [1]


def test_empty_lists_of_images_are_no_images():
    assert len(read_bytes(lines(chat("你好", "好", images=[])), "a.jsonl").examples) == 1


# conversations in other forms

TWO = [("u", "一"), ("a", "二"), ("u", "三"), ("a", "四")]


@pytest.mark.parametrize(
    "row",
    [
        {"conversation": [{"human": "一", "assistant": "二"}, {"human": "三", "assistant": "四"}]},
        {"dialogue": [{"question": "一", "answer": "二"}, {"question": "三", "answer": "四"}]},
        {"conversations": [["一", "二"], ["三", "四"]]},
        {"dialog": ["一", "二", "三", "四"]},
        {
            "对话": [
                {"角色": "用户", "内容": "一"},
                {"角色": "助手", "内容": "二"},
                {"角色": "用户", "内容": "三"},
                {"角色": "助手", "内容": "四"},
            ]
        },
        {
            "chat": [
                {"speaker": "customer", "text": "一"},
                {"speaker": "agent", "text": "二"},
                {"speaker": "customer", "text": "三"},
                {"speaker": "agent", "text": "四"},
            ]
        },
        {"messages": json.dumps(chat("一", "二", "三", "四")["messages"])},
        {"question": "三", "answer": "四", "history": [{"question": "一", "answer": "二"}]},
        {"instruction": "三", "output": "四", "history": [["一", "二"]]},
        {"prompt": chat("一", "二", "三")["messages"], "completion": [{"role": "assistant", "content": "四"}]},
        {"question": ["一", "三"], "answer": ["二", "四"]},
        {"paragraph": [{"q": "一", "a": "二"}, {"q": "三", "a": "四"}]},
        {
            "text": "<|im_start|>user\n一<|im_end|>\n<|im_start|>assistant\n二<|im_end|>\n<|im_start|>user\n三<|im_end|>\n<|im_start|>assistant\n四<|im_end|>"
        },
        {"text": "<s>[INST] 一 [/INST] 二 </s><s>[INST] 三 [/INST] 四 </s>"},
        {"text": "### Human: 一### Assistant: 二### Human: 三### Assistant: 四"},
        {"text": "### Human: 一\n### Assistant: 二\n### Human: 三\n### Assistant: 四"},
        [
            {"role": "user", "content": "一"},
            {"role": "assistant", "content": "二"},
            {"role": "user", "content": "三"},
            {"role": "assistant", "content": "四"},
        ],
        [["一", "二"], ["三", "四"]],
    ],
)
def test_conversations_in_other_forms(row):
    result = read_bytes(lines(row, row), "a.jsonl")
    assert spoken(result) == [TWO, TWO] and not result.problems and not result.notices


def test_content_of_text_parts_is_joined():
    parts = [{"type": "text", "text": "上"}, {"type": "text", "text": "下"}]
    row = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "好"}]}
    assert spoken(read_bytes(lines(row), "a.jsonl")) == [pair("上\n下", "好")]


# one JSON value that holds the rows

PAIRS = [pair("几点上班？", "九点"), pair("几点下班？", "六点")]
RECORDS = [{"question": "几点上班？", "answer": "九点"}, {"question": "几点下班？", "answer": "六点"}]


@pytest.mark.parametrize(
    "value",
    [
        {"instruction": ["几点上班？", "几点下班？"], "output": ["九点", "六点"]},
        [["几点上班？", "九点"], ["几点下班？", "六点"]],
        [["问题", "答案"], ["几点上班？", "九点"], ["几点下班？", "六点"]],
        {"几点上班？": "九点", "几点下班？": "六点"},
        {"columns": ["question", "answer"], "data": [["几点上班？", "九点"], ["几点下班？", "六点"]]},
        {"columns": ["question", "answer"], "index": [0, 1], "data": [["几点上班？", "九点"], ["几点下班？", "六点"]]},
        {"question": {"0": "几点上班？", "1": "几点下班？"}, "answer": {"0": "九点", "1": "六点"}},
        {"0": RECORDS[0], "1": RECORDS[1]},
        {"version": 1, "data": RECORDS},
        {"data": {"train": RECORDS}},
        {"train": RECORDS},
        {"results": RECORDS},
    ],
)
def test_rows_in_one_json_value(value):
    result = read_bytes(json.dumps(value, ensure_ascii=False).encode(), "a.json")
    assert spoken(result) == PAIRS and (result.problems, result.notices) == ([], [])


def test_squad_gives_a_row_a_question():
    paragraph = {
        "context": "巴黎是法国首都。",
        "qas": [{"id": "1", "question": "法国首都？", "answers": [{"text": "巴黎", "answer_start": 0}]}],
    }
    result = read_bytes(json.dumps({"data": [{"title": "法国", "paragraphs": [paragraph]}]}).encode(), "a.json")
    assert spoken(result) == [pair("巴黎是法国首都。\n法国首都？", "巴黎")]


@pytest.mark.parametrize("names", [("train", "test"), ("train", "validation"), ("训练集", "测试集"), ("train", "dev")])
def test_of_several_splits_the_training_part_is_read(names):
    value = {names[0]: RECORDS, names[1]: [{"question": "别学", "answer": "别学"}]}
    result = read_bytes(json.dumps(value).encode(), "a.json")
    [notice] = result.notices
    assert spoken(result) == PAIRS and (notice.kind, notice.count) == ("splits", 1) and names[1] in notice.message


def test_a_column_of_splits_is_heeded():
    result = read_bytes(b"question,answer,split\na,b,train\nc,d,test\n", "a.csv")
    assert spoken(result) == [pair("a", "b")] and kinds(result) == {"splits"}


# text


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("问：", "答："),
        ("Q: ", "A: "),
        ("问题：", "答案："),
        ("提问：", "回答："),
        ("Question: ", "Answer: "),
        ("**Q:** ", "**A:** "),
        ("Q1：", "A1："),
        ("1. 问：", "答："),
        ("（1）问：", "答："),
    ],
)
def test_questions_and_answers_without_blank_lines_are_a_row_each(question, answer):
    text = "".join(f"{question}{asked}\n{answer}{said}\n" for (_, asked), (_, said) in PAIRS)
    result = read_bytes(text.encode(), "faq.txt")
    assert spoken(result) == PAIRS and kinds(result) == {"reading_guessed"}
    other = read_bytes(text.encode(), "faq.txt", options=ReadOptions(reading=result.notices[0].other))
    assert spoken(other) == [[*PAIRS[0], *PAIRS[1]]]


@pytest.mark.parametrize("marks", [("【问题】", "【答案】"), ("[Q]", "[A]"), ("【问】", "【答】"), ("<Q> ", "<A> ")])
def test_marks_in_brackets_are_plainly_pairs(marks):
    text = "".join(f"{marks[0]}{asked}\n{marks[1]}{said}\n" for (_, asked), (_, said) in PAIRS)
    result = read_bytes(text.encode(), "faq.txt")
    assert spoken(result) == PAIRS and not result.notices


@pytest.mark.parametrize(
    "marks",
    [
        ("客户：", "客服："),
        ("用户：", "助手："),
        ("患者：", "医生："),
        ("User: ", "Assistant: "),
        ("Human: ", "AI: "),
        ("学生：", "老师："),
        ("顾客：", "店员："),
        ("买家: ", "卖家: "),
        ("客户（张先生）：", "客服 10:32："),
    ],
)
def test_speakers_without_a_blank_line_are_one_conversation(marks):
    text = "".join(f"{marks[0]}{asked}\n{marks[1]}{said}\n" for (_, asked), (_, said) in PAIRS)
    result = read_bytes(text.encode(), "talk.txt")
    assert spoken(result) == [[*PAIRS[0], *PAIRS[1]]] and kinds(result) == {"reading_guessed"}
    assert spoken(read_bytes(text.encode(), "talk.txt", options=ReadOptions(reading="pairs"))) == PAIRS


def test_question_and_answer_on_one_line():
    assert spoken(read_bytes("问：几点上班？答：九点\n问：几点下班？ 答：六点\n".encode(), "a.txt")) == PAIRS


@pytest.mark.parametrize(
    "text",
    [
        "几点上班？\n九点\n\n几点下班？\n六点\n",
        "## 几点上班？\n\n九点\n\n## 几点下班？\n\n六点\n",
        "1. 几点上班？\n九点\n\n2. 几点下班？\n六点\n",
    ],
)
def test_questions_with_the_answer_below(text):
    result = read_bytes(text.encode(), "a.md")
    assert spoken(result) == PAIRS and kinds(result) == {"reading_guessed"}


@pytest.mark.parametrize(
    "text",
    [
        "张三：几点上班？\n李四：九点\n张三：几点下班？\n李四：六点\n",
        "2024-01-02 10:00:01 张三\n几点上班？\n2024-01-02 10:00:09 李四\n九点\n2024-01-02 10:01:00 张三\n几点下班？\n2024-01-02 10:02:00 李四\n六点\n",
        "张三 2024/1/2 10:00:01\n几点上班？\n李四 2024/1/2 10:00:09\n九点\n张三 2024/1/2 10:01:00\n几点下班？\n李四 2024/1/2 10:02:00\n六点\n",
    ],
)
def test_a_chat_export_of_two_names_is_a_conversation(text):
    result = read_bytes(text.encode(), "chat.txt")
    assert spoken(result) == [[*PAIRS[0], *PAIRS[1]]] and "reading_guessed" in kinds(result)


def test_a_table_of_speakers_and_lines_is_a_conversation():
    rows = "时间,发送者,内容\n10:00,客户,几点上班？\n10:01,客服,九点\n10:02,客户,几点下班？\n10:03,客服,六点\n"
    assert spoken(read_bytes(rows.encode(), "chat.csv")) == [[*PAIRS[0], *PAIRS[1]]]
    numbered = (
        "conversation_id,role,content\n1,user,几点上班？\n1,assistant,九点\n2,user,几点下班？\n2,assistant,六点\n"
    )
    result = read_bytes(numbered.encode(), "chat.csv")
    assert spoken(result) == PAIRS and not result.notices


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "gb18030", "utf-8-sig"])
def test_chinese_text_in_other_encodings(encoding):
    text = "问：一年里头员工可以休多少天的年假？\n答：工作满一年的员工每年可以休五天。\n" * 3
    assert len(read_bytes(text.encode(encoding), "a.txt").examples) == 3


# tables


@pytest.mark.parametrize(
    "content",
    [
        "几点上班？,九点\n几点下班？,六点\n",
        "1,几点上班？,九点\n2,几点下班？,六点\n",
        '"几点上班？";九点\n"几点下班？";六点\n',
    ],
)
def test_a_table_without_a_header_is_data_from_its_first_row(content):
    result = read_bytes(content.encode(), "a.csv")
    assert spoken(result) == PAIRS and kinds(result) == {"no_header"}
    assert result.examples[0].line == 1


def test_a_header_can_be_denied_and_insisted_on():
    content = b"hello,salut\nworld,monde\n"
    assert read_bytes(content, "a.csv").layout == "unknown"
    assert spoken(read_bytes(content, "a.csv", options=ReadOptions(header=False)))[0] == pair("hello", "salut")
    content = "几点上班？,九点\n几点下班？,六点\n".encode()
    assert read_bytes(content, "a.csv", options=ReadOptions(header=True)).layout == "unknown"


@pytest.mark.parametrize("mark", [";", "|", "\t", ","])
def test_a_line_that_names_the_separator_is_heeded(mark):
    content = f"sep={mark}\n问题{mark}答案\n几点上班？{mark}九点\n几点下班？{mark}六点\n{mark}空\n"
    result = read_bytes(content.encode(), "a.csv")
    assert spoken(result) == PAIRS and not result.notices and [one.line for one in result.problems] == [5]


def test_a_title_above_the_header_is_skipped():
    rows = [["人事问答"], [], ["编制：人事部"], ["问题", "答案"], ["几点上班？", "九点"], ["几点下班？", "六点"]]
    result = read_bytes(sheet(("表", rows)), "a.xlsx")
    assert spoken(result) == PAIRS and not result.notices and result.examples[0].line == 5
    assert spoken(read_bytes(b"HR answers\n\nquestion,answer\na,b\n", "a.csv")) == [pair("a", "b")]


def test_a_header_that_comes_again_is_no_data():
    result = read_bytes("问题,答案\n几点上班？,九点\n问题,答案\n几点下班？,六点\n".encode(), "a.csv")
    assert spoken(result) == PAIRS and [one.line for one in result.problems] == [3]


def test_all_sheets_with_known_columns_are_read_and_notes_are_named():
    head = ["question", "answer"]
    book = sheet(
        ("readme", [["Fill in below"]]),
        ("A", [head, ["几点上班？", "九点"]]),
        ("B", [head, ["几点下班？", "六点"], ["空"]]),
    )
    result = read_bytes(book, "a.xlsx")
    notice, unread = result.notices
    assert (unread.kind, unread.count) == ("sheets_unread", 1) and "readme" in unread.message
    assert spoken(result) == PAIRS and result.sheets == ("readme", "A", "B")
    assert (notice.kind, notice.count) == ("sheets", 3) and "A、B" in notice.message and "readme" not in notice.message
    assert [(one.line, "B" in one.message) for one in result.problems] == [(3, True)]
    assert spoken(read_bytes(book, "a.xlsx", options=ReadOptions(sheets=("B",)))) == PAIRS[1:]


def test_a_sheet_of_test_rows_is_not_learned():
    head = ["question", "answer"]
    result = read_bytes(sheet(("train", [head, ["a", "b"]]), ("test", [head, ["c", "d"]])), "a.xlsx")
    assert spoken(result) == [pair("a", "b")] and kinds(result) == {"splits", "sheets"}


@pytest.mark.parametrize(
    ("value", "format", "shown"),
    [
        (0.125, "0.0%", "12.5%"),
        (0.5, "0%", "50%"),
        (date(2024, 1, 2), "yyyy-mm-dd", "2024-01-02"),
        (date(2024, 1, 2), 'yyyy"年"m"月"d"日"', "2024年1月2日"),
        (datetime(2024, 1, 2, 8, 30), "yyyy/m/d h:mm", "2024/1/2 8:30"),
        (date(2024, 1, 2), "mm-dd-yy", "2024/1/2"),
        (1234.5, "#,##0.00", "1,234.50"),
        (7, "000", "007"),
        (9.9, '"¥"0.00', "¥9.90"),
        (3.0, "General", "3"),
        (12, '0"天"', "12天"),
    ],
)
def test_cells_are_read_as_a_reader_sees_them(value, format, shown):
    book, target = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["问题", "答案"])
    book.active.append(["多少？", value])
    book.active["B2"].number_format = format
    book.save(target)
    assert spoken(read_bytes(target.getvalue(), "a.xlsx")) == [pair("多少？", shown)]


def test_a_formula_without_a_stored_value_is_named():
    book, target = openpyxl.Workbook(), io.BytesIO()
    for row in (["问题", "答案"], ["一加一？", "=1+1"], ["几点？", "九点"]):
        book.active.append(row)
    book.save(target)
    result = read_bytes(target.getvalue(), "a.xlsx")
    assert spoken(result) == [pair("几点？", "九点")]
    assert [(one.line, one.field) for one in result.problems] == [(2, "答案")] and "公式" in result.problems[0].message


# placeholders


@pytest.mark.parametrize(
    "answer",
    [
        "我是NAME",
        "I am <NAME>.",
        "我是{{name}}",
        "我叫[姓名]",
        "by ${author}",
        "由AUTHOR开发",
        "我是{name}",
        "Call me %NAME%",
        "我是__NAME__",
        "我是【公司名】的助手",
        "my BOT_NAME",
        "I am {{ bot.name }}",
    ],
)
def test_unfilled_placeholders_in_answers_are_counted(answer):
    result = read_bytes(
        lines({"question": "你是谁", "answer": answer}, {"question": "NAME?", "answer": "好"}), "a.jsonl"
    )
    assert [(one.kind, one.count) for one in result.notices] == [("placeholder", 1)]
    assert len(result.examples) == 2


@pytest.mark.parametrize(
    "answer",
    ["my name is Li", "dict = {'a': 1}", "if a < b and c > d", "a[0]", "NAMED", "f(x) {return x}", "RENAME it"],
)
def test_ordinary_answers_hold_no_placeholder(answer):
    assert not read_bytes(lines({"question": "你是谁", "answer": answer}), "a.jsonl").notices


def test_every_kind_of_notice_has_its_words():
    for language in i18n.LANGUAGES:
        table = i18n.table(language)
        assert all(any(key.startswith(f"data.notice.{kind}") for key in table) for kind in NOTICES)
