"""Conversations survive a restart, belong to one user, and a damaged file harms nobody."""

import json
import shutil

import pytest

from glm_core import i18n, permissions, workspace
from glm_core.chat import conversation_list, conversations
from glm_core.chat.conversations import Conversation
from glm_core.chat.messages import can_go_on, cleaned, footnotes
from glm_core.serving import Request, RequestHandle
from glm_core.serving.errors import EngineBusy
from glm_core.workspace import WorkspaceError


def talk(user="local", *texts):
    one = Conversation(user)
    for number, content in enumerate(texts):
        one.messages.append({"role": "assistant" if number % 2 else "user", "content": content})
    one.save()
    return one


def test_what_was_said_comes_back():
    one = talk("local", "你好", "你好！")
    one.messages[1]["stamp"] = {"base": "chatglm-demo"}
    one.save()
    assert conversations.get("local", one.id) == one
    assert [item.id for item in conversation_list.conversations("local")] == [one.id]


def test_what_another_window_wrote_meanwhile_becomes_a_conversation_of_its_own():
    one = talk("local", "第一句", "好的。")
    other = conversations.get("local", one.id)
    other.messages += [{"role": "user", "content": "另一边问的"}, {"role": "assistant", "content": "另一边答的"}]
    other.save()
    one.messages += [{"role": "user", "content": "这一边问的"}, {"role": "assistant", "content": "这一边答的"}]
    one.save()
    one.save()  # once is enough
    found = [conversations.get("local", item.id) for item in conversation_list.conversations("local")]
    assert {item.messages[-1]["content"] for item in found} == {"另一边答的", "这一边答的"} and len(found) == 2
    assert conversations.get("local", one.id).messages[-1]["content"] == "这一边答的"
    assert next(item for item in found if item.id != one.id).title == "第一句（另一个窗口里的）"


def test_a_window_that_lags_behind_its_own_thread_makes_no_copy():
    one = talk("local", "第一句", "好的。")
    other = conversations.get("local", one.id)
    other.vote(1, "up")
    other.save()
    one.messages += [{"role": "user", "content": "第二句"}, {"role": "assistant", "content": "嗯。"}]
    one.save()
    assert [item.id for item in conversation_list.conversations("local")] == [one.id]


def test_an_empty_conversation_leaves_no_file():
    talk("local")
    assert conversation_list.conversations("local") == []


def test_users_see_their_own_only():
    one = talk("a", "秘密")
    assert conversation_list.conversations("b") == [] and conversations.get("b", one.id) is None
    for name in ("../a", "", ".a"):
        with pytest.raises(WorkspaceError):
            conversation_list.conversations(name)
    with pytest.raises(WorkspaceError):
        conversations.get("b", f"../a/{one.id}")


def test_the_first_question_names_it_and_search_looks_everywhere():
    one = talk("local", "介绍一下\n北京的美食" * 4, "烤鸭")
    other = talk("local", "你好", "你好")
    other.title = "问候"
    other.save()
    assert one.name.startswith("介绍一下 北京的美食") and one.name.endswith("…")
    assert other.name == "问候"
    assert [item.id for item in conversation_list.conversations("local", "烤鸭")] == [one.id]
    assert [item.id for item in conversation_list.conversations("local", "一下 北京")] == [one.id]
    assert [item.id for item in conversation_list.conversations("local", "你好")] == [other.id]
    assert conversation_list.conversations("local", "messages") == []


def test_the_list_is_read_once_and_shows_what_has_changed(monkeypatch):
    monkeypatch.setattr(workspace, "SETTLING_SECONDS", -1)
    one = talk("local", "你好", "你好！")
    [first] = conversation_list.conversations("local")
    assert conversation_list.conversations("local")[0] is first
    one.title = "问候"
    one.save()
    assert [item.name for item in conversation_list.conversations("local")] == ["问候"]
    one.remove()
    assert conversation_list.conversations("local") == [] and first.open() is None


def test_damaged_files_are_passed_over():
    one = talk("local", "你好")
    folder = conversations.folder("local")
    (folder / "x.json").write_text("{", encoding="utf-8")
    (folder / "y.json").write_text(json.dumps({"messages": [{"role": "hacker", "content": 3}]}), encoding="utf-8")
    assert [item.id for item in conversation_list.conversations("local")] == [one.id]


def test_the_owner_is_the_folder_and_not_what_a_file_claims():
    one = talk("a", "你好")
    record = json.loads(one.path.read_text(encoding="utf-8")) | {"user": "b", "id": "../../x"}
    one.path.write_text(json.dumps(record), encoding="utf-8")
    assert (conversations.get("a", one.id).user, conversations.get("a", one.id).id) == ("a", one.id)


def test_the_prompt_ends_with_the_question_and_has_no_empty_answers():
    one = talk("local", "你好", "")
    one.messages[1]["stamp"] = {}
    one.ask("在吗")
    assert one.prompt() == [{"role": "user", "content": "你好"}, {"role": "user", "content": "在吗"}]


def test_a_revised_question_drops_what_came_after_it():
    one = talk("local", "一", "1", "二", "2", "三", "3")
    one.revise(2, "贰")
    assert [message["content"] for message in one.messages] == ["一", "1", "贰", ""]
    one.messages[-1]["content"] = "2"
    one.again()
    assert (one.messages[-1]["role"], one.beginning) == ("assistant", "")


