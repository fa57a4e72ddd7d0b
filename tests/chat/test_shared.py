"""A conversation opens for others by its link alone, as it was when it was shared, and only where they may use its models."""

import json
from pathlib import Path

import pytest

from glm_core import permissions, workspace
from glm_core.auth import accounts, audit
from glm_core.auth.accounts import Account
from glm_core.chat import conversation_list, conversations, guests, shared
from glm_core.chat.conversations import Conversation
from glm_core.chat.shared import SharedError
from glm_core.permissions import PermissionRefused
from glm_core.serving.errors import EngineBusy
from glm_core.serving.served_models import ServedModel

BASE, RUN = ServedModel("base", "base", Path("m")), ServedModel("run-1", "店铺问答", Path("m"), Path("a"))
MERGED = ServedModel("shop", "shop", Path("n"), merged_run="run-1")
CHOICES = [BASE, RUN, MERGED]
GUEST, OTHER = Account(3, "guest", "guest", "guest-01"), Account(4, "other", "trainer", "u-4")


@pytest.fixture
def owner():
    return accounts.create("boss", "correct horse", "administrator")


def talk(owner: Account, model="base", stamp=None) -> Conversation:
    one = Conversation(owner.folder, model=model)
    one.messages = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！", "vote": "down"}]
    one.messages[1]["why"] = EngineBusy("serving.busy", retry_after=3, waiting=8).as_record()
    if stamp:
        one.messages[1]["stamp"] = stamp
    one.save()
    return one


def refused(link, account=OTHER) -> str:
    with pytest.raises(SharedError) as caught:
        shared.read(link, account, CHOICES)
    return caught.value.key


def words(conversation: Conversation) -> list[str]:
    return [message["content"] for message in conversation.messages]


def test_others_read_what_was_shared_and_nothing_said_later(owner):
    one = talk(owner)
    one.system = "说得短一点"
    link = shared.share(one).link
    one.ask("这句没有分享")
    one.save()
    for reader in (GUEST, OTHER):
        shown = shared.read(link, reader, CHOICES)
        assert words(shown.conversation) == ["你好", "你好！"] and shown.conversation.system == "说得短一点"
        assert shown.owner == "boss" and not {"vote", "why"} & shown.conversation.messages[1].keys()
    assert not shared.find(one).current
    assert shared.share(one).link == link and len(words(shared.read(link, GUEST, CHOICES).conversation)) == 4
    assert shared.find(one) == shared.Share(link, 4, True)


def test_a_copy_is_the_readers_own_and_changes_nothing_of_the_owners(owner):
    one = talk(owner)
    mine = shared.copy(shared.share(one).link, GUEST, CHOICES)
    assert (mine.user, words(mine)) == (GUEST.folder, ["你好", "你好！"]) and mine.id != one.id
    mine.ask("接着说")
    mine.save()
    assert words(conversations.get(owner.folder, one.id)) == ["你好", "你好！"]
    assert [listed.id for listed in conversation_list.conversations(GUEST.folder)] == [mine.id]
    assert [listed.id for listed in conversation_list.conversations(owner.folder)] == [one.id], "the shown copy is none"
    assert (
        not conversation_list.conversations(GUEST.folder)[0].shared
        and conversation_list.conversations(owner.folder)[0].shared
    )


def test_a_conversation_that_is_too_long_is_not_shared_and_the_link_shows_what_it_showed(owner):
    """One of 23 million characters took the server eight seconds for each guest who opened it, and 23 MB for each copy."""
    one = talk(owner)
    link = shared.share(one).link
    for _ in range(8):
        one.ask("长" * 150_000)
    one.save()
    with pytest.raises(SharedError) as caught:
        shared.share(one)
    assert caught.value.key == "chat.shared.too_long" and str(caught.value)
    assert words(shared.read(link, GUEST, CHOICES).conversation) == ["你好", "你好！"]


def test_what_was_not_shared_opens_for_nobody(owner):
    one, other = talk(owner), talk(owner)
    key = shared.share(other).link.rpartition(".")[2]
    for link in (f"{owner.folder}.{one.id}.", f"{owner.folder}.{one.id}.{key}", f"{owner.folder}.{other.id}.x", one.id):
        assert refused(link) == "chat.shared.gone"


