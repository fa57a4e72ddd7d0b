"""Accounts with roles, their sessions, the operator's options and the audit log, in the file of `database.py`.

Passwords are stored as argon2 hashes and session tokens as SHA-256, so that a copy of the file signs nobody in. API keys are in
`api_keys.py`, cookies and sign-in pages in `plain_pages/login.py`, permissions of a request in `requests/middleware.py`.
"""

import hashlib
import re
import secrets
import sqlite3
import time
from dataclasses import dataclass, replace
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from glm_core import i18n
from glm_core.auth.audit import note_in
from glm_core.auth.database import EndedSessions, LastUses, database, path, writing
from glm_core.errors import EasyError
from glm_core.permissions import needs

ROLES = ("guest", "trainer", "administrator")
"In ascending order: guests chat; trainers also use data, training and models; administrators also accounts and sharing."
GUEST_NAME = "guest"
"The shared account of visitors without a password, usable while `open_guest` is on; every visit counts as a person of its own."
VISITORS = "guest-"
"Prefix of the folder of such a visit; the folder is never given to a later visit."
LOCAL_NAME = "local"
RESERVED = (GUEST_NAME, LOCAL_NAME)
PASSWORD_LENGTHS = (8, 200)
SESSION_SECONDS = 30 * 86400
GUEST_SECONDS = 86400
SEEN_SECONDS = 60


class AccountError(EasyError):
    """Something about an account that cannot be done: a name that is taken, a password that is too short."""


