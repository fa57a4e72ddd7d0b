"""Exports of chat programs as they write them: who asks, who answers, and what the program itself said is left out."""

import json

from glm_core.data import ReadOptions, read_bytes

ASKED, AGAIN, ANSWER = "Are you open?", "Hello?", "Yes, see https://a.example"
TALK = [("Ann", ASKED), ("Ann", AGAIN), ("Shop", ANSWER), ("Ann", "And Sunday?"), ("Shop", "Closed.")]
WANTED = [f"{ASKED}\n{AGAIN}", ANSWER, "And Sunday?", "Closed."]


def texts(result) -> list[list[str]]:
    return [[one["content"] for one in row.messages] for row in result.examples]


def counts(result) -> dict[str, int]:
    return {notice.kind: notice.count for notice in result.notices}


def read(value):
    return read_bytes(json.dumps(value).encode(), "export.json")


def telegram(talk, chat: int = 1) -> dict:
    service = {"id": 0, "type": "service", "date": "2024-05-01", "actor": "Ann", "action": "phone_call", "text": ""}
    said = [
        {"id": place, "type": "message", "date": "2024-05-01", "from": name, "from_id": f"user{name}", "text": text}
        for place, (name, text) in enumerate(talk, 1)
    ]
    return {"name": "Shop", "type": "personal_chat", "id": chat, "messages": [service, *said]}


def test_a_chat_of_telegram_with_links_and_service_messages():
    pieces = ["Yes, see ", {"type": "link", "text": "https://a.example"}, ""]
    result = read(telegram([(name, pieces if text == ANSWER else text) for name, text in TALK]))
    assert texts(result) == [WANTED] and counts(result)["lines_unused"] == 1 and counts(result)["speakers"] == 2


def test_all_chats_of_telegram_are_conversations_of_their_own():
    result = read({"about": "…", "chats": {"list": [telegram(TALK), telegram(TALK, chat=2)]}})
    assert texts(result) == [WANTED, WANTED]


def test_a_photo_of_telegram_is_not_seen():
    export = telegram(TALK)
    export["messages"] += [
        {"type": "message", "date": "2024", "from": "Ann", "text": "", "photo": "photos/1.jpg"},
        {"type": "message", "date": "2024", "from": "Shop", "text": "Nice one"},
    ]
    result = read(export)
    assert counts(result)["media_unseen"] == 1 and result.examples[0].messages[-1]["learn"] is False


def test_a_channel_of_discord():
    messages = [
        {
            "id": str(place),
            "type": "Default",
            "timestamp": "2024",
            "content": text,
            "author": {"id": name, "name": name},
        }
        for place, (name, text) in enumerate(TALK)
    ]
    joined = {
        "id": "9",
        "type": "GuildMemberJoin",
        "timestamp": "2024",
        "content": "Joined.",
        "author": {"name": "Bob"},
    }
    result = read({"guild": {"id": "1"}, "channel": {"name": "help"}, "messages": [joined, *messages]})
    assert texts(result) == [WANTED] and counts(result)["lines_unused"] == 1


def test_a_channel_of_slack_with_people_who_join():
    messages = [
        {"type": "message", "user": f"U{name}", "user_profile": {"real_name": name}, "text": text, "ts": f"{place}.1"}
        for place, (name, text) in enumerate(TALK)
    ]
    joined = {"type": "message", "subtype": "channel_join", "user": "U9", "text": "<@U9> has joined", "ts": "0.5"}
    result = read([messages[0], joined, *messages[1:]])
    assert texts(result) == [WANTED] and set(result.speakers) == {"Ann", "Shop"} and counts(result)["lines_unused"] == 1


def test_who_answers_in_an_export_can_be_chosen():
    content = json.dumps(telegram(TALK[1:])).encode()
    result = read_bytes(content, "export.json", options=ReadOptions(assistant="Ann"))
    assert texts(result) == [[ANSWER, "And Sunday?"]]


def test_a_paste_from_discord_names_people_without_the_time():
    text = "".join(f"{name} — Today at 10:0{place} AM\n{said}\n" for place, (name, said) in enumerate(TALK))
    assert set(read_bytes(text.encode(), "a.txt").speakers) == {"Ann", "Shop"}


def test_turns_that_are_lists_of_a_name_and_its_words():
    for names in (("user", "assistant"), ("Ann", "Shop")):
        turns = [[names[place % 2], text] for place, text in enumerate(WANTED)]
        assert texts(read({"dialog": turns})) == [WANTED]
    pairs = [["你好", "您好"], ["继续", "一"], ["继续", "二"], ["继续", "三"]]
    assert texts(read({"conversation": pairs})) == [[text for pair in pairs for text in pair]]
