"""Writes that wait in memory until the file of accounts can take them: times of last use, sessions that have ended."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glm_core.auth.database import StoreError, path, writing


class LastUses:
    """Times of last use of sessions and keys, kept in memory until `store`, so that no request waits for a disk to note one."""

    def __init__(self) -> None:
        self._pending: dict[tuple[Path, str, object], float] = {}
        self._lock = threading.Lock()

    def add(self, statement: str, row: object, moment: float) -> None:
        """Note that `row` was used at `moment` (s since 1970); `statement` has two placeholders, the time and the row."""
        with self._lock:
            self._pending[path(), statement, row] = moment

    def noted(self, statement: str, row: object) -> float | None:
        """Return the time (s since 1970) noted for `row` and not yet written, None where there is none."""
        with self._lock:
            return self._pending.get((path(), statement, row))

    def store(self) -> None:
        """Write what is noted; a full, read-only or locked file loses it."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if pending:
            with contextlib.suppress(StoreError), writing() as db:
                for (file, statement, row), moment in pending.items():
                    if file == path():  # those of another workspace have other numbers
                        db.execute(statement, (moment, row))


class EndedSessions:
    """Hashes of sessions that ended while the file could not be written: refused from memory until their rows are deleted."""

    def __init__(self) -> None:
        self._hashes: set[tuple[Path, bytes]] = set()
        self._lock = threading.Lock()

    def __contains__(self, hashed: bytes) -> bool:
        return (path(), hashed) in self._hashes

    @contextmanager
    def ending(self, hashes: set[bytes]) -> Iterator[None]:
        """Keep `hashes` where this block, which deletes their rows, cannot.

        Raises:
            StoreError: it could not; the error says what is still on the disk.
        """
        try:
            yield
        except StoreError as error:
            with self._lock:
                self._hashes |= {(path(), one) for one in hashes}
            raise StoreError("accounts.still_on_disk", why=str(error)) from error

    def store(self) -> None:
        """Delete the rows of those that are kept; a file that still cannot be written leaves them kept."""
        with self._lock:
            here = {pair for pair in self._hashes if pair[0] == path()}
            if not here:
                return
            with contextlib.suppress(StoreError):
                with writing() as db:
                    db.executemany("DELETE FROM sessions WHERE hash=?", [(hashed,) for _, hashed in here])
                self._hashes -= here
