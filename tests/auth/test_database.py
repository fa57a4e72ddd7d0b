"""The file of accounts: made when it has to be, brought up to date, read while it is locked."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from glm_core.auth import accounts, api_keys, database, migrations, options, sessions
from tests.auth.shared_server import PASSWORD


def test_asking_makes_no_file(workspace):
    assert not accounts.has_administrator() and options.option("share") is None and sessions.session("x") is None
    assert not database.path().exists()


def test_the_file_is_the_owners_alone_and_holds_no_secret(trainer):
    token = sessions.open_session(trainer)
    _key, secret = api_keys.create(trainer, "script")
    content = b"".join(file.read_bytes() for file in database.path().parent.glob("accounts.db*"))
    assert database.path().stat().st_mode & 0o077 == 0
    assert not any(word.encode() in content for word in (PASSWORD, token, secret))
    with sqlite3.connect(database.path()) as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(migrations.MIGRATIONS)


def test_a_file_of_an_older_version_is_brought_up_to_date(trainer, monkeypatch):
    added = "ALTER TABLE accounts ADD COLUMN color TEXT"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, added))
    with ThreadPoolExecutor(4) as pool:
        assert len({len(found) for found in pool.map(lambda _: accounts.accounts(), range(8))}) == 1
    with database.database() as db:
        assert "color" in {row["name"] for row in db.execute("PRAGMA table_info(accounts)")}


def test_a_broken_migration_changes_nothing(trainer, monkeypatch):
    broken = (*migrations.MIGRATIONS, "DROP TABLE audit; SELECT nonsense FROM nowhere")
    with monkeypatch.context() as patch, pytest.raises(sqlite3.OperationalError):
        patch.setattr(migrations, "MIGRATIONS", broken)
        accounts.accounts()
    with sqlite3.connect(database.path()) as db:
        assert db.execute("SELECT count(*) FROM audit").fetchone()[0] > 0


def test_a_locked_file_is_said_and_readers_go_on(trainer, monkeypatch):
    monkeypatch.setattr(database, "WRITE_SECONDS", 0.1)
    token = sessions.open_session(trainer)
    with sqlite3.connect(database.path(), isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert sessions.session(token) == trainer
        with pytest.raises(database.StoreError) as caught:
            sessions.open_session(trainer)
        writer.execute("ROLLBACK")
    assert caught.value.key == "accounts.store_busy"
