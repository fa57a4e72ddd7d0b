"""The chat page, with an engine that answers from a script."""

import json

import pytest

from glm_core import state, text
from glm_core.serving import EngineBusy, conversations
from tests.pages.answers import ScriptedEngine
from tests.pages.test_pages import open_page
from tests.tiny import CONFIG

IDS = {
    "vocab_size": 560,
    "bos_token_id": 504,
    "eos_token_id": 505,
    "mask_token_id": 500,
    "gmask_token_id": 501,
    "pad_token_id": 3,
}


@pytest.fixture
def engine(workspace, monkeypatch):
    """Repeats the question; `run-1` says it tuned."""
    base = workspace / "models" / "tiny"
    base.mkdir(parents=True)
    (base / "config.json").write_text(json.dumps(CONFIG | IDS), encoding="utf-8")

    def script(request):
        return f"{'微调' if request.model == 'run-1' else '原来'}：{request.messages[-1]['content']}"

    engine = ScriptedEngine(base, script, {"run-1": "作者训练"})
    monkeypatch.setattr(state, "engine", lambda: engine)
    return engine


def say(app, question):
    return app.chat_input(key="question").set_value(question).run()


def address(app):
    """The conversation's id in the page's address."""
    value = app.query_params["c"]
    return value[0] if isinstance(value, list) else value


def texts(app):
    return [message.markdown[0].value for message in app.chat_message]


def test_an_answer_streams_is_kept_and_says_what_answered(engine):
    app = say(open_page("chat"), "你好")
    assert not app.exception and texts(app) == ["你好", "原来：你好"]
    captions = " ".join(caption.value for caption in app.caption)
    assert "tiny" in captions and "首字" in captions and "token" in captions
    kept = conversations.conversations("local")
    assert [message["content"] for message in kept[0].messages] == ["你好", "原来：你好"]
    assert kept[0].messages[1]["finish_reason"] == "stop"


def test_the_next_question_carries_the_thread(engine):
    say(say(open_page("chat"), "我叫小王"), "我叫什么？")
    assert [message["content"] for message in engine.requests[-1].messages] == [
        "我叫小王",
        "原来：我叫小王",
        "我叫什么？",
    ]


def test_a_refresh_finds_the_conversation_by_its_address(engine):
    app = say(open_page("chat"), "你好")
    again = open_page("chat", c=address(app))
    assert texts(again) == ["你好", "原来：你好"]
    assert texts(open_page("chat", c="../../etc")) == []


def test_a_run_in_the_address_answers(engine):
    app = say(open_page("chat", run="run-1"), "你好")
    assert texts(app)[-1] == "微调：你好" and engine.requests[-1].model == "run-1"
    assert "作者训练" in " ".join(caption.value for caption in app.caption)


def test_answer_again_and_edit_replace_what_was(engine):
    app = say(open_page("chat"), "你好")
    app.button(key="again").click().run()
    assert texts(app) == ["你好", "原来：你好"] and len(engine.requests) == 2
    app.button(key="edit-0").click().run()
    app.text_area(key="edited-0").set_value("再见")
    next(button for button in app.button if button.label == text.say("chat.resend")).click().run()
    assert texts(app) == ["再见", "原来：再见"]
    assert [message["content"] for message in engine.requests[-1].messages] == ["再见"]


def test_the_dials_start_at_the_familys_defaults_and_return_to_them(engine):
    app = open_page("chat", run="run-1")
    assert (app.slider(key="dial_temperature").value, app.slider(key="dial_top_p").value) == (0.95, 0.7)
    app.slider(key="dial_temperature").set_value(0.0)
    app.text_input(key="dial_seed").set_value("7").run()
    say(app, "你好")
    assert (engine.requests[-1].temperature, engine.requests[-1].seed) == (0.0, 7)
    app.button(key="defaults").click().run()
    say(app, "你好")
    assert (engine.requests[-1].temperature, engine.requests[-1].seed) == (0.95, None)


def test_new_open_search_and_delete(engine):
    app = say(open_page("chat"), "第一段")
    first = address(app)
    app.button(key="new").click().run()
    assert texts(app) == [] and "c" not in app.query_params
    app = say(app, "第二段")
    app.button(key=f"open-{first}").click().run()
    assert texts(app)[0] == "第一段"
    app.text_input(key="search").set_value("第二").run()
    assert not [button for button in app.button if button.key == f"open-{first}"]
    app.text_input(key="search").set_value("").run()
    app.button(key=f"delete-{first}").click().run()
    assert texts(app) == [] and len(conversations.conversations("local")) == 1


def test_a_busy_engine_is_a_sentence_and_the_question_stays(engine):
    engine.error = EngineBusy("serving.busy", 4, waiting=3)
    app = say(open_page("chat"), "你好")
    assert "4" in app.error[0].value and not app.exception
    engine.error = None
    app.button(key="again").click().run()
    assert texts(app) == ["你好", "原来：你好"]


def test_hostile_text_is_drawn_as_text(engine):
    app = say(open_page("chat"), "<img src=x onerror=alert(1)> ![a](http://e/x.png)")
    for shown in texts(app):
        assert "<img" not in shown.replace("\\<", "") and "![a](" not in shown.replace("\\[", "").replace("\\]", "")


def test_an_example_starts_the_conversation(engine):
    app = open_page("chat")
    app.button(key="chat.example.who").click().run()
    assert texts(app)[0] == "你是谁？"


def test_two_runs_of_one_name_are_two_options(engine):
    engine.add_run("run-2", "作者训练")
    options = open_page("chat").selectbox(key="model").options
    assert len(options) == len(set(options)) == 3


def test_an_answer_that_cannot_be_kept_is_shown_and_said(engine, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(conversations.workspace, "write_json", refuse)
    app = say(open_page("chat"), "你好")
    assert not app.exception and texts(app) == ["你好", "原来：你好"]
    assert "No space left" in app.warning[0].value


def test_an_answer_that_fails_on_the_way_says_why_and_is_not_drawn_away(engine, monkeypatch):
    def fail(ticket):
        ticket.begin()
        ticket.finish("error", error=EngineBusy("serving.busy", 4, waiting=3))

    monkeypatch.setattr(engine, "_answer", fail)
    app = say(open_page("chat"), "你好")
    assert len(app.error) == 1 and not app.exception
    assert app.session_state["computing"] is False, "else the page is drawn anew and the reason is gone"
