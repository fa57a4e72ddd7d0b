"""Others who speak between known marks are asked about or named; headings within an answer are not taken for people."""

import json

import pytest

from glm_core.data import ReadOptions, read_bytes

ASK, ANSWER, THANKS, BYE = "手机坏了", "请先重启。", "谢谢", "不客气。"


def notice(result, kind: str):
    return next((one for one in result.notices if one.kind == kind), None)


def said(result) -> list[tuple[str, str]]:
    return [(one["role"], one["content"]) for example in result.examples for one in example.messages]


def as_text(*lines: str) -> tuple[bytes, str]:
    return "\n".join(lines).encode(), "a.txt"


def as_column(*lines: str) -> tuple[bytes, str]:
    return json.dumps({"text": "\n".join(lines)}, ensure_ascii=False).encode() + b"\n", "a.jsonl"


def as_dialogue(*lines: str) -> tuple[bytes, str]:
    return json.dumps({"dialogue": "\n".join(lines)}, ensure_ascii=False).encode() + b"\n", "a.jsonl"


def as_list(*lines: str) -> tuple[bytes, str]:
    return json.dumps({"dialogue": list(lines)}, ensure_ascii=False).encode() + b"\n", "a.jsonl"


FORMS = [as_text, as_column, as_dialogue, as_list]
MARKS = [("用户", "助手"), ("客户", "客服"), ("患者", "医生")]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("third", ["主管", "王经理", "售后主管（李雷）", "家属", "旁白"])
def test_a_person_between_the_marks_asks_and_is_named(form, marks, third):
    user, assistant = marks
    lines = [
        f"{user}：{ASK}",
        f"{assistant}：{ANSWER}",
        f"{third}：您好，我来处理。",
        f"{user}：{THANKS}",
        f"{assistant}：{BYE}",
    ]
    result = read_bytes(*form(*lines))
    asked = f"{third}：您好，我来处理。\n用户：{THANKS}"
    assert said(result) == [("user", ASK), ("assistant", ANSWER), ("user", asked), ("assistant", BYE)]
    assert (notice(result, "speakers_added").count, third in notice(result, "speakers_added").message) == (1, True)


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_behind_another_person_is_not_theirs(form):
    lines = [f"客户：{ASK}", f"客服：{ANSWER}", "主管：我来处理。", f"客服：{BYE}"]
    assert said(read_bytes(*form(*lines))) == [
        ("user", ASK),
        ("assistant", ANSWER),
        ("user", "主管：我来处理。"),
        ("assistant", BYE),
    ]


@pytest.mark.parametrize("role", ["assistant", "text"])
def test_the_reader_may_say_who_it_is(role):
    lines = [f"用户：{ASK}", f"助手：{ANSWER}", "主管：我来处理。", f"用户：{THANKS}", f"助手：{BYE}"]
    result = read_bytes(*as_text(*lines), options=ReadOptions(roles=(("主管", role),)))
    answer = "我来处理。" if role == "assistant" else "主管：我来处理。"
    assert said(result)[1] == ("assistant", f"{ANSWER}\n{answer}") and notice(result, "speakers_added") is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "answer",
    [
        ("推荐红富士。", "口感：酸甜爽脆，好吃。", "产地：烟台"),
        ("推荐红富士。", "口感：酸甜爽脆，好吃！", "产地：烟台，您放心。", "价格：十元"),
        ("按下面做。", "注意：请先关机。"),
        ("有两种：", "方法一：请重启。", "方法二：请换电池。"),
        ("联系我们：", "电话：123456", "主管：王伟"),
        ("这样写：", "```", "主管：您好，我来。", "```"),
        ("看这里：", "https://example.com"),
    ],
)
def test_headings_in_an_answer_are_no_people(form, answer):
    lines = ["用户：推荐一种", f"助手：{answer[0]}", *answer[1:], f"用户：{THANKS}", f"助手：{BYE}"] * 2
    result = read_bytes(*form(*lines))
    assert said(result)[1] == ("assistant", "\n".join(answer))
    assert not {"speakers_added", "speakers_unclear"} & {one.kind for one in result.notices}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("label", ["王磊", "Alice", "小李"])
def test_what_may_be_a_name_stays_and_is_counted(form, label):
    lines = [f"用户：{ASK}", f"助手：{ANSWER}", f"{label}：我来处理。", f"用户：{THANKS}", f"助手：{BYE}"]
    result = read_bytes(*form(*lines))
    assert said(result)[1] == ("assistant", f"{ANSWER}\n{label}：我来处理。")
    assert notice(result, "speakers_unclear").count == 1 and label in notice(result, "speakers_unclear").message


def test_a_name_that_comes_between_both_sides_is_a_person():
    lines = [
        f"用户：{ASK}",
        "王磊：我也坏了。",
        f"助手：{ANSWER}",
        "王磊：我试试，谢谢。",
        f"用户：{THANKS}",
        f"助手：{BYE}",
    ]
    result = read_bytes(*as_text(*lines))
    assert said(result)[0] == ("user", f"{ASK}\n王磊：我也坏了。") and notice(result, "speakers_added").count == 1


def test_a_conversation_within_an_answer_stays_there():
    lines = ["用户：写一段对话", "助手：好的：", "小明：你好！", "小红：你好呀！", "用户：再写", "助手：好。"]
    assert said(read_bytes(*as_text(*lines)))[1] == ("assistant", "好的：\n小明：你好！\n小红：你好呀！")


def test_names_with_the_word_of_a_role_have_it():
    result = read_bytes(*as_text(f"客户：{ASK}", f"客服小王：{ANSWER}", f"客户：{THANKS}", f"客服小王：{BYE}"))
    assert said(result) == [("user", ASK), ("assistant", ANSWER), ("user", THANKS), ("assistant", BYE)]
    assert "客服小王" in notice(result, "speakers_by_role").message


def test_a_third_who_is_rare_in_a_chat_of_two_names_is_named():
    chat = [
        "张三：在吗",
        "李四：在的",
        "张三：问下",
        "李四：请说",
        "王五：我插一句，你们明天来。",
        "张三：行",
        "李四：好的",
    ]
    assert "王五" in notice(read_bytes(*as_text(*chat)), "speakers_unclear").message
    lines = [f"{'张三' if turn % 2 else '李四'} 2024/1/2 10:{turn:02}:00\n第 {turn} 句" for turn in range(45)]
    result = read_bytes(*as_text(*lines[:20], "王五 2024/1/2 10:20:30\n我插一句", *lines[20:]))
    assert notice(result, "speakers_unclear").count == 1


def test_of_three_in_a_table_or_in_turns_the_unknown_one_is_named():
    table = "speaker,text\n用户,坏了\n助手,请重启\n主管,我来\n助手,好的\n用户,谢谢\n助手,不客气\n"
    turns = [dict(zip(("speaker", "text"), line.split(","), strict=True)) for line in table.split("\n")[1:-1]]
    for content, file in (
        (table.encode(), "a.csv"),
        (json.dumps([{"conversation": turns}], ensure_ascii=False).encode(), "a.json"),
    ):
        result = read_bytes(content, file)
        assert [text for _role, text in said(result)][:4] == ["坏了", "请重启", "主管：我来", "好的"]
        assert notice(result, "speakers_added").count == 1


def test_a_list_of_texts_of_three_unknown_people_is_not_read_by_turns():
    result = read_bytes(*as_list("客户：a", "客户：b", "客服：c"))
    assert said(result) == [("user", "a\nb"), ("assistant", "c")]
