"""One dashboard a workspace: the first one holds a lock, starts runs and tidies up; a second one says who that is and waits its turn."""

import contextlib
import json
import os
import socket
import threading
import time
from pathlib import Path

import filelock

from glm_core import workspace

RETRY_SECONDS = 5.0


class WorkspaceLock:
    """The lock of a workspace's dashboard. It ends with the process, however that ends.

    Args:
        home: the workspace.
    """

    def __init__(self, home: Path) -> None:
        self._lock = filelock.FileLock(home / ".dashboard.lock", thread_local=False)
        self._record = home / ".dashboard.json"

    def take(self) -> bool:
        """Take the lock where nobody holds it; return True where this process holds it.

        A file system without locks, or a full or read-only one, counts as nobody's: the dashboard is of use without.
        """
        try:
            self._record.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            return False
        except (OSError, NotImplementedError):
            return True
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        with contextlib.suppress(OSError):
            workspace.write_json(self._record, holder)
        return True

    def holder(self) -> dict[str, object]:
        """Return `pid` and `host` of the process that holds the lock, "?" where it has not said so."""
        try:
            found = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            found = {}
        found = found if isinstance(found, dict) else {}
        return {name: found.get(name, "?") for name in ("pid", "host")}

    def wait(self, ended: threading.Event) -> bool:
        """Wait until this process holds the lock; return False once `ended` is set before that."""
        while not self.take():
            if ended.wait(RETRY_SECONDS):
                return False
        return not ended.is_set()

    def release(self) -> None:
        """Give the lock up."""
        self._lock.release(force=True)
