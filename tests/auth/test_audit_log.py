"""The audit log: what it says of whom, and what it keeps."""

import sqlite3

from glm_core.auth import accounts, audit, database, migrations


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
