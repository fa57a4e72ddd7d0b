"""SIGTERM and Ctrl-C ask a run to stop: at once while it loads, after the update under way once it trains."""

import signal


class StopRequested(BaseException):
    """Breaks off what has nothing to save yet. No `Exception`, so that nobody takes it for a failure."""


class StopSignal:
    """A flag that says that somebody asked the run to stop.

    Attributes:
        asked: set by the first signal.
        interrupts: whether a signal breaks off at once (while loading) or waits to be looked at (while training).
    """

    def __init__(self):
        self.asked, self.interrupts = False, True

    def listen(self) -> None:
        """Take the signals over from Python's own handlers; only the main thread can."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def check(self) -> None:
        """Break off if a stop was asked for: an interruption can get lost in code that cannot raise."""
        if self.asked:
            self.interrupts = False
            raise StopRequested

    def _hear(self, *_) -> None:
        self.asked = True
        if self.interrupts:
            self.interrupts = False
            raise StopRequested