@dataclass(frozen=True)
class Account:
    """A person. `folder` owns conversations and runs and is never given to another account, even if the name is."""

    id: int
    name: str
    role: str
    folder: str
    created: float = 0.0

    @property
    def shown_name(self) -> str:
        """The name for display; the guests' account is named in the reader's language."""
        return title_of(self.name)

    def may(self, role: str) -> bool:
        """Return True where this account has the rights of `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


def title_of(name: str) -> str:
    """Return the display name of the account `name`, which may have been deleted."""
    return i18n.t({GUEST_NAME: "role.guest", LOCAL_NAME: "role.local"}[name]) if name in RESERVED else name


LOCAL = Account(0, LOCAL_NAME, "administrator", LOCAL_NAME)
"The user of this computer while nothing is shared."


# accounts


def accounts() -> list[Account]:
    """Return all named accounts in alphabetical order."""
    with database() as db:
        return [
            account_of(row) for row in db.execute("SELECT * FROM accounts WHERE name != ? ORDER BY name", (GUEST_NAME,))
        ]


def named(name: str) -> Account | None:
    """Return the account `name`, None where there is none."""
    with database() as db:
        row = db.execute("SELECT * FROM accounts WHERE name=?", (name,)).fetchone()
    return row and account_of(row)


def has_administrator() -> bool:
    """Return True where an administrator exists. Does not make the file."""
    if not path().exists():
        return False
    with database() as db:
        return _administrators(db) > 0


@needs("administrator")
def create(name: str, password: str, role: str, *, by: str = "", address: str = "", first: bool = False) -> Account:
    """Add an account. The first administrator takes over the runs and conversations of this computer's own user.

    Args:
        by: the acting account for the audit log; the new account itself where it is empty.
        first: add it only if there is no administrator yet.

    Raises:
        AccountError: the name is taken or has characters other than letters, digits, `.`, `-`, `_`; the password is too
            short or equals the name; no such role; there is an administrator already.
    """
    name = name.strip()
    if not re.fullmatch(r"[\w][\w.\-]{0,31}", name) or name.casefold() in RESERVED:
        raise AccountError("accounts.bad_name", name=name[:40])
    if role not in ROLES:
        raise AccountError("accounts.bad_role", role=role)
    hashed = _hash(name, password)
    with writing() as db:
        if first and _administrators(db):
            raise AccountError("signin.used_up")
        heir = role == "administrator" and not _administrators(db) and not _folder_taken(db, LOCAL.folder)
        folder = LOCAL.folder if heir else f"u-{secrets.token_hex(6)}"
        row = (name, role, folder, hashed, time.time())
        try:
            db.execute("INSERT INTO accounts(name, role, folder, password, created) VALUES(?,?,?,?,?)", row)
        except sqlite3.IntegrityError as error:
            raise AccountError("accounts.taken", name=name) from error
        note_in(db, by or name, "audit.account.create", name, address, became=role)
        return account_of(db.execute("SELECT * FROM accounts WHERE name=?", (name,)).fetchone())


@needs("guest", owner=lambda account, *_, **__: account.folder)
def set_password(account: Account, password: str, *, by: str = "", delete_keys: bool = False) -> int:
    """Change a password and return how many API keys were deleted. Every session of the account ends.

    Args:
        by: the acting account; another's keys are deleted, since whoever knew the old password may have made some.
        delete_keys: delete one's own too.

    Raises:
        AccountError: the password is too short, or equals the name.
    """
    hashed, actor = _hash(account.name, password), by or account.name
    with writing() as db:
        db.execute("UPDATE accounts SET password=? WHERE id=? AND name!=?", (hashed, account.id, GUEST_NAME))
        db.execute("DELETE FROM sessions WHERE account=?", (account.id,))
        note_in(db, actor, "audit.account.password", account.name)
        return _delete_keys(db, account, actor) if delete_keys or actor != account.name else 0


@needs("administrator")
def set_role(account: Account, role: str, *, by: str = "") -> int:
    """Change the role of an account and return how many API keys were deleted: all, where the role is a lower one.

    Raises:
        AccountError: no such role, or no administrator would be left.
    """
    if role not in ROLES:
        raise AccountError("accounts.bad_role", role=role)
    with writing() as db:
        before = db.execute("SELECT role FROM accounts WHERE id=?", (account.id,)).fetchone()
        db.execute("UPDATE accounts SET role=? WHERE id=? AND name!=?", (role, account.id, GUEST_NAME))
        _keep_administrator(db)
        note_in(db, by, "audit.account.role", account.name, was=account.role, became=role)
        lower = before is not None and ROLES.index(role) < ROLES.index(before["role"])
        return _delete_keys(db, account, by) if lower else 0


def _delete_keys(db: sqlite3.Connection, account: Account, by: str) -> int:
    count = db.execute("DELETE FROM keys WHERE account=?", (account.id,)).rowcount
    if count:
        note_in(db, by, "audit.key.revoke_all", account.name)
    return count


@needs("administrator")
def remove(account: Account, *, by: str = "") -> None:
    """Delete an account with its sessions and keys. Its runs stay and belong to no later account.

    Raises:
        AccountError: no administrator would be left.
    """
    with writing() as db:
        db.execute("DELETE FROM accounts WHERE id=?", (account.id,))
        _keep_administrator(db)
        note_in(db, by, "audit.account.remove", account.name)


def open_guest() -> bool:
    """Return True where visitors may sign in as guests without a password."""
    return option("open_guest") == "on"


@needs("administrator")
def set_open_guest(on: bool, *, by: str = "") -> None:
    """Switch sign-in of guests on or off; switching it off ends their sessions."""
    with writing() as db:
        _set_option(db, "open_guest", "on" if on else "off")
        row = (GUEST_NAME, "guest", "guest", time.time())
        db.execute("INSERT OR IGNORE INTO accounts(name, role, folder, created) VALUES(?,?,?,?)", row)
        if not on:
            db.execute("DELETE FROM sessions WHERE account=(SELECT id FROM accounts WHERE name=?)", (GUEST_NAME,))
        note_in(db, by, "audit.guest.on" if on else "audit.guest.off")


def check(name: str, password: str) -> Account | None:
    """Return the account where the password is right, else None. Takes as long for a name without an account."""
    with database() as db:
        row = db.execute("SELECT * FROM accounts WHERE name=?", (name.strip(),)).fetchone()
    stored = row["password"] if row else None
    try:
        password_hasher().verify(stored or _nobodys_hash(), password[: PASSWORD_LENGTHS[1]])
    except (VerificationError, InvalidHashError):
        return None
    return account_of(row) if stored else None


def password_rule() -> str:
    """Return how long a password must be, to be said before one is typed."""
    return i18n.t("accounts.password_rule", low=PASSWORD_LENGTHS[0])


def _hash(name: str, password: str) -> str:
    low, high = PASSWORD_LENGTHS
    if len(password) < low:
        raise AccountError("accounts.password_short", low=low)
    if len(password) > high:
        raise AccountError("accounts.password_long", high=high)
    if password.casefold() == name.casefold():
        raise AccountError("accounts.password_is_name")
    return password_hasher().hash(password)


@cache
def password_hasher() -> PasswordHasher:
    """Argon2 at its recommended cost."""
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return password_hasher().hash(secrets.token_urlsafe(32))


def account_of(row: sqlite3.Row) -> Account:
    return Account(row["id"], row["name"], row["role"], row["folder"], row["created"])


def _administrators(db: sqlite3.Connection) -> int:
    return db.execute("SELECT count(*) FROM accounts WHERE role='administrator'").fetchone()[0]


def _folder_taken(db: sqlite3.Connection, folder: str) -> bool:
    return db.execute("SELECT 1 FROM accounts WHERE folder=?", (folder,)).fetchone() is not None


def _keep_administrator(db: sqlite3.Connection) -> None:
    if not _administrators(db):
        raise AccountError("accounts.last_administrator")


# sessions


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


# options and the audit log


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
        _set_option(db, name, value)
        note_in(db, by, f"audit.option.{name}", value)


def _set_option(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT INTO options VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value", (name, value))


def note(who: str, action: str, target: str = "", address: str = "") -> None:
    """Write one row of the audit log; `action` is a text key."""
    with writing() as db:
        note_in(db, who, action, target, address)


@needs("administrator")
def audit(limit: int = 200) -> list[dict]:
    """Return the latest rows of the audit log, newest first.

    Returns:
        `time` (s since 1970), `who`, `action` (a text key), `target`, `address`; `was` and `became`, the target's role before and
        after, are empty where the row is not about a role.
    """
    with database() as db:
        return [dict(row) for row in db.execute("SELECT * FROM audit ORDER BY id DESC LIMIT ?", (limit,))]


last_uses, ended_sessions = LastUses(), EndedSessions()
