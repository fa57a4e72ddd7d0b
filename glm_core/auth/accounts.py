"""Accounts with roles and passwords, in the file of `database.py`.

Passwords are stored as argon2 hashes, so that a copy of the file signs nobody in. Sessions are in `sessions.py`, API keys in
`api_keys.py`, sign-in pages in `plain_pages/login.py`, permissions of a request in `requests/middleware.py`.
"""

import re
import secrets
import sqlite3
import time
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from glm_core import i18n
from glm_core.auth.audit import note_in
from glm_core.auth.database import database, path, writing
from glm_core.auth.options import option, set_option_in
from glm_core.errors import EasyError
from glm_core.permissions import needs

ROLES = ("guest", "trainer", "administrator")
"In ascending order: guests chat; trainers also use data, training and models; administrators also accounts and sharing."
GUEST_NAME = "guest"
"The shared account of visitors without a password, usable while `open_guest` is on; every visit counts as a person of its own."
LOCAL_NAME = "local"
RESERVED = (GUEST_NAME, LOCAL_NAME)
PASSWORD_LENGTHS = (8, 200)


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
        set_option_in(db, "open_guest", "on" if on else "off")
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
