"""Work in a thread of its own that people watch, wait for and cancel: merges, Excel files.

What the work is, what it leaves on disk and who remembers it is its owner's.
"""

import logging
import threading
from collections.abc import Callable

from glm_core.errors import EasyError

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Somebody cancelled the work."""


class Work:
    """One piece of work under way or ended; every attribute may be read from any thread.

    Attributes:
        state: "running", "done", "cancelled" or "failed".
        error: why it failed.
    """

    def __init__(self):
        self.state = "running"
        self.error: EasyError | None = None
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None

    def cancel(self) -> None:
        """Stop soon; nothing is left of it."""
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

    def attempt(self, act: Callable[[], None], defect: EasyError) -> str:
        """Do it; returns the state in which it ended, `error` set where that is "failed".

        Args:
            defect: what is said of an error that is not a sentence, which goes to the log.
        """
        try:
            act()
        except Cancelled:
            return "cancelled"
        except EasyError as error:
            self.error = error
        except Exception:
            log.exception("%s failed", self._thread.name if self._thread else "work")
            self.error = defect
        else:
            return "done"
        return "failed"
