"""Who may come in: accounts with roles, their sessions, the audit log; one SQLite file in WAL mode, `accounts.db` under home.

Passwords are kept as argon2 hashes, session tokens as SHA-256: who reads the file can sign in as nobody. Not here: API keys (`api_keys.py`),
cookies and pages (`login.py`), what a request may do (`middleware.py`).
"""

import hashlib
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from glm_core import i18n, workspace
from glm_core.errors import EasyError

ROLES = ("guest", "trainer", "administrator")
"From the least to the most that one may do: chat; also data, training and models; also accounts and sharing."
GUEST_NAME = "guest"
"The account that anybody may use while `open_guest` is on; every visit is a person of its own."
VISITORS = "guest-"
"How the folder of such a visit begins; nobody has it again once the visit is over."
RESERVED = (GUEST_NAME, "local")
PASSWORD_LENGTHS = (8, 200)
SESSION_SECONDS = 30 * 86400
GUEST_SECONDS = 86400
SEEN_SECONDS = 60
AUDIT_ROWS = 20_000

MIGRATIONS = (
    """
    CREATE TABLE accounts(
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, role TEXT NOT NULL,
        folder TEXT NOT NULL UNIQUE, password TEXT, created REAL NOT NULL);
    CREATE TABLE sessions(
        hash BLOB PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
        created REAL NOT NULL, expires REAL NOT NULL, seen REAL NOT NULL, address TEXT NOT NULL);
    CREATE TABLE keys(
        id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
        name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, tail TEXT NOT NULL, per_minute INTEGER NOT NULL,
        created REAL NOT NULL, used REAL);
    CREATE TABLE audit(
        id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
        target TEXT NOT NULL, address TEXT NOT NULL);
    CREATE TABLE options(name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    # the second keeps roles apart, which the first wrote into the target: `name (role)`, `name: role → role`
    """
    ALTER TABLE audit ADD COLUMN was TEXT NOT NULL DEFAULT '';
    ALTER TABLE audit ADD COLUMN became TEXT NOT NULL DEFAULT '';
    UPDATE audit SET
        target = substr(target, 1, instr(target, ' (') - 1),
        became = rtrim(substr(target, instr(target, ' (') + 2), ')')
        WHERE action = 'audit.account.create' AND target LIKE '% (%)';
    UPDATE audit SET
        target = substr(target, 1, instr(target, ': ') - 1),
        was = substr(target, instr(target, ': ') + 2, instr(target, ' → ') - instr(target, ': ') - 2),
        became = substr(target, instr(target, ' → ') + 3)
        WHERE action = 'audit.account.role' AND target LIKE '%: % → %';
    """,
)
_migrating = threading.Lock()


class AccountError(EasyError):
    """Something about an account that cannot be done: a name that is taken, a password that is too short."""


@dataclass(frozen=True)
class Account:
    """Somebody. `folder` owns conversations and runs; it is never given to another account, even when a name is."""

    id: int
    name: str
    role: str
    folder: str
    created: float = 0.0

    @property
    def shown_name(self) -> str:
        """What people read; the guests' account is called so in their language."""
        return title_of(self.name)

    def may(self, role: str) -> bool:
        """Whether this account may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


def title_of(name: str) -> str:
    """What people read for an account called `name`, which need not be there any more."""
    return i18n.t("role.guest") if name == GUEST_NAME else name


LOCAL = Account(0, "local", "administrator", "local")
"Whoever sits at this computer while nothing is shared."


def path() -> Path:
    """The file with everything about accounts."""
    return workspace.home() / "accounts.db"


@contextmanager
def database(begin: str = "BEGIN") -> Iterator[sqlite3.Connection]:
    """A transaction that reads the file, which is made, or brought up to date, when it has to be."""
    path().parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path(), timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
        _migrate(connection)
        connection.execute(begin)
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    finally:
        connection.close()


def writing() -> AbstractContextManager[sqlite3.Connection]:
    """A transaction that changes the file; waits for whoever else does."""
    return database("BEGIN IMMEDIATE")


def _migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations the file has not had yet, each whole or not at all."""
    if _version(connection) >= len(MIGRATIONS):
        return
    with _migrating:
        path().chmod(0o600)
        connection.execute("PRAGMA journal_mode=WAL")
        for number in range(_version(connection), len(MIGRATIONS)):
            step = f"BEGIN IMMEDIATE; {MIGRATIONS[number]}; PRAGMA user_version={number + 1}; COMMIT;"
            try:
                connection.executescript(step)
            except sqlite3.OperationalError:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if _version(connection) <= number:  # else another process was faster
                    raise


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


# accounts


def accounts() -> list[Account]:
    """Everybody with a name of their own, in alphabetical order."""
    with database() as db:
        return [
            account_of(row) for row in db.execute("SELECT * FROM accounts WHERE name != ? ORDER BY name", (GUEST_NAME,))
        ]


def has_administrator() -> bool:
    """Whether somebody can let others in. Does not make the file."""
    if not path().exists():
        return False
    with database() as db:
        return _administrators(db) > 0


def create(name: str, password: str, role: str, *, by: str = "", address: str = "", first: bool = False) -> Account:
    """Add an account. The first administrator goes on with what this computer's own user has made.

    Args:
        by: who adds it, for the audit log; themselves where it is empty.
        first: only if there is no administrator yet.

    Raises:
        AccountError: the name is taken or has other signs than letters, digits, `.`, `-`, `_`; the password is too
            short or the name itself; no such role; there is an administrator already.
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


def set_password(account: Account, password: str, *, by: str = "") -> None:
    """Change a password. Every session of the account ends.

    Raises:
        AccountError: too short, or the name itself.
    """
    hashed = _hash(account.name, password)
    with writing() as db:
        db.execute("UPDATE accounts SET password=? WHERE id=? AND name!=?", (hashed, account.id, GUEST_NAME))
        db.execute("DELETE FROM sessions WHERE account=?", (account.id,))
        note_in(db, by or account.name, "audit.account.password", account.name)


def set_role(account: Account, role: str, *, by: str = "") -> None:
    """Change what an account may do.

    Raises:
        AccountError: no such role, or nobody would be administrator any more.
    """
    if role not in ROLES:
        raise AccountError("accounts.bad_role", role=role)
    with writing() as db:
        db.execute("UPDATE accounts SET role=? WHERE id=? AND name!=?", (role, account.id, GUEST_NAME))
        _keep_administrator(db)
        note_in(db, by, "audit.account.role", account.name, was=account.role, became=role)


def remove(account: Account, *, by: str = "") -> None:
    """Delete an account with its sessions and keys. What it made stays, and belongs to nobody who comes later.

    Raises:
        AccountError: nobody would be administrator any more.
    """
    with writing() as db:
        db.execute("DELETE FROM accounts WHERE id=?", (account.id,))
        _keep_administrator(db)
        note_in(db, by, "audit.account.remove", account.name)


def open_guest() -> bool:
    """Whether anybody may come in as a guest without a password."""
    return option("open_guest") == "on"


def set_open_guest(on: bool, *, by: str = "") -> None:
    """Let guests in without a password, or no longer; those inside go out at once."""
    with writing() as db:
        _set_option(db, "open_guest", "on" if on else "off")
        row = (GUEST_NAME, "guest", "guest", time.time())
        db.execute("INSERT OR IGNORE INTO accounts(name, role, folder, created) VALUES(?,?,?,?)", row)
        if not on:
            db.execute("DELETE FROM sessions WHERE account=(SELECT id FROM accounts WHERE name=?)", (GUEST_NAME,))
        note_in(db, by, "audit.guest.on" if on else "audit.guest.off")


def check(name: str, password: str) -> Account | None:
    """The account whose password this is, else None. Takes as long for a name that nobody has."""
    with database() as db:
        row = db.execute("SELECT * FROM accounts WHERE name=?", (name.strip(),)).fetchone()
    stored = row["password"] if row else None
    try:
        _hasher().verify(stored or _nobodys_hash(), password[: PASSWORD_LENGTHS[1]])
    except (VerificationError, InvalidHashError):
        return None
    return account_of(row) if stored else None


def _hash(name: str, password: str) -> str:
    low, high = PASSWORD_LENGTHS
    if not low <= len(password) <= high:
        raise AccountError("accounts.password_length", low=low, high=high)
    if password.casefold() == name.casefold():
        raise AccountError("accounts.password_is_name")
    return _hasher().hash(password)


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe(32))


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
    """A new session; returns its token, which exists nowhere else."""
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
    """A session for somebody without a name; None while guests are not let in."""
    if not open_guest():
        return None
    with database() as db:
        guest = account_of(db.execute("SELECT * FROM accounts WHERE name=?", (GUEST_NAME,)).fetchone())
    return open_session(guest, address)


def session(token: str) -> Account | None:
    """Whose session this is; None when there is none of that token, or it has ended."""
    if not token or len(token) > 100 or not path().exists():
        return None
    now, hashed = time.time(), digest(token)
    with database() as db:
        query = "SELECT accounts.*, sessions.seen FROM sessions JOIN accounts ON accounts.id=account WHERE hash=? AND expires>?"
        row = db.execute(query, (hashed, now)).fetchone()
    if row is None:
        return None
    if now - row["seen"] > SEEN_SECONDS:
        with writing() as db:
            db.execute("UPDATE sessions SET seen=? WHERE hash=?", (now, hashed))
    account = account_of(row)
    return replace(account, folder=f"{VISITORS}{hashed.hex()[:16]}") if account.name == GUEST_NAME else account


def close_session(token: str) -> None:
    """End one session."""
    with writing() as db:
        query = "SELECT name FROM sessions JOIN accounts ON accounts.id=account WHERE hash=?"
        row = db.execute(query, (digest(token),)).fetchone()
        if row is not None:
            db.execute("DELETE FROM sessions WHERE hash=?", (digest(token),))
            note_in(db, row["name"], "audit.session.close")


def close_sessions(account: Account, *, by: str = "") -> None:
    """Sign an account out everywhere."""
    with writing() as db:
        db.execute("DELETE FROM sessions WHERE account=?", (account.id,))
        note_in(db, by or account.name, "audit.session.close_all", account.name)


def digest(secret: str) -> bytes:
    """What is kept of a random secret of 32 bytes; those need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


# options and the audit log


def option(name: str) -> str | None:
    """A stored switch of the operator's; None where it was never set. Does not make the file."""
    if not path().exists():
        return None
    with database() as db:
        row = db.execute("SELECT value FROM options WHERE name=?", (name,)).fetchone()
    return row and row["value"]


def set_option(name: str, value: str, *, by: str = "") -> None:
    """Store a switch, and who turned it."""
    with writing() as db:
        _set_option(db, name, value)
        note_in(db, by, f"audit.option.{name}", value)


def _set_option(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT INTO options VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value", (name, value))


def note(who: str, action: str, target: str = "", address: str = "") -> None:
    """Write one line of the audit log; `action` is a text key."""
    with writing() as db:
        note_in(db, who, action, target, address)


def audit(limit: int = 200) -> list[dict]:
    """The latest lines of the audit log, newest first.

    Returns:
        `time` (s since 1970), `who`, `action` (a text key), `target`, `address`; `was` and `became`, the target's role before and
        after, are empty where it is not about a role.
    """
    with database() as db:
        return [dict(row) for row in db.execute("SELECT * FROM audit ORDER BY id DESC LIMIT ?", (limit,))]


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
    """`note` within the transaction of what is noted."""
    row = (time.time(), who[:80], action, target[:200], address[:60], was, became)
    query = "INSERT INTO audit(time, who, action, target, address, was, became) VALUES(?,?,?,?,?,?,?)"
    number = db.execute(query, row).lastrowid
    db.execute("DELETE FROM audit WHERE id<=?", (number - AUDIT_ROWS,))
