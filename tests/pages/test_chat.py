"""The chat page, with an engine that answers from a script."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from glm_core import i18n, state, ui, workspace
from glm_core.auth import accounts, audit, sessions
from glm_core.auth.accounts import Account
from glm_core.chat import conversation_list, conversations, guests, transcripts
from glm_core.chat.messages import LONGEST
from glm_core.data import library
from glm_core.data.examples import pair
from glm_core.models import describe
from glm_core.runs import store
from glm_core.serving import EngineBusy
from glm_core.training.settings import TrainingSettings
from pages.parts.chat import sampling_controls
from tests.models.test_registry import GLM
from tests.pages.answers import ScriptedEngine
from tests.pages.test_pages import open_page
from tests.paths import ROOT
from tests.tiny import CONFIG, tiny_chatglm

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
    kept = [one.open() for one in conversation_list.conversations("local")]
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


def test_the_address_of_this_very_model_can_be_sent_from_the_conversation(engine, monkeypatch):
    monkeypatch.setattr(ui, "shared_addresses", lambda: ["http://192.168.1.2:8501"])
    assert "http://192.168.1.2:8501/chat?model=run-1" in [one.value for one in open_page("chat", run="run-1").code]
    assert i18n.t("share.settings") in links(open_page("chat"))


def test_letting_go_of_the_strength_answers_the_last_question_anew(engine):
    app = say(open_page("chat", run="run-1"), "你好")
    app.slider(key="dial_strength").set_value(0.5).run()
    assert len(engine.requests) == 2 and engine.requests[-1].strength == 0.5 and texts(app) == ["你好", "微调：你好"]


def links(app) -> list[str]:
    return [one.label for one in app.get("page_link")]


def test_a_link_to_a_model_that_is_gone_says_who_answers_instead(engine):
    app = open_page("chat", model="20200101-000000-abcd")
    assert not app.exception and [one.value for one in app.info] == [i18n.t("chat.gone", name="tiny")]


def test_answer_again_and_edit_replace_what_was(engine):
    app = say(open_page("chat"), "你好")
    app.button(key="again").click().run()
    assert texts(app) == ["你好", "原来：你好"] and len(engine.requests) == 2
    app.button(key="edit-0").click().run()
    app.text_area(key="edited-0").set_value("再见")
    next(button for button in app.button if button.label == i18n.t("chat.resend")).click().run()
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
    assert texts(app) == [] and len(conversation_list.conversations("local")) == 1


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


def test_a_tuned_model_is_begun_with_what_its_run_watches_by_those_who_may_see_its_rows(engine):
    run = store.create(
        tiny_chatglm(workspace.home() / "models" / "tiny"), "imprint", TrainingSettings(), ["书架在哪？" * 9]
    )
    engine.add_run(run.id, "图书馆")
    app = open_page("chat", run=run.id)
    (button,) = (one for one in app.button if one.key.startswith("chat.example."))
    assert len(button.label) < len(run.questions[0])
    button.click().run()
    assert texts(app)[0] == run.questions[0]


def test_where_nobody_chose_questions_those_that_training_took_begin_the_chat(engine):
    run = store.create(tiny_chatglm(workspace.home() / "models" / "tiny"), "imprint", TrainingSettings())
    rows = [
        {"step": step, "question": f"属于哪一类？\n{one}", "answer": "好"}
        for step in (0, 5)
        for one in ("很好", "很差")
    ]
    (run.path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    engine.add_run(run.id, "评论")
    app = open_page("chat", run=run.id)
    buttons = [one for one in app.button if one.key.startswith("chat.example.")]
    assert [one.label for one in buttons] == ["很好", "很差"]
    buttons[1].click().run()
    assert texts(app)[0].replace("  \n", "\n") == "属于哪一类？\n很差"


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
    def fail(handle):
        handle.begin()
        handle.finish("error", error=EngineBusy("serving.busy", 4, waiting=3))

    monkeypatch.setattr(engine, "answer", fail)
    app = say(open_page("chat"), "你好")
    assert len(app.error) == 1 and not app.exception
    assert app.session_state["computing"] is False, "else the page is drawn anew and the reason is gone"


def test_an_answer_left_for_another_page_does_not_end_the_next_one(engine):
    app = open_page("chat")
    app.session_state["computing"] = True  # nobody settled it
    assert texts(say(app, "你好")) == ["你好", "原来：你好"]


def noted(action):
    """What the audit log says was done in that way, the latest first."""
    return [row["target"] for row in audit.entries() if row["action"] == action]


# going on


def test_an_answer_that_was_cut_goes_on_in_the_same_bubble(engine):
    engine.reason = "length"
    app = say(open_page("chat"), "讲个故事")
    engine.script, engine.reason = (lambda request: "，山上有座庙"), "stop"
    app.button(key="go-on").click().run()
    assert not app.exception and texts(app) == ["讲个故事", "原来：讲个故事，山上有座庙"]
    assert engine.requests[-1].beginning == "原来：讲个故事"
    assert [message["content"] for message in engine.requests[-1].messages] == ["讲个故事"]
    kept = conversation_list.conversations("local")[0].open().messages
    assert len(kept) == 2 and (kept[1]["finish_reason"], kept[1]["usage"]["completion_tokens"]) == ("stop", 7)
    assert not [button for button in app.button if button.key == "go-on"], "it has come to its end"


def test_a_busy_engine_takes_nothing_of_what_was_said(engine):
    engine.reason = "cancelled"
    app = say(open_page("chat"), "你好")
    engine.error = EngineBusy("serving.busy", 4, waiting=3)
    app.button(key="go-on").click().run()
    assert app.error and texts(app) == ["你好", "原来：你好"]
    assert conversation_list.conversations("local")[0].open().messages[1]["content"] == "原来：你好"
    engine.error = None
    app.button(key="go-on").click().run()
    assert engine.requests[-1].beginning == "原来：你好"


def test_an_answer_that_the_server_never_finished_says_so_and_goes_on(engine):
    talk = conversations.Conversation("local")
    talk.ask("你好")
    talk.messages[1]["content"] = "你"
    talk.save()
    app = open_page("chat", c=talk.id)
    assert i18n.t("chat.ended.broken") in [caption.value for caption in app.caption]
    app.button(key="go-on").click().run()
    assert texts(app)[1].startswith("你原来") and engine.requests[-1].beginning == "你"


# votes and rows


def test_a_vote_is_kept_exported_noted_and_taken_back(engine):
    app = say(open_page("chat"), "你好")
    key = f"vote-{address(app)}-1"
    app.feedback(key=key).set_value(1).run()
    kept = conversation_list.conversations("local")[0].open()
    assert kept.messages[1]["vote"] == "up" and app.feedback(key=key).value == 1
    assert "· 赞" in transcripts.to_markdown(kept) and '"vote": "up"' in transcripts.to_json(kept)
    app.button(key="again").click().run()
    assert app.feedback(key=key).value is None, "it was another answer that was good"
    app.feedback(key=key).set_value(0).run()
    app.feedback(key=key).set_value(None).run()
    assert "vote" not in conversation_list.conversations("local")[0].open().messages[1]
    assert noted("audit.chat.vote") == [f"{kept.id} · 1 · {how}" for how in ("-", "down", "up")]


def test_an_answer_becomes_the_first_row_of_a_new_set(engine):
    app = say(open_page("chat"), "你是谁")
    app.button(key="row-1").click().run()
    assert (app.text_area(key="row-question").value, app.text_area(key="row-answer").value) == (
        "你是谁",
        "原来：你是谁",
    )
    app.text_area(key="row-answer").set_value("我是小印")
    app.button(key="row-keep").click().run()
    assert not app.exception and not app.error
    [kept] = [one for one in library.datasets() if not one.bundled]
    assert [(one.question, one.answer) for one in library.examples(kept.id)] == [("你是谁", "我是小印")]
    assert noted("audit.data.add") == [kept.name]
    assert i18n.t("chat.row_kept", name=kept.name, rows="1") in [one.value for one in app.markdown]
    app.run()
    assert not [one for one in app.text_area if one.key == "row-answer"], "closed"


def test_a_correction_goes_into_a_set_there_is_with_the_turns_before_it(engine):
    kept = library.add("纠正", [pair("一", "1")])
    app = say(say(open_page("chat"), "我叫小王"), "我叫什么？")
    app.button(key="row-3").click().run()
    app.selectbox(key="row-set").set_value(kept.id)
    app.checkbox(key="row-before").check()
    app.text_area(key="row-answer").set_value("小王")
    app.button(key="row-keep").click().run()
    assert not app.exception
    assert [message["content"] for message in library.examples(kept.id)[1].messages] == [
        "我叫小王",
        "原来：我叫小王",
        "我叫什么？",
        "小王",
    ]
    assert noted("audit.data.edit") == ["纠正"]


def test_a_blank_correction_is_a_sentence_and_no_row(engine):
    app = say(open_page("chat"), "你好")
    app.button(key="row-1").click().run()
    app.text_area(key="row-answer").set_value(" ")
    app.button(key="row-keep").click().run()
    assert len(app.error) == 1 and not app.exception and all(one.bundled for one in library.datasets())


# files


def bring(app, content: bytes, file="talk.json"):
    app.file_uploader[0].set_value((file, content, "application/json"))
    return app.run()


def test_a_conversation_comes_back_from_its_file_as_a_new_one(engine):
    app = say(open_page("chat"), "你好")
    first = conversation_list.conversations("local")[0].open()
    bring(app, transcripts.to_json(first).encode())
    assert not app.exception and not app.error
    assert texts(app) == ["你好", "原来：你好"] and address(app) != first.id
    assert len(conversation_list.conversations("local")) == 2 == len(noted("audit.chat.import")) + 1


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[" * 100_000, b'{"messages": [{"role": "root"}]}', b"<html>"])
def test_a_hostile_file_is_a_sentence_and_changes_nothing(engine, content):
    app = say(open_page("chat"), "你好")
    before = conversation_list.conversations("local")
    bring(app, content)
    assert not app.exception and len(app.error) == 1
    assert conversation_list.conversations("local") == before and texts(app) == ["你好", "原来：你好"]
    app.run()
    assert not app.error, "said once"


def test_deleting_a_conversation_is_noted_without_its_words(engine):
    app = say(open_page("chat"), "秘密")
    known = address(app)
    app.button(key=f"delete-{known}").click().run()
    assert noted("audit.chat.remove") == [known] and "秘密" not in str(audit.entries())


# the system prompt


def test_a_system_prompt_is_told_and_kept_where_the_family_has_one(engine):
    app = open_page("chat")
    assert not app.text_area, "ChatGLM-6B has none"
    (engine.find("tiny").base / "config.json").write_text(json.dumps({**GLM, "model_type": "glm"}), encoding="utf-8")
    from pages.parts.chat import sampling_controls

    sampling_controls.about.clear()
    app = open_page("chat")
    app.text_area[0].set_value("说得短一点").run()
    say(app, "你好")
    assert not app.exception
    assert engine.requests[-1].messages[0] == {"role": "system", "content": "说得短一点"}
    assert open_page("chat", c=address(app)).text_area[0].value == "说得短一点"
    app.button(key="new").click().run()
    assert app.text_area[0].value == ""


# guests


@pytest.fixture
def guest(engine, monkeypatch):
    """The reader is a guest who came without a password."""
    monkeypatch.setattr(state.sharing(), "on", True)
    visitor = Account(3, accounts.GUEST_NAME, "guest", "guest-0123")
    monkeypatch.setattr(sessions, "session", lambda _token: visitor)
    return visitor


def shown(app) -> str:
    return str([app.get(kind) for kind in ("markdown", "caption", "selectbox", "button")])


def test_a_guest_sees_no_name_of_a_run_that_was_not_given(engine, guest):
    app = open_page("chat", run="run-1")
    assert app.selectbox(key="model").options == ["tiny"] and "作者训练" not in shown(app)
    say(app, "你好")
    assert engine.requests[-1].model == "tiny" and not app.exception
    guests.publish(["run-1"])
    app = open_page("chat", run="run-1")
    assert len(app.selectbox(key="model").options) == 2
    assert texts(say(app, "你好"))[-1] == "微调：你好"
    guests.publish([])
    app.run()
    assert app.selectbox(key="model").options == ["tiny"], "no longer theirs"


def test_a_guest_makes_no_rows_and_brings_no_files(engine, guest):
    app = say(open_page("chat"), "你好")
    assert not app.exception and not app.file_uploader
    assert not [button for button in app.button if (button.key or "").startswith("row-")]
    assert [message["content"] for message in conversation_list.conversations("guest-0123")[0].open().messages][
        0
    ] == "你好"
    assert conversation_list.conversations("local") == []


def test_a_guest_is_told_how_long_the_words_are_kept(engine, guest):
    guests.set_days(3)
    assert i18n.t("chat.visit", days=3) in [caption.value for caption in open_page("chat").caption]


def test_a_new_conversation_begins_with_the_run_that_was_looked_at_last(engine):
    assert open_page("chat").selectbox(key="model").value == "tiny"
    app = AppTest.from_file(str(ROOT / "glm_core" / "page_frame.py"), default_timeout=60)
    app.session_state["whose"], app.session_state["last_run"] = "local", "run-1"
    app.query_params["lang"] = "中文"
    app.run()
    app = app.switch_page(str(ROOT / "pages" / "chat.py")).run()
    assert app.selectbox(key="model").value == "run-1"


@pytest.mark.parametrize(("owner", "begins_with"), [("local", "run-1"), ("u-0123", "tiny")])
def test_a_new_conversation_begins_with_the_newest_run_of_its_reader(engine, workspace, owner, begins_with):
    run = store.create(workspace / "models" / "tiny", "imprint", TrainingSettings(), (), owner, "作者训练")
    run.path.rename(run.path.with_name("run-1"))
    assert open_page("chat").selectbox(key="model").value == begins_with


@pytest.mark.parametrize(
    ("name", "temperature"), [("someone/bloom-demo", 0.7), ("THUDM/chatglm-6b", 0.95), ("x/y", 0.8)]
)
def test_the_dials_of_a_model_elsewhere_start_where_its_family_says(name, temperature):
    assert sampling_controls.about(name)[0]["temperature"] == temperature


def test_a_message_that_is_too_long_is_said_and_kept_to_be_shortened(engine):
    text = "长" * (LONGEST + 5)
    app = say(open_page("chat"), text)
    assert not app.exception and not engine.requests and texts(app) == []
    (warning,) = app.warning
    assert f"{LONGEST + 5:,}" in warning.value and f"{LONGEST:,}" in warning.value
    assert f"{describe(engine.listed[0].base).context_length:,}" in warning.value
    assert app.text_area(key="too-long").value == text
    app.button(key="too-long-send").click().run()
    assert not engine.requests and app.text_area(key="too-long").value == text
    app.text_area(key="too-long").set_value("短").run()
    app.button(key="too-long-send").click().run()
    assert texts(app) == ["短", "原来：短"] and not app.warning


def test_a_long_message_that_a_conversation_keeps_goes_to_the_model(engine):
    app = say(open_page("chat"), "长" * 30_000)
    assert engine.requests[-1].messages[-1]["content"] == "长" * 30_000 and not app.warning


def test_an_edit_that_is_too_long_keeps_its_form(engine):
    app = say(open_page("chat"), "你好")
    app.button(key="edit-0").click().run()
    app.text_area(key="edited-0").set_value("长" * (LONGEST + 1))
    app.button(key="FormSubmitter:edit-0-重新发送").click().run()
    assert f"{LONGEST + 1:,}" in app.error[0].value and len(app.text_area(key="edited-0").value) == LONGEST + 1
    assert len(engine.requests) == 1
