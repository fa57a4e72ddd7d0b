"""Sessions: what ends them, also while the file cannot be written."""

import contextlib
import sqlite3

import pytest

from glm_core.auth import accounts, database, sessions


def test_sessions_end_with_sign_out_password_and_account(trainer):
    one, two = sessions.open_session(trainer), sessions.open_session(trainer)
    assert sessions.session(one) == trainer and one != two
    sessions.close_session(one)
    assert sessions.session(one) is None and sessions.session(two) == trainer
    accounts.set_password(trainer, "another password")
    assert sessions.session(two) is None
    three = sessions.open_session(trainer)
    sessions.close_sessions(trainer)
    assert sessions.session(three) is None
    four = sessions.open_session(trainer)
    accounts.remove(trainer)
    assert sessions.session(four) is None


@pytest.fixture
def locked(trainer):
    """A function that locks the file for a block."""

    @contextlib.contextmanager
    def lock():
        with sqlite3.connect(database.path(), isolation_level=None) as writer:
            writer.execute("BEGIN IMMEDIATE")
            yield
            writer.execute("ROLLBACK")

    return lock


def test_sessions_end_also_while_the_file_cannot_be_written(trainer, locked, monkeypatch):
    monkeypatch.setattr(database, "WRITE_SECONDS", 0.01)
    one, *others = (sessions.open_session(trainer) for _ in range(3))
    with locked():
        with pytest.raises(database.StoreError, match="还留在磁盘上"):
            sessions.close_session(one)
        assert sessions.session(one) is None and sessions.session(others[0]) == trainer
        with pytest.raises(database.StoreError, match="还留在磁盘上"):
            sessions.close_sessions(trainer)
        assert not any(map(sessions.session, others))
        sessions.ended_sessions.store()
    later = sessions.open_session(trainer)
    assert not any(map(sessions.session, (one, *others))), "the lock has gone, their rows are still there"
    sessions.ended_sessions.store()
    with database.database() as db:
        assert [tuple(row) for row in db.execute("SELECT hash FROM sessions")] == [(sessions.digest(later),)]


def test_a_session_ends_by_itself(trainer, monkeypatch):
    token = sessions.open_session(trainer)
    later = accounts.time.time() + sessions.SESSION_SECONDS + 1
    monkeypatch.setattr(accounts.time, "time", lambda: later)
    assert sessions.session(token) is None


@pytest.mark.parametrize("token", ["", "x", "' OR 1=1 --", "\ud800", "x" * 5000, "\x00"])
def test_a_forged_token_is_nobodys(trainer, token):
    sessions.open_session(trainer)
    assert sessions.session(token) is None


def test_every_guest_is_somebody_else_and_all_leave_at_once(admin):
    assert sessions.open_guest_session() is None
    accounts.set_open_guest(True)
    tokens = [sessions.open_guest_session() for _ in "12"]
    guests = [sessions.session(token) for token in tokens]
    assert guests[0].folder != guests[1].folder and {guest.role for guest in guests} == {"guest"}
    assert accounts.accounts() == [admin]
    accounts.set_open_guest(False)
    assert [sessions.session(token) for token in tokens] == [None, None]
