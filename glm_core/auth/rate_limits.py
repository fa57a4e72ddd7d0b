"""Rate limits in memory: how often a key, an address or a name may do something within a sliding window."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

MOST_KEYS = 10_000


@dataclass(frozen=True)
class RateLimit:
    """The outcome of one request to a `RateLimiter`.

    Attributes:
        allowed: the request was counted and may go on.
        limit: requests allowed in a window.
        remaining: requests left in this window.
        reset: seconds until the oldest counted request leaves the window.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: float

    def headers(self) -> dict[str, str]:
        """The figures in the headers that OpenAI's clients read."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{self.reset:.1f}s",
        }

    @property
    def retry_after(self) -> str:
        """Whole seconds for a `Retry-After` header, at least one."""
        return str(max(1, round(self.reset)))


class RateLimiter:
    """Counts requests by key within a sliding window. A restart forgets them; keys beyond `most_keys` are forgotten, oldest first.

    Args:
        window: seconds that a request counts.
        clock: monotonic seconds.
    """

    def __init__(
        self, window: float = 60.0, most_keys: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.window = window
        self._most_keys = most_keys
        self._clock = clock
        self._times: dict[Hashable, deque[float]] = {}
        self._swept = clock()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._times)

    def take(self, limits: Mapping[Hashable, int]) -> RateLimit:
        """Count one request under every key of `limits`, unless one of them has reached its limit; then count nothing."""
        now = self._clock()
        with self._lock:
            self._sweep(now)
            tightest = min((self._state(key, limit, now) for key, limit in limits.items()), key=_left)
            if tightest.remaining <= 0:
                return tightest
            for key in limits:
                self._times.setdefault(key, deque()).append(now)
            return RateLimit(True, tightest.limit, tightest.remaining - 1, tightest.reset or self.window)

    def refund(self, *keys: Hashable) -> None:
        """Take back the latest request counted under each of `keys`."""
        with self._lock:
            for key in keys:
                if self._times.get(key):
                    self._times[key].pop()

    def clear(self, key: Hashable) -> None:
        """Forget every request counted under `key`."""
        with self._lock:
            self._times.pop(key, None)

    def _state(self, key: Hashable, limit: int, now: float) -> RateLimit:
        times = self._times.get(key, ())
        while times and times[0] <= now - self.window:
            times.popleft()
        reset = times[0] + self.window - now if times else 0.0
        return RateLimit(False, limit, limit - len(times), reset)

    def _sweep(self, now: float) -> None:
        """Forget keys without a request in the window, a few times a window, and the oldest keys beyond `most_keys`."""
        if now - self._swept > self.window / 4:
            self._swept = now
            self._times = {key: times for key, times in self._times.items() if times and times[-1] > now - self.window}
        while len(self._times) >= self._most_keys:
            del self._times[next(iter(self._times))]


def _left(state: RateLimit) -> tuple[int, float]:
    return state.remaining, -state.reset