def test_an_answer_that_was_stopped_says_so():
    one = Conversation("local")
    one.ask("你好")
    handle = RequestHandle(Request(one.prompt()))
    handle.add("你")
    handle.cancel()
    one.note(handle)
    assert (one.messages[-1]["content"], one.messages[-1]["finish_reason"]) == ("你", "cancelled")


@pytest.fixture
def reader():
    """Whoever reads the page: the program at first, then those whom the test names."""
    found = [permissions.PROGRAM]
    before = permissions.follow(lambda: found[-1])
    yield found
    permissions.follow(before)


def test_an_answer_is_kept_as_far_as_it_came_when_its_page_is_closed(reader):
    one = Conversation("local")
    one.ask("你好")
    keep, handle = one.begin_answer(), RequestHandle(Request(one.prompt()))
    handle.add("你好，我")
    reader.append(permissions.NOBODY)
    with pytest.raises(permissions.PermissionRefused):
        one.save()
    keep(handle)
    assert workspace.read_json(one.path)["messages"][-1]["content"] == "你好，我"
    shutil.rmtree(one.path.parent)
    keep(handle)
    assert not one.path.parent.exists(), "an account that was removed stays removed"


def test_nobody_begins_an_answer(reader):
    one = Conversation("local")
    one.ask("你好")
    reader.append(permissions.NOBODY)
    with pytest.raises(permissions.PermissionRefused):
        one.begin_answer()


def test_a_disk_that_takes_nothing_is_said_and_the_conversation_goes_on(monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(conversations.workspace, "write_json", refuse)
        one = talk("local", "你好", "你好！")
    assert "No space left" in one.unsaved and one.messages[1]["content"] == "你好！"
    one.save()
    assert one.unsaved == ""
    assert "unsaved" not in one.path.read_text(encoding="utf-8")


def test_a_file_with_fields_of_its_own_is_read():
    one = talk("local", "你好")
    one.path.write_text(json.dumps({"messages": one.messages, "unsaved": "x", "other": 1}), encoding="utf-8")
    assert conversations.get("local", one.id).unsaved == ""


def test_an_answer_goes_on_and_its_tokens_are_counted_together():
    one = Conversation("local")
    one.ask("讲个故事")
    first = RequestHandle(Request(one.prompt()))
    first.add("从前")
    first.finish("length")
    one.note(first)
    one.vote(1, "up")
    assert can_go_on(one.messages[1]) and one.beginning == "从前"
    one.go_on()
    second = RequestHandle(Request(one.prompt(), beginning=one.beginning))
    second.add("有座")
    second.add("山")
    second.finish("stop")
    one.note(second)
    answer = one.messages[1]
    assert (answer["content"], answer["usage"]["completion_tokens"]) == ("从前有座山", 3) and "vote" not in answer
    assert not can_go_on(answer)
    third = RequestHandle(Request(one.prompt(), beginning=one.beginning))
    third.finish("stop")
    one.note(third)
    assert one.messages[1]["first_token_seconds"] == answer["first_token_seconds"], (
        "nothing was added: the figures stay"
    )
    assert one.messages[1]["usage"]["completion_tokens"] == 3


def test_an_answer_nobody_could_finish_says_it_was_broken_off():
    one = Conversation("local")
    one.ask("你好")
    one.messages[1]["content"] = "你"
    one.save()
    kept = conversations.get("local", one.id).messages[1]
    assert can_go_on(kept) and footnotes(kept) == ["被打断了，保留到这里。"]
    assert not can_go_on({"role": "assistant", "content": " ", "finish_reason": "cancelled"}), "then it is asked again"


def test_why_an_answer_was_refused_is_read_later_in_the_readers_language():
    one = Conversation("local")
    one.ask("你好")
    handle = RequestHandle(Request(one.prompt()))
    handle.finish("error", error=EngineBusy("serving.busy", retry_after=3, waiting=8))
    one.note(handle)
    one.save()
    kept = conversations.get("local", one.id).messages[1]
    assert footnotes(kept)[1:] == ["正忙：已有 8 个请求在排队，约 3 秒后再试。"]
    i18n.use("en")
    assert len(footnotes(kept)) == 2 and "8 requests" in footnotes(kept)[1]


@pytest.mark.parametrize(
    "why", [None, "text", {"key": "no.such"}, {"key": "serving.busy", "values": 3}, {"key": "x" * 9, "values": {}}]
)
def test_a_reason_that_makes_no_sense_is_left_out(why):
    record = {"role": "assistant", "content": "", "finish_reason": "error", "why": why}
    assert "why" not in cleaned(record) and len(footnotes(record)) == 1


def test_a_vote_is_kept_with_the_answer_and_can_be_taken_back():
    one = talk("local", "你好", "你好！")
    one.vote(1, "down")
    one.save()
    assert conversations.get("local", one.id).messages[1]["vote"] == "down"
    one.vote(1, None)
    assert "vote" not in one.messages[1]


def test_the_system_prompt_is_told_where_there_is_one():
    one = talk("local", "你好", "你好！")
    one.ask("再见")
    one.system = "说得短一点"
    assert one.prompt(system=True)[0] == {"role": "system", "content": "说得短一点"}
    assert one.prompt()[0]["role"] == "user"
    one.save()
    assert conversations.get("local", one.id).system == "说得短一点"


def test_a_system_message_among_the_messages_becomes_the_system_prompt():
    one = talk("local", "你好", "你好！")
    messages = [{"role": "system", "content": "短"}, *one.messages]
    one.path.write_text(json.dumps({"messages": messages}), encoding="utf-8")
    kept = conversations.get("local", one.id)
    assert kept.system == "短" and kept.messages == one.messages
