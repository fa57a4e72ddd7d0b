"""API keys: shown once, stored as a hash, each with a name, a limit per minute and the time of its last use.

Keys are in the file of `database.py` and are deleted with their account. `requests/middleware.py` reads them from requests.
"""

import secrets
import sqlite3
import time
from dataclasses import dataclass, replace

from glm_core.auth.accounts import Account, AccountError, account_of
from glm_core.auth.audit import note_in
from glm_core.auth.database import database, writing
from glm_core.auth.sessions import digest, last_uses
from glm_core.permissions import needs

PREFIX = "ea-"
LIMITS = (1, 6000)
DEFAULT_LIMIT = 60
EACH = 20
"Keys an account may have."
USED_SECONDS = 60
_USED = "UPDATE keys SET used=? WHERE id=?"


@dataclass(frozen=True)
class Key:
    """A key as it is listed: without the secret, of which only the last four characters are known."""

    id: int
    account: int
    name: str
    tail: str
    per_minute: int
    created: float
    used: float | None


@needs("trainer", owner=lambda account, *_, **__: account.folder)
def create(account: Account, name: str, per_minute: int = DEFAULT_LIMIT) -> tuple[Key, str]:
    """Make a key; return it and its secret, which is never shown again.

    Raises:
        AccountError: guests have no keys; the name is empty or long; the limit is out of range; too many keys.
    """
    name = " ".join(name.split())
    if not account.may("trainer"):
        raise AccountError("accounts.no_keys_for_guests")
    if not 1 <= len(name) <= 40:
        raise AccountError("accounts.key_name")
    if not LIMITS[0] <= per_minute <= LIMITS[1]:
        raise AccountError("accounts.key_limit", low=LIMITS[0], high=LIMITS[1])
    secret = PREFIX + secrets.token_urlsafe(32)
    with writing() as db:
        if db.execute("SELECT count(*) FROM keys WHERE account=?", (account.id,)).fetchone()[0] >= EACH:
            raise AccountError("accounts.too_many_keys", limit=EACH)
        row = (account.id, name, digest(secret), secret[-4:], per_minute, time.time())
        sql = "INSERT INTO keys(account, name, hash, tail, per_minute, created) VALUES(?,?,?,?,?,?)"
        number = db.execute(sql, row).lastrowid
        note_in(db, account.name, "audit.key.create", name)
        return _key(db.execute("SELECT * FROM keys WHERE id=?", (number,)).fetchone()), secret


def keys(account: Account) -> list[Key]:
    """Return the keys of an account, the newest first. Writes nothing: what is not yet written of their last uses is in memory."""
    with database() as db:
        rows = db.execute("SELECT * FROM keys WHERE account=? ORDER BY id DESC", (account.id,))
        found = [_key(row) for row in rows]
    return [replace(key, used=last_uses.noted(_USED, key.id) or key.used) for key in found]


@needs("administrator")
def counts() -> dict[int, int]:
    """Return the number of keys of each account that has some, by the account's id."""
    with database() as db:
        return dict(map(tuple, db.execute("SELECT account, count(*) FROM keys GROUP BY account")))


@needs("trainer", owner=lambda account, *_: account.folder)
def revoke(account: Account, number: int) -> None:
    """Delete one key of `account`; a key of another account is left alone."""
    with writing() as db:
        row = db.execute("SELECT name FROM keys WHERE id=? AND account=?", (number, account.id)).fetchone()
        if row is not None:
            db.execute("DELETE FROM keys WHERE id=?", (number,))
            note_in(db, account.name, "audit.key.revoke", row["name"])


def find(secret: str) -> tuple[Key, Account] | None:
    """Return the key with this secret and its account, None where there is none. Writes nothing.

    Raises:
        StoreError: the file cannot be read now.
    """
    if not secret.startswith(PREFIX) or len(secret) > 100:
        return None
    hashed, now = digest(secret), time.time()
    with database() as db:
        row = db.execute("SELECT * FROM keys WHERE hash=?", (hashed,)).fetchone()
        if row is None:
            return None
        account = account_of(db.execute("SELECT * FROM accounts WHERE id=?", (row["account"],)).fetchone())
    if row["used"] is None or now - row["used"] > USED_SECONDS:
        last_uses.add(_USED, row["id"], now)
    return (_key(row), account) if account.may("trainer") else None


def _key(row: sqlite3.Row) -> Key:
    return Key(row["id"], row["account"], row["name"], row["tail"], row["per_minute"], row["created"], row["used"])
