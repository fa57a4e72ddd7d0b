"""Work in a thread of its own that people watch, wait for and cancel: downloads, loads, reports, merges, Excel files.

What the work is, what it leaves on disk and who remembers it is its owner's.
"""

import logging
import threading
from collections.abc import Callable

from glm_core.errors import EasyError

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Somebody cancelled the work."""


class Job:
    """One piece of work under way or ended; every attribute may be read from any thread.

    Attributes:
        state: "running", "done", "cancelled" or "failed", beside what a kind of work adds.
        error: why it failed.
    """

    def __init__(self):
        self.state = "running"
        self.error: EasyError | None = None
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None

    def cancel(self) -> None:
        """Stop soon."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def check(self) -> None:
        """Called now and then by the work.

        Raises:
            Cancelled: it was cancelled.
        """
        if self._cancelled.is_set():
            raise Cancelled

    def run_in_thread(self, name: str, target: Callable[..., None], *args) -> None:
        """Begin."""
        self._thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._thread.start()

    def attempt(self, act: Callable[[], None], kind: type[EasyError], key: str) -> str:
        """Do it; returns the state in which it ended, `error` set where that is "failed".

        Args:
            kind, key: of the error in place of one that is no sentence, which goes to the log; `why` names its class.
        """
        try:
            act()
        except Cancelled:
            return "cancelled"
        except EasyError as error:
            self.error = error
        except Exception as error:
            log.exception("%s failed", self._thread.name if self._thread else "work")
            self.error = kind(key, why=type(error).__name__)
        else:
            return "done"
        return "failed"
