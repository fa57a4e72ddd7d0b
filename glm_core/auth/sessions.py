"""Sessions of accounts: opened by signing in, found by their token, ended.

Tokens are stored as SHA-256, so that a copy of the file signs nobody in. Their cookie is in `requests/sender.py`.
"""

import hashlib
import secrets
import time
from dataclasses import replace

from glm_core.auth.accounts import GUEST_NAME, Account, account_of, open_guest
from glm_core.auth.audit import note_in
from glm_core.auth.database import database, path, writing
from glm_core.auth.deferred_writes import EndedSessions, LastUses
from glm_core.permissions import needs

VISITORS = "guest-"
"Prefix of the folder of a guest's visit; the folder is never given to a later visit."
SESSION_SECONDS = 30 * 86400
GUEST_SECONDS = 86400
SEEN_SECONDS = 60


def open_session(account: Account, address: str = "") -> str:
    """Open a session and return its token, which is stored nowhere."""
    token, now = secrets.token_urlsafe(32), time.time()
    lasts = GUEST_SECONDS if account.name == GUEST_NAME else SESSION_SECONDS
    with writing() as db:
        db.execute("DELETE FROM sessions WHERE expires<?", (now,))
        db.execute(
            "INSERT INTO sessions VALUES(?,?,?,?,?,?)", (digest(token), account.id, now, now + lasts, now, address)
        )
        note_in(db, account.name, "audit.session.open", "", address)
    return token


def open_guest_session(address: str = "") -> str | None:
    """Open a session for a visitor without a name; return None while guests may not sign in."""
    if not open_guest():
        return None
    with database() as db:
        guest = account_of(db.execute("SELECT * FROM accounts WHERE name=?", (GUEST_NAME,)).fetchone())
    return open_session(guest, address)


def session(token: str) -> Account | None:
    """Return the account of a session, None where the token is unknown or has expired. Writes nothing.

    Raises:
        StoreError: the file cannot be read now.
    """
    if not token or len(token) > 100 or not path().exists():
        return None
    now, hashed = time.time(), digest(token)
    if hashed in ended_sessions:
        return None
    with database() as db:
        query = "SELECT accounts.*, sessions.seen FROM sessions JOIN accounts ON accounts.id=account WHERE hash=? AND expires>?"
        row = db.execute(query, (hashed, now)).fetchone()
    if row is None:
        return None
    if now - row["seen"] > SEEN_SECONDS:
        last_uses.add("UPDATE sessions SET seen=? WHERE hash=?", hashed, now)
    account = account_of(row)
    return replace(account, folder=f"{VISITORS}{hashed.hex()[:16]}") if account.name == GUEST_NAME else account


def signed_in_before(name: str, address: str) -> bool:
    """Return True where the audit log knows a sign-in of `name` from `address`."""
    query = "SELECT 1 FROM audit WHERE who=? AND action='audit.session.open' AND address=?"
    with database() as db:
        row = db.execute("SELECT name FROM accounts WHERE name=?", (name,)).fetchone()
        return row is not None and db.execute(query, (row["name"], address[:60])).fetchone() is not None


def close_session(token: str) -> None:
    """End one session.

    Raises:
        StoreError: its row is still in the file, which cannot be written now; the session has ended in this process all the same.
    """
    query = "SELECT name FROM sessions JOIN accounts ON accounts.id=account WHERE hash=?"
    with ended_sessions.ending({digest(token)}), writing() as db:
        row = db.execute(query, (digest(token),)).fetchone()
        if row is not None:
            db.execute("DELETE FROM sessions WHERE hash=?", (digest(token),))
            note_in(db, row["name"], "audit.session.close")


@needs("guest", owner=lambda account, **_: account.folder)
def close_sessions(account: Account, *, by: str = "") -> None:
    """Sign an account out everywhere.

    Raises:
        StoreError: as `close_session`.
    """
    with database() as db:
        open_now = {row["hash"] for row in db.execute("SELECT hash FROM sessions WHERE account=?", (account.id,))}
    with ended_sessions.ending(open_now), writing() as db:
        db.execute("DELETE FROM sessions WHERE account=?", (account.id,))
        note_in(db, by or account.name, "audit.session.close_all", account.name)


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a random secret of 32 bytes, which needs no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


last_uses, ended_sessions = LastUses(), EndedSessions()
