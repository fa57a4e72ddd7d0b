"""Errors of pages in the server's log: a traceback when an error is new, then a line each, then nothing for a while.

Whoever has a page can send it what no browser sends, as often as they like; the log must not grow with that.
"""

import logging

from glm_core.auth.rate_limits import RateLimiter
from glm_core.errors import place_of

WINDOW = 600.0
LINES = 20
"Of one error in `WINDOW` seconds, its traceback among them."


class BriefTracebacks(logging.Filter):
    """Lets a record with an exception pass whole when none came from the same line of code in the last ten minutes.

    Further ones lose their traceback, and beyond `LINES` are dropped. One instance may serve several loggers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._whole, self._lines = RateLimiter(WINDOW), RateLimiter(WINDOW)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written; may take its traceback away."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, Exception):
            return True
        place = place_of(error)
        if not self._whole.take({place: 1}).allowed:
            record.exc_info, record.exc_text = None, None
        return self._lines.take({place: LINES}).allowed


def keep_brief(*names: str) -> None:
    """Give the loggers of these names one `BriefTracebacks` between them."""
    brief = BriefTracebacks()
    for name in names:
        logging.getLogger(name).addFilter(brief)
