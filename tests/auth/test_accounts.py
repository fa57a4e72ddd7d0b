"""Accounts, sessions, keys and the audit log: what is kept, what is refused, what ends."""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import Type

from glm_core.auth import accounts, api_keys, audit, database, migrations, options, sessions
from glm_core.auth.accounts import AccountError, password_hasher

PASSWORD = "correct horse"


@pytest.fixture
def admin(workspace):
    return accounts.create("王老师", PASSWORD, "administrator")


@pytest.fixture
def trainer(admin):
    return accounts.create("xiao-li", PASSWORD, "trainer", by=admin.name)


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


def test_a_password_costs_who_guesses_what_argon2_recommends():
    """RFC 9106's second choice; the other tests' passwords take no time."""
    found = password_hasher()
    assert (found.type, found.time_cost, found.memory_cost, found.parallelism) == (Type.ID, 3, 65536, 4)


def test_only_the_right_password_opens(admin):
    assert accounts.check("王老师", PASSWORD) == admin
    assert accounts.check("王老师", PASSWORD.upper()) is None
    assert accounts.check("nobody", PASSWORD) is None
    accounts.set_open_guest(True)
    assert accounts.check("guest", "") is None


@pytest.mark.parametrize("name", ["", "a b", "../x", "guest", "Local", "x" * 33, "a/b", "<b>", "名\x00字", ".hidden"])
def test_refuses_names_that_could_be_mistaken(admin, name):
    with pytest.raises(AccountError):
        accounts.create(name, PASSWORD, "trainer")


@pytest.mark.parametrize(
    ("password", "why"), [("short", "至少 8 个"), ("x" * 201, "最多 200 个"), ("Zhang.San1", "账号名一样")]
)
def test_refuses_weak_passwords(admin, password, why):
    with pytest.raises(AccountError, match=why):
        accounts.create("zhang.san1", password, "trainer")


def test_a_name_is_taken_whatever_its_case(trainer):
    with pytest.raises(AccountError, match="Xiao-Li"):
        accounts.create("Xiao-Li", PASSWORD, "trainer")


def test_the_first_administrator_inherits_this_computers_work_and_nobody_else_does(trainer, admin):
    assert admin.folder == accounts.LOCAL.folder
    assert trainer.folder != accounts.LOCAL.folder
    accounts.remove(trainer)
    assert accounts.create("xiao-li", PASSWORD, "trainer").folder != trainer.folder


def test_somebody_stays_administrator(admin):
    for change in (lambda: accounts.set_role(admin, "guest"), lambda: accounts.remove(admin)):
        with pytest.raises(AccountError):
            change()
    assert accounts.accounts() == [admin]


def test_only_one_can_be_first(workspace):
    def create(number):
        try:
            return accounts.create(f"admin{number}", PASSWORD, "administrator", first=True)
        except AccountError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert sum(one is not None for one in pool.map(create, range(4))) == 1


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


def test_the_audit_log_says_who_did_what(trainer, admin):
    accounts.set_role(trainer, "guest", by=admin.name)
    last = audit.entries()[0]
    assert (last["who"], last["action"]) == (admin.name, "audit.account.role") and trainer.name in last["target"]


def test_the_audit_log_keeps_roles_apart(trainer, admin):
    accounts.set_role(trainer, "guest", by=admin.name)
    facts = [(one["target"], one["was"], one["became"]) for one in audit.entries()]
    assert facts[:2] == [("xiao-li", "trainer", "guest"), ("xiao-li", "", "trainer")]


OLD_LINES = [
    ("audit.account.create", "王老师 (administrator)", ("王老师", "", "administrator")),
    ("audit.account.role", "a.b-c: trainer → guest", ("a.b-c", "trainer", "guest")),
    ("audit.account.role", "cut", ("cut", "", "")),
    ("audit.data.rename", "a: trainer → guest", ("a: trainer → guest", "", "")),
    ("audit.run.start", "x (guest)", ("x (guest)", "", "")),
]


def test_roles_are_taken_out_of_the_lines_of_an_older_file(workspace):
    database.path().parent.mkdir()
    with sqlite3.connect(database.path()) as db:
        db.executescript(f"{migrations.MIGRATIONS[0]}; PRAGMA user_version=1;")
        for action, target, _facts in OLD_LINES:
            db.execute("INSERT INTO audit VALUES(NULL, 1, 'x', ?, ?, '')", (action, target))
    assert [(one["target"], one["was"], one["became"]) for one in reversed(audit.entries())] == [
        facts for _action, _target, facts in OLD_LINES
    ]


def test_the_audit_log_is_bounded(workspace, monkeypatch):
    monkeypatch.setitem(audit.AUDIT_ROWS, 0, 5)
    for number in range(9):
        audit.note("x", "y", str(number))
    assert [row["target"] for row in audit.entries()] == list("87654")


def test_a_guest_displaces_no_row_of_an_administrator_and_says_the_same_once(admin, monkeypatch):
    monkeypatch.setitem(audit.AUDIT_ROWS, 1, 3)
    accounts.set_open_guest(True, by=admin.name)
    before = [row["id"] for row in audit.entries()]
    for number in range(20):
        audit.note(accounts.GUEST_NAME, "audit.vote.cast", str(number % 2))
        audit.note(f"name{number}", "audit.session.refused")
    rows = audit.entries()
    assert [row["id"] for row in rows if row["who"] == admin.name or not row["minor"]] == before
    assert sum(row["minor"] for row in rows) == 3
    audit.note(accounts.GUEST_NAME, "a", "b")
    audit.note(accounts.GUEST_NAME, "a", "b")
    assert [row["action"] for row in audit.entries()].count("a") == 1


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
