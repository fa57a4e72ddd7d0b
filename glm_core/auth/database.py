"""The SQLite file behind accounts, sessions, keys, options and the audit log: `accounts.db` under home, in WAL mode.

Transactions, migrations, and the two thread pools through which the event loop reaches the file. The file may be locked by another
program, the disk full or read-only: reading then goes on where SQLite allows it, and writing raises an error that says why.
"""

import asyncio
import contextlib
import contextvars
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from glm_core import workspace
from glm_core.auth import migrations
from glm_core.errors import EasyError

READ_SECONDS = 0.5
"Seconds that a reading transaction waits for a lock; readers of a WAL file normally wait for nobody."
WRITE_SECONDS = 3.0
"Seconds that a writing transaction waits for another writer."

Result = TypeVar("Result")
_migrating = threading.Lock()
_readers = ThreadPoolExecutor(4, thread_name_prefix="accounts-read")
_writer = ThreadPoolExecutor(1, thread_name_prefix="accounts-write")
_anchor: dict[Path, sqlite3.Connection] = {}


class StoreError(EasyError):
    """The file of accounts cannot be read or written now: it is locked, the disk is full or read-only."""


def path() -> Path:
    """The file with everything about accounts."""
    return workspace.home() / "accounts.db"


async def read(function: Callable[..., Result], *arguments) -> Result:
    """Run `function`, which only reads the file, outside the event loop."""
    return await _in(_readers, function, *arguments)


async def write(function: Callable[..., Result], *arguments) -> Result:
    """Run `function`, which writes the file, outside the event loop; one such call runs at a time."""
    return await _in(_writer, function, *arguments)


async def _in(pool: ThreadPoolExecutor, function: Callable[..., Result], *arguments) -> Result:
    context = contextvars.copy_context()  # carries the reader's language
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(function, *arguments))


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A reading transaction. The file is made, or brought up to date, when it has to be.

    Raises:
        StoreError: the file is locked or cannot be opened.
    """
    with _explained(), _connected(READ_SECONDS, reading=True) as connection, _transaction(connection, "BEGIN"):
        yield connection


def writing() -> AbstractContextManager[sqlite3.Connection]:
    """A writing transaction; waits up to `WRITE_SECONDS` for another writer.

    Raises:
        StoreError: the file is locked, the disk full or read-only.
    """
    return _writing()


@contextmanager
def _writing() -> Iterator[sqlite3.Connection]:
    with _explained(), _connected(WRITE_SECONDS) as connection, _transaction(connection, "BEGIN IMMEDIATE"):
        yield connection


@contextmanager
def _explained() -> Iterator[None]:
    """Turn SQLite's errors about locks and disks into `StoreError`; others are defects and pass."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if any(part in str(error) for part in ("locked", "busy")):
            raise StoreError("accounts.store_busy") from error
        if _is_about_the_disk(error):
            raise StoreError("accounts.store_unwritable", folder=str(path().parent)) from error
        raise


def _is_about_the_disk(error: sqlite3.OperationalError) -> bool:
    return any(part in str(error) for part in ("full", "readonly", "read-only", "disk I/O", "unable to open"))


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk has ended the transaction already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _connected(seconds: float, reading: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection to the migrated file, closed afterwards. A reader takes a full or read-only disk as it is."""
    try:
        connection = _open(seconds)
    except sqlite3.OperationalError as error:
        if not reading or not _is_about_the_disk(error):
            raise
        connection = _open_unwritable(seconds)
    try:
        yield connection
    finally:
        connection.close()


def _open(seconds: float) -> sqlite3.Connection:
    with contextlib.suppress(OSError):  # SQLite says it better
        path().parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path(), timeout=seconds, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _open_unwritable(seconds: float) -> sqlite3.Connection:
    """A connection to a file beside which SQLite cannot make its shared memory.

    `immutable` reads the file without it, but not what a crash left in the write-ahead log: where there is one, a session that has
    ended might come back, so the file stays closed.

    Raises:
        sqlite3.OperationalError: there is no such file, it is of an older version, or its log is not empty.
    """
    log = path().with_name(f"{path().name}-wal")
    if log.exists() and log.stat().st_size:
        raise sqlite3.OperationalError("unable to open a database whose log cannot be read")
    connection = sqlite3.connect(f"{path().as_uri()}?immutable=1", uri=True, timeout=seconds, isolation_level=None)
    connection.row_factory = sqlite3.Row
    if _version(connection) < len(migrations.MIGRATIONS):
        connection.close()
        raise sqlite3.OperationalError("unable to open a database of an older version on a read-only disk")
    return connection


def keep_open() -> None:
    """Hold one connection for as long as the program runs, so that the log and shared memory of the WAL stay there.

    SQLite deletes both when the last connection closes and could not make them again on a disk that has filled up meanwhile.
    """
    if path() in _anchor or not path().exists():
        return
    with contextlib.suppress(sqlite3.OperationalError):
        connection = sqlite3.connect(path(), timeout=READ_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("SELECT count(*) FROM options").fetchone()
        _anchor[path()] = connection


def let_go() -> None:
    """Close what `keep_open` holds."""
    for place in list(_anchor):
        if connection := _anchor.pop(place, None):  # another thread may be closing too
            connection.close()


def _migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations the file has not had yet, each whole or not at all."""
    if _version(connection) >= len(migrations.MIGRATIONS):
        return
    with _migrating:
        path().chmod(0o600)
        connection.execute("PRAGMA journal_mode=WAL")
        for number in range(_version(connection), len(migrations.MIGRATIONS)):
            step = f"BEGIN IMMEDIATE; {migrations.MIGRATIONS[number]}; PRAGMA user_version={number + 1}; COMMIT;"
            try:
                connection.executescript(step)
            except sqlite3.OperationalError:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if _version(connection) <= number:  # otherwise another process was faster
                    raise


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]
