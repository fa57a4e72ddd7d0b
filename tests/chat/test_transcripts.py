"""A conversation goes out as a file and comes back the same; a file that is none is a sentence and changes nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core import i18n
from glm_core.chat import conversation_list, transcripts
from glm_core.chat.conversations import Conversation
from glm_core.chat.messages import footnotes
from glm_core.chat.transcripts import TranscriptError, read, to_json, to_markdown

STAMP = {
    "base": "tiny",
    "adapter": "run-1",
    "adapter_title": "作者",
    "step": 60,
    "strength": 1.0,
    "sampling": {"temperature": 0.95, "seed": 2**62},
}
NOTES = {
    "finish_reason": "length",
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    "first_token_seconds": 0.2,
    "tokens_per_second": 80.5,
    "dropped_turns": 2,
    "stamp": STAMP,
    "vote": "up",
}


def talk(*said: str, system: str = "") -> Conversation:
    one = Conversation("local", system=system, model="tiny")
    for place, content in enumerate(said):
        one.messages.append({"role": "assistant" if place % 2 else "user", "content": content})
    return one


def said(one: Conversation) -> list[tuple]:
    return [(message["role"], message["content"], message.get("vote")) for message in one.messages]


def test_json_brings_everything_back_but_the_owner_and_the_id():
    one = talk("你好", "你好！", system="说得短一点")
    one.messages[1] |= NOTES
    back = read(to_json(one).encode(), "b")
    assert (back.messages, back.system, back.model, back.created) == (one.messages, one.system, "tiny", one.created)
    assert (back.user, back.title) == ("b", "") and back.id != one.id and '"user":' not in to_json(one)
    assert conversation_list.conversations("b") == [], "nothing is kept before somebody says so"


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_markdown_is_a_document_of_everything_that_was_said_with_the_votes(language):
    i18n.use(language)
    one = talk("第一问", "```\n# 标题\n```", system="系统**提示**")
    one.title = "题目"
    one.vote(1, "down")
    words = to_markdown(one)
    assert words.startswith("# 题目\n") and words.index("系统**提示**") < words.index("第一问") < words.index("# 标题")
    assert f"**{i18n.t('chat.role.assistant')}** · {i18n.t('chat.vote.down')}" in words


LINES = st.lists(
    st.one_of(
        st.sampled_from(["**用户**", "\\**回答**", "**Answer** · liked", "# 题", "", "  ", "```", "**用户** x", "---"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12),
    ),
    min_size=1,
    max_size=5,
)


@given(st.lists(LINES, min_size=1, max_size=5))
def test_whatever_was_said_comes_back(turns):
    one = talk(*("\n".join(lines) for lines in turns))
    back = read(to_json(one).encode(), "local")
    assert said(back)[: len(one.messages)] == said(one)


def test_a_conversation_that_ends_with_a_question_waits_for_its_answer():
    back = read(to_json(talk("你好")).encode(), "local")
    assert said(back) == [("user", "你好", None), ("assistant", "", None)]


def test_what_openais_clients_send_is_a_conversation():
    messages = [
        {"role": "system", "content": "短"},
        {"role": "user", "content": "问"},
        {"role": "assistant", "content": "答"},
    ]
    for body in (messages, {"model": "x", "messages": messages, "stream": True}):
        back = read(json.dumps(body).encode(), "local")
        assert (back.system, said(back)) == ("短", [("user", "问", None), ("assistant", "答", None)])


def message(role="user", content="x", **notes):
    return {"role": role, "content": content, **notes}


HOSTILE = {
    "too large": b"[" + b" " * transcripts.LARGEST_FILE,
    "bytes": b"\xff\xfe\x00PNG",
    "empty": b"",
    "broken": b'{"messages": [',
    "deep": b"[" * 200_000,
    "a number": b"[1e999]",
    "no object": b'["x"]',
    "no list": b'{"messages": "x"}',
    "none": b'{"messages": []}',
    "nothing said": json.dumps([message("system", "x")]).encode(),
    "Markdown": "# 标题\n\n**用户**\n\n你好".encode(),
    "huge number": b'[{"role": "user", "content": ' + b"9" * 5000 + b"}]",
    "half a character": b'[{"role": "user", "content": "\\ud800"}]',
    "half a system": b'{"system": "\\ud800", "messages": [{"role": "user", "content": "x"}]}',
    "role": json.dumps([message("tool")]).encode(),
    "content": json.dumps([message(content={"x": 1})]).encode(),
    "two questions": json.dumps([message(), message()]).encode(),
    "answer first": json.dumps([message("assistant")]).encode(),
    "system later": json.dumps([message(), message("system")]).encode(),
    "too many": json.dumps([message(), message("assistant")] * 600).encode(),
    "too long": json.dumps([message(content="x" * 300_000)]).encode(),
}


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_sentence(name, language):
    i18n.use(language)
    with pytest.raises(TranscriptError) as caught:
        read(HOSTILE[name], "local")
    assert len(str(caught.value)) > 10 and "{" not in str(caught.value)


def test_notes_that_make_no_sense_are_left_out_and_nothing_else_is_believed():
    wild = {
        "finish_reason": "hacked",
        "usage": {"completion_tokens": "many"},
        "first_token_seconds": float("nan"),
        "tokens_per_second": "fast",
        "dropped_turns": -1,
        "stamp": {"base": "x", "strength": "1"},
        "vote": 3,
        "html": "<b>",
    }
    record = {
        "id": "../../x",
        "user": "admin",
        "title": "a\nb" * 100,
        "model": ["x"],
        "created": "now",
        "unsaved": "x",
        "messages": [message(vote="up"), message("assistant", "<script>", **wild)],
    }
    back = read(json.dumps(record).encode(), "me")
    assert back.messages == [message(), message("assistant", "<script>")]
    assert (back.user, back.title, back.model, back.unsaved) == ("me", "", "", "") and "/" not in back.id
    assert footnotes(back.messages[1]) == []


@pytest.mark.parametrize(
    "stamp",
    [
        {"base": "x", "strength": 10**400},
        {"base": 5},
        {"sampling": {"temperature": "x"}},
        {"base": "x", "sampling": {"temperature": 10**400}},
        {"step": -1},
        [],
        "x",
    ],
)
def test_a_stamp_that_could_not_be_written_down_is_left_out(stamp):
    back = read(json.dumps([message(), message("assistant", "a", stamp=stamp)]).encode(), "me")
    assert footnotes(back.messages[1]) == []