@pytest.mark.parametrize("link", ["", ".", "...", "../a.b.c", "local/..\x00.1.2", "é.é.é", "local.../../local/x.k"])
def test_a_link_that_makes_no_sense_opens_nothing(owner, link):
    assert refused(link) == "chat.shared.gone"


def test_a_link_ends_with_the_sharing_the_conversation_and_the_owners_role(owner):
    one = talk(owner)
    first = shared.share(one).link
    shared.stop(one)
    assert refused(first) == "chat.shared.gone" and shared.find(one) is None
    second = shared.share(one).link
    assert second != first and refused(first) == "chat.shared.gone"
    one.remove()
    assert refused(second) == "chat.shared.gone"
    helper = accounts.create("helper", "correct horse", "trainer")
    link = shared.share(talk(helper)).link
    accounts.set_role(helper, "guest")
    assert refused(link) == "chat.shared.gone"
    accounts.set_role(helper, "trainer")
    assert shared.read(link, GUEST, CHOICES).owner == "helper"
    accounts.remove(helper)
    assert refused(link) == "chat.shared.gone"


@pytest.mark.parametrize(
    ("model", "stamp"),
    [
        ("run-1", None),
        ("shop", None),
        ("base", {"base": "m", "adapter": "run-1"}),
        ("base", {"base": "shop"}),
        ("x", None),
    ],
)
def test_guests_read_no_conversation_with_a_model_that_they_may_not_use(owner, model, stamp):
    link = shared.share(talk(owner, model, stamp)).link
    assert refused(link, GUEST) == "chat.shared.closed"
    assert words(shared.read(link, OTHER, CHOICES).conversation) == ["你好", "你好！"]
    with pytest.raises(SharedError):
        shared.copy(link, GUEST, CHOICES)
    guests.publish(["run-1"])
    if model == "x":
        assert refused(link, GUEST) == "chat.shared.closed", "a model that is gone is given to nobody"
    else:
        assert words(shared.read(link, GUEST, CHOICES).conversation) == ["你好", "你好！"]


def test_nobody_but_its_owner_shares_a_conversation_or_ends_it(owner):
    one = talk(owner)
    link = shared.share(one).link
    before = permissions.follow(lambda: OTHER)
    try:
        for act in (shared.share, shared.stop, shared.find):
            with pytest.raises(PermissionRefused):
                act(one)
        permissions.follow(lambda: GUEST)
        with pytest.raises(PermissionRefused):
            shared.share(Conversation(GUEST.folder))
    finally:
        permissions.follow(before)
    assert shared.read(link, GUEST, CHOICES).conversation.id == one.id


@pytest.mark.parametrize("kept", ["{", "[]", "null", '{"key": 3}', '{"key": "k"}', '{"key": "k", "messages": [3]}'])
def test_a_damaged_file_opens_nothing_and_harms_nobody(owner, kept):
    one = talk(owner)
    shared.share(one)
    one.shared_path.write_text(kept, encoding="utf-8")
    assert refused(f"{owner.folder}.{one.id}.k") == "chat.shared.gone"
    shared.find(one)
    assert words(shared.read(shared.share(one).link, GUEST, CHOICES).conversation) == ["你好", "你好！"]


def test_a_full_disk_is_a_sentence(owner, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    one = talk(owner)
    monkeypatch.setattr(workspace, "write_json", refuse)
    with pytest.raises(SharedError) as caught:
        shared.share(one)
    assert caught.value.key == "workspace.disk_full" and shared.find(one) is None


def test_the_key_is_in_no_file_that_is_taken_away(owner):
    from glm_core.chat import transcripts

    one = talk(owner)
    key = shared.share(one).link.rpartition(".")[2]
    assert key in one.shared_path.read_text(encoding="utf-8")
    assert key not in transcripts.to_json(one) + transcripts.to_markdown(one) + json.dumps(audit.entries(), default=str)
