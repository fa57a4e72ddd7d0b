"""The audit log: its rows, written within the transaction of what is noted, bounded and read."""

import sqlite3
import time

from glm_core.auth.database import database, writing
from glm_core.permissions import needs

AUDIT_ROWS = {0: 20_000, 1: 2_000}
"Rows of the audit log that are kept: those of people with a role, and the minor ones (guests, refused sign-ins)."


def note_in(
    db: sqlite3.Connection,
    who: str,
    action: str,
    target: str = "",
    address: str = "",
    *,
    was: str = "",
    became: str = "",
) -> None:
    """Write a row within the transaction of what is noted.

    A minor row (a guest's, or a refused sign-in) replaces the earlier one of the same person, action and target, and has a quota of
    its own: whoever repeats an act for hours displaces no row of an administrator.
    """
    minor = int(action == "audit.session.refused" or _is_guest(db, who))
    same = (who[:80], action, target[:200])
    if minor:
        db.execute("DELETE FROM audit WHERE minor=1 AND who=? AND action=? AND target=?", same)
    row = (time.time(), *same, address[:60], was, became, minor)
    db.execute("INSERT INTO audit(time, who, action, target, address, was, became, minor) VALUES(?,?,?,?,?,?,?,?)", row)
    oldest = "SELECT id FROM audit WHERE minor=? ORDER BY id DESC LIMIT 1 OFFSET ?"
    db.execute(f"DELETE FROM audit WHERE minor=? AND id<=({oldest})", (minor, minor, AUDIT_ROWS[minor]))


def _is_guest(db: sqlite3.Connection, who: str) -> bool:
    row = db.execute("SELECT role FROM accounts WHERE name=?", (who,)).fetchone()
    return row is not None and row["role"] == "guest"


def note(who: str, action: str, target: str = "", address: str = "") -> None:
    """Write one row of the audit log; `action` is a text key."""
    with writing() as db:
        note_in(db, who, action, target, address)


@needs("administrator")
def entries(limit: int = 200) -> list[dict]:
    """Return the latest rows of the audit log, newest first.

    Returns:
        `time` (s since 1970), `who`, `action` (a text key), `target`, `address`; `was` and `became`, the target's role before and
        after, are empty where the row is not about a role.
    """
    with database() as db:
        return [dict(row) for row in db.execute("SELECT * FROM audit ORDER BY id DESC LIMIT ?", (limit,))]
