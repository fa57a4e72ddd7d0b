"""API keys: found by their secret, ended with what their account may no longer do."""

import sqlite3

import pytest

from glm_core.auth import accounts, api_keys, audit, database, sessions
from glm_core.auth.accounts import AccountError
from tests.auth.shared_server import PASSWORD


def test_a_key_is_found_by_its_secret_alone_and_goes_with_its_account(trainer, admin):
    key, secret = api_keys.create(trainer, "  eval   script ")
    assert key.name == "eval script" and api_keys.keys(trainer) == [key]
    found, account = api_keys.find(secret)
    assert found == key and account == trainer
    assert api_keys.keys(trainer)[0].used is not None
    assert api_keys.find(secret[:-1]) is None and api_keys.find("") is None
    api_keys.revoke(admin, key.id)
    assert api_keys.find(secret) is not None, "somebody else cannot revoke it"
    api_keys.revoke(trainer, key.id)
    assert api_keys.find(secret) is None
    _, secret = api_keys.create(trainer, "b")
    accounts.remove(trainer)
    assert api_keys.find(secret) is None


def keys_left(account):
    return len(api_keys.keys(account))


def test_keys_end_with_a_lower_role_and_with_a_password_that_somebody_else_sets(trainer, admin):
    for _ in "12":
        api_keys.create(trainer, "a")
    own = api_keys.create(admin, "b")[1]
    assert api_keys.counts() == {trainer.id: 2, admin.id: 1}
    assert accounts.set_role(trainer, "administrator", by=admin.name) == 0 and keys_left(trainer) == 2
    assert accounts.set_role(trainer, "trainer", by=admin.name) == 2 and keys_left(trainer) == 0
    assert [one["action"] for one in audit.entries()][:2] == ["audit.key.revoke_all", "audit.account.role"]
    _, secret = api_keys.create(trainer, "c")
    assert accounts.set_password(trainer, PASSWORD + "s", by=admin.name) == 1
    assert api_keys.find(secret) is None and api_keys.find(own) is not None


def test_ones_own_new_password_deletes_keys_only_where_that_is_asked_for(trainer):
    _, secret = api_keys.create(trainer, "a")
    assert accounts.set_password(trainer, PASSWORD + "s") == 0 and api_keys.find(secret) is not None
    assert accounts.set_password(trainer, PASSWORD, delete_keys=True) == 1 and api_keys.find(secret) is None


def test_guests_have_no_keys_even_where_they_had_some(trainer):
    _, secret = api_keys.create(trainer, "a")
    accounts.set_role(trainer, "guest")
    assert api_keys.find(secret) is None
    with pytest.raises(AccountError):
        api_keys.create(accounts.accounts()[0], "b")


@pytest.mark.parametrize("name, limit", [("", 60), ("x" * 41, 60), ("a", 0), ("a", 10**9)])
def test_refuses_a_key_without_a_name_or_limit(trainer, name, limit):
    with pytest.raises(AccountError):
        api_keys.create(trainer, name, limit)


def test_the_time_of_a_keys_last_use_is_kept_without_a_write_of_the_request(trainer):
    _, secret = api_keys.create(trainer, "script")
    with sqlite3.connect(database.path(), isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert api_keys.find(secret)[1] == trainer
        assert api_keys.keys(trainer)[0].used is not None, "listing keys writes nothing either"
        writer.execute("ROLLBACK")
    sessions.last_uses.store()
    assert api_keys.keys(trainer)[0].used is not None
    assert api_keys.find(secret)[0].used is not None
