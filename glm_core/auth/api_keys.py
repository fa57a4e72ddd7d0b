"""API keys: shown once, kept as a hash, each with a name, a limit a minute and the time of its last use.

They live in the file of `accounts.py` and go with their account. Not here: reading them from a request (`middleware.py`).
"""

import secrets
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass

from glm_core.auth.accounts import Account, AccountError, account_of, database, digest, note_in, writing

PREFIX = "ea-"
LIMITS = (1, 6000)
DEFAULT_LIMIT = 60
EACH = 20
"Keys an account may have."
USED_SECONDS = 60
WINDOW = 60.0


@dataclass(frozen=True)
class Key:
    """One key as people see it afterwards: never the secret, only its last four signs."""

    id: int
    account: int
    name: str
    tail: str
    per_minute: int
    created: float
    used: float | None


def create(account: Account, name: str, per_minute: int = DEFAULT_LIMIT) -> tuple[Key, str]:
    """A new key and its secret, which is given out here and never again.

    Raises:
        AccountError: guests get none; the name is empty or long; the limit is out of range; too many keys.
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
    """An account's keys, the newest first."""
    with database() as db:
        rows = db.execute("SELECT * FROM keys WHERE account=? ORDER BY id DESC", (account.id,))
        return [_key(row) for row in rows]


def revoke(account: Account, number: int) -> None:
    """Delete one key of `account`; another's stays where it is."""
    with writing() as db:
        row = db.execute("SELECT name FROM keys WHERE id=? AND account=?", (number, account.id)).fetchone()
        if row is not None:
            db.execute("DELETE FROM keys WHERE id=?", (number,))
            note_in(db, account.name, "audit.key.revoke", row["name"])


def find(secret: str) -> tuple[Key, Account] | None:
    """The key with this secret and whose it is, else None."""
    if not secret.startswith(PREFIX) or len(secret) > 100:
        return None
    hashed, now = digest(secret), time.time()
    with database() as db:
        row = db.execute("SELECT * FROM keys WHERE hash=?", (hashed,)).fetchone()
        if row is None:
            return None
        account = account_of(db.execute("SELECT * FROM accounts WHERE id=?", (row["account"],)).fetchone())
    if row["used"] is None or now - row["used"] > USED_SECONDS:
        with writing() as db:
            db.execute("UPDATE keys SET used=? WHERE id=?", (now, row["id"]))
    return (_key(row), account) if account.may("trainer") else None


def _key(row: sqlite3.Row) -> Key:
    return Key(row["id"], row["account"], row["name"], row["tail"], row["per_minute"], row["created"], row["used"])


@dataclass(frozen=True)
class RateLimit:
    """Whether a request may pass: what is left in this minute, and the seconds until there is room for another one."""

    allowed: bool
    limit: int
    remaining: int
    reset: float

    def headers(self) -> dict[str, str]:
        """The figures as OpenAI's clients read them."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{self.reset:.1f}s",
        }


class RateLimiter:
    """How many requests each key, or other caller, has made in the last minute. In memory: a restart forgives."""

    def __init__(self):
        self._times: dict[int | str, deque[float]] = {}
        self._lock = threading.Lock()

    def take(self, who: int | str, per_minute: int) -> RateLimit:
        """Count a request of `who`, unless it has had its share."""
        now = time.monotonic()
        with self._lock:
            times = self._times.setdefault(who, deque())
            while times and times[0] <= now - WINDOW:
                times.popleft()
            allowed = len(times) < per_minute
            if allowed:
                times.append(now)
            remaining = max(0, per_minute - len(times))
            return RateLimit(allowed, per_minute, remaining, WINDOW - (now - times[0]) if times else 0.0)
