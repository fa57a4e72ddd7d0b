"""Chats as people paste them: speakers on the line, above it with a time, or "said:"; the first to speak asks."""

import pytest

from glm_core.data import read_text

PASTED = {
    "wechat": "张三 2024/1/2 10:00:00\n在吗\n\n李四 2024/1/2 10:01:12\n在的，请说\n",
    "wechat today": "张三 10:00\n在吗\n李四 昨天 10:01\n在的，请说\n",
    "time first": "2024-01-02 10:00:00 张三(12345)\n在吗\n2024-01-02 10:01:00 李四(678)\n在的，请说\n",
    "assistant": "You said:\n在吗\nChatGPT said:\n在的，请说\n",
    "assistant zh": "你说：\n在吗\nChatGPT 说：\n在的，请说\n",
    "whatsapp": "[02/01/2024, 10:00:00] Li Lei: 在吗\n[02/01/2024, 10:00:09] Han Mei: 在的，请说\n",
    "whatsapp android": "02/01/24, 10:00 - Li Lei: 在吗\n02/01/24, 10:01 - Han Mei: 在的，请说\n",
    "colon": "张三：在吗\n李四：在的，请说\n",
}


@pytest.mark.parametrize("kind", PASTED)
def test_a_pasted_chat_is_one_conversation(kind):
    once = PASTED[kind]
    result = read_text(once if kind not in ("whatsapp", "whatsapp android", "colon") else once + once)
    said = [message["content"] for example in result.examples for message in example.messages]
    assert said in (["在吗", "在的，请说"], ["在吗", "在的，请说"] * 2) and not result.problems
    assert [message["role"] for message in result.examples[0].messages][:2] == ["user", "assistant"]


def test_an_answer_of_several_paragraphs_stays_whole():
    answer = "第一步，打开设置。\n\n第二步，找到账号。\n- 点退出\n- 确认\n\n完成。"
    result = read_text(f"You said:\n怎么退出\nChatGPT said:\n{answer}\nYou said:\n谢谢\nChatGPT said:\n不客气")
    assert [message["content"] for message in result.examples[0].messages] == ["怎么退出", answer, "谢谢", "不客气"]


@pytest.mark.parametrize(
    "text",
    [
        "今天开会说了几件事：\n第一，七点集合。\n第二，带好证件，不要迟到。",
        "会议 10:30\n地点在三楼的大会议室，请大家准时参加，带好材料。\n负责人是王老师，有事找他。",
    ],
)
def test_prose_is_no_chat(text):
    assert all("messages" not in one for one in read_text(text).sample)
