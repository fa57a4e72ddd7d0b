"""The chat page's link to a conversation: switched on and off by its owner, read and continued by others, closed to guests without the run."""

import pytest

from glm_core import i18n, ui
from glm_core.chat import conversation_list, guests, shared
from tests.pages import test_chat
from tests.pages.test_chat import address, noted, say, shown, texts
from tests.pages.test_pages import open_page

engine, guest = test_chat.engine, test_chat.guest


@pytest.fixture
def on_network(monkeypatch):
    monkeypatch.setattr(ui, "shared_addresses", lambda: ["http://192.168.1.2:8501"])


def link_in(app) -> str:
    """What the address in the popover says after shared=, "" where it leads to an empty chat."""
    return next(one.value for one in app.code if "8501/chat?" in one.value).partition("shared=")[2]


def share_one(app):
    app.toggle(key=f"shared-{address(app)}").set_value(True).run()
    return link_in(app)


def test_a_conversation_is_shared_and_no_longer_by_one_switch(engine, on_network):
    assert not open_page("chat").toggle, "there is nothing to share yet"
    app = say(open_page("chat"), "你好")
    assert link_in(app) == ""
    link = share_one(app)
    assert not app.exception and texts(open_page("chat", shared=link)) == ["你好", "原来：你好"]
    say(app, "这句没有分享")
    assert len(texts(open_page("chat", shared=link))) == 2
    app.button(key="share-update").click().run()
    assert link_in(app) == link and len(texts(open_page("chat", shared=link))) == 4
    assert not [one for one in app.button if one.key == "share-update"]
    app.toggle(key=f"shared-{address(app)}").set_value(False).run()
    assert link_in(app) == "" and not app.exception
    gone = open_page("chat", shared=link)
    assert texts(gone) == [] and [one.value for one in gone.info] == [i18n.t("chat.shared.gone")]
    assert noted("audit.chat.unshare") == [address(app)] and len(noted("audit.chat.share")) == 2


def test_a_shared_conversation_is_read_and_gone_on_from_in_a_copy(engine, on_network, monkeypatch):
    owner = say(open_page("chat", run="run-1"), "你好")
    link, before = share_one(owner), address(owner)
    app = open_page("chat", shared=link)
    assert not app.exception and not app.chat_input and not app.feedback, "nothing of it can be changed"
    app.button(key="go-on-shared").click().run()
    assert texts(app) == ["你好", "微调：你好"] and address(app) != before and "shared" not in app.query_params
    assert app.selectbox(key="model").value == "run-1"
    say(app, "接着说")
    assert [message["content"] for message in engine.requests[-1].messages] == ["你好", "微调：你好", "接着说"]
    assert texts(open_page("chat", c=before)) == ["你好", "微调：你好"]


def test_a_conversation_that_is_too_long_says_so_and_is_not_shared(engine, on_network, monkeypatch):
    monkeypatch.setattr(shared, "LONGEST", 3)
    app = say(open_page("chat"), "你好")
    assert share_one(app) == "" and not app.exception
    assert [one.value for one in app.error] == [i18n.t("chat.shared.too_long", most=3)] and not noted(
        "audit.chat.share"
    )
    app.toggle(key=f"shared-{address(app)}").set_value(False).run()
    assert not app.error and not app.exception


def test_another_tab_that_switched_meanwhile_is_not_undone(engine, on_network):
    app = say(open_page("chat"), "你好")
    elsewhere = open_page("chat", c=address(app))
    link = share_one(elsewhere)
    app.run()
    assert link_in(app) == link and app.toggle(key=f"shared-{address(app)}").value is True


def test_a_guest_opens_a_shared_conversation_with_a_run_that_is_given_only(engine, on_network, request):
    link = share_one(say(open_page("chat", run="run-1"), "秘密"))
    talk = link.split(".")[1]
    request.getfixturevalue("guest")
    app = open_page("chat", shared=link)
    assert "秘密" not in shown(app) and [one.value for one in app.info] == [i18n.t("chat.shared.closed")]
    guests.publish(["run-1"])
    app = open_page("chat", shared=link)
    assert texts(app) == ["秘密", "微调：秘密"]
    assert texts(open_page("chat", c=talk)) == [], "the conversation itself stays its owner's"
    guests.publish([])
    app.button(key="go-on-shared").click().run()
    assert "秘密" not in shown(app) and conversation_list.conversations("guest-0123") == [], "closed meanwhile"


def test_a_guest_shares_nothing(engine, on_network, guest):
    app = say(open_page("chat"), "你好")
    assert not app.toggle and not app.exception
