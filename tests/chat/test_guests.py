"""Guests know the bases and what was published; what they said is gone after some days, nobody else's words are."""

import os
import time
from pathlib import Path

import pytest

from glm_core.auth import audit, database, options
from glm_core.auth.accounts import Account
from glm_core.chat import conversations, guests
from glm_core.chat.conversations import Conversation
from glm_core.serving import served_models
from glm_core.serving.served_models import ServedModel

BASE, RUN, OTHER = (
    ServedModel(name, name, Path("m"), adapter)
    for name, adapter in (("base", None), ("run-1", Path("a")), ("run-2", Path("b")))
)
CHOICES = [BASE, RUN, OTHER]


def somebody(role: str) -> Account:
    return Account(7, "x", role, "u-x")


def test_guests_know_the_bases_until_a_run_is_published():
    assert guests.choices_for(somebody("guest"), CHOICES) == [BASE]
    guests.publish(["run-2", "gone"], by="boss")
    assert guests.choices_for(somebody("guest"), CHOICES) == [BASE, OTHER]
    for role in ("trainer", "administrator"):
        assert guests.choices_for(somebody(role), CHOICES) == CHOICES
    guests.publish([], by="boss")
    assert guests.choices_for(somebody("guest"), CHOICES) == [BASE]
    assert [row["who"] for row in audit.entries() if row["action"] == "audit.option.guest_runs"] == ["boss", "boss"]


def test_a_model_that_a_run_was_merged_into_is_given_to_guests_with_the_run_only(workspace):
    folder = workspace / "models" / "my-model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "easyaigc.json").write_text('{"run": "run-1"}')
    old = workspace / "models" / "chatglm-demo-20261128-152723-d842"
    old.mkdir()
    (old / "config.json").write_text("{}")
    merged = [one for one in served_models.catalogue() if one.base.parent == workspace / "models"]
    assert {one.merged_run for one in merged} == {"run-1", "20261128-152723-d842"}
    assert guests.choices_for(somebody("guest"), [BASE, *merged]) == [BASE]
    guests.publish(["run-1"], by="boss")
    assert [one.name for one in guests.choices_for(somebody("guest"), [BASE, *merged])] == ["base", "my-model"]


@pytest.mark.parametrize("kept", ["{", "3", '{"a": 1}', '[1, null, {"x": 2}]', "null"])
def test_an_option_that_makes_no_sense_publishes_nothing(kept):
    options.set_option("guest_runs", kept)
    assert guests.published() == frozenset()


@pytest.mark.parametrize(("kept", "days"), [("", 7), ("x", 7), ("-1", 7), ("3", 3), ("0", 1), ("99999", 365), ("²", 7)])
def test_the_days_are_a_number_in_range(kept, days):
    options.set_option("guest_days", kept)
    assert guests.days() == days


def said(user: str, days_ago: float) -> Conversation:
    one = Conversation(user)
    one.ask("你好")
    one.save()
    moment = time.time() - days_ago * 86_400
    os.utime(one.path, (moment, moment))
    return one


def test_what_visitors_said_is_gone_after_some_days_and_nothing_else():
    old, new = said("guest-1234", 7.1), said("guest-5678", 6.9)
    others = [said(user, 100) for user in ("local", "u-1234", "guest")]
    (conversations.folder("guest-1234") / "note.txt").write_text("x")
    said("guest-9", 8)
    guests.set_days(7, by="boss")
    assert guests.tidy() == 2
    assert not old.path.exists() and new.path.exists() and all(one.path.exists() for one in others)
    assert not conversations.folder("guest-9").exists() and conversations.folder("guest-1234").exists()
    last = audit.entries()[0]
    assert (last["who"], last["action"], last["target"]) == (guests.PROGRAM, "audit.chat.clear", "2")
    assert guests.tidy() == 0 and audit.entries()[0] == last


def test_tidying_an_empty_workspace_makes_no_file(workspace):
    assert guests.tidy() == 0 and not database.path().exists()
