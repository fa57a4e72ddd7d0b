"""Options of the operator, in the file of `database.py`."""

import sqlite3

from glm_core.auth.audit import note_in
from glm_core.auth.database import database, path, writing
from glm_core.permissions import needs


def option(name: str) -> str | None:
    """Return a stored option of the operator, None where it was never set. Does not make the file."""
    if not path().exists():
        return None
    with database() as db:
        row = db.execute("SELECT value FROM options WHERE name=?", (name,)).fetchone()
    return row and row["value"]


@needs("administrator")
def set_option(name: str, value: str, *, by: str = "") -> None:
    """Store an option of the operator and note it in the audit log."""
    with writing() as db:
        set_option_in(db, name, value)
        note_in(db, by, f"audit.option.{name}", value)


def set_option_in(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT INTO options VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value", (name, value))
