"""The queue of an engine: who is admitted, in which order, and for how long the base in memory goes first.

Knows handles and folders, no tensors. Owners take turns, so that one with many requests delays the others by one at most.
Requests for the base in memory go first for a bounded time, since changing it costs a load.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from glm_core.serving.errors import EngineBusy, EngineUnavailable
from glm_core.serving.request_handle import RequestHandle

BASE_SECONDS = 10.0
"How long requests for the base in memory may overtake one that waits for another base, unless loading takes longer."
LINGER_SECONDS = 0.25
"How long, after an answer, a base in memory is kept from one that waits, for the next request of the same client."
LONGEST_RETRY = 120
SMOOTHING = 0.2
"Weight of the newest value in the moving averages."

WAITED_STEPS = 2
"Decoding steps that as many tokens of prompts may take as are computed between two of them."
IDLE_PIECE_SECONDS = 0.5
"The same while no answer runs: after that long, cancelled requests and the end of the program are looked for."
PIECE_SLACK = 1.5
HELD_TURNS = 32
"Turns after a piece that took too long, before a longer one is tried again."
FORGETTING = 0.02
"Growth of the shortest time at each turn, so that it follows a machine that has become slower."
LARGEST_PIECE = 2048


class PieceSize:
    """Tokens of prompts that are computed in one turn of the engine, found by what turns take.

    A GPU needs as long for a few tokens as for some hundred, since it waits for the launch of each kernel. Pieces below that size would
    only make the prompt's first token late, so a piece may always take `PIECE_SLACK` times the shortest one.

    Args:
        least: tokens of the smallest piece, which a device computes as quickly as fewer.
        fixed: tokens of every piece, whatever it takes.
    """

    def __init__(self, least: int = 16, fixed: int | None = None):
        self._least, self._fixed = least, fixed
        self._sizes = {True: 4 * least, False: 8 * least}  # while answers run, and while none does
        self._step = 0.0
        self._shortest = 0.0  # seconds of a turn with a piece while answers run
        self._held = 0  # turns until pieces may grow again

    def room(self, running: bool) -> int:
        """Return how many tokens the next turn may compute.

        Args:
            running: whether answers run, which wait meanwhile.
        """
        return self._fixed or self._sizes[running]

    def note(self, tokens: int, running: bool, seconds: float) -> None:
        """Remember a turn: a piece of so many tokens, then a step of the running answers."""
        if running and not tokens:
            self._step += SMOOTHING * (seconds - self._step) if self._step else seconds
        size = self._sizes[running]
        if tokens <= size // 2 or running and not self._step:
            return  # a piece that says nothing about a full one, or no step yet to compare with
        if running:
            self._shortest = min(seconds, (1 + FORGETTING) * self._shortest or seconds)
        bound = max((1 + WAITED_STEPS) * self._step, PIECE_SLACK * self._shortest) if running else IDLE_PIECE_SECONDS
        self._held -= 1
        if seconds > bound:
            self._sizes[running], self._held = max(self._least, size // 2), HELD_TURNS
        elif self._held <= 0 and 2 * seconds - (self._shortest if running else 0.0) <= bound:
            self._sizes[running] = min(LARGEST_PIECE, 2 * size)


class Scheduler:
    """Waiting requests of any number of threads.

    Args:
        rows: answers that are computed together.
        waiting: requests that may wait beyond those.
        each: of these, how many one owner may have, or a function that says so just now; None = all.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        rows: int = 16,
        waiting: int = 16,
        each: int | Callable[[], int | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.rows = rows
        self._bound, self._each, self._clock = waiting, each, clock
        self._lock = threading.RLock()
        self._queue: deque[RequestHandle] = deque()
        self._served: dict[str, float] = {}  # owner -> when a request of theirs was last taken
        self._answer_seconds, self._load_seconds = 3.0, 0.0
        self._ended = -math.inf  # when an answer last ended
        self._overtaken: float | None = None  # since when a request waits for another base than the one in memory

    def __len__(self) -> int:
        return len(self._queue)

    def check(self, owner: str, base: Path | None = None) -> None:
        """Check that one more request of `owner` may wait.

        Args:
            base: the one in memory.

        Raises:
            EngineBusy: the queue is full, or this owner's share of it.
        """
        with self._lock:
            each = self._each() if callable(self._each) else self._each
            mine = sum(one.request.owner == owner for one in self._queue)
            if len(self._queue) >= self._bound or (each is not None and mine >= each):
                raise EngineBusy("serving.busy", self.retry_after(base), waiting=len(self._queue))

    def add(self, handle: RequestHandle, base: Path | None = None) -> None:
        """Put `handle` into the queue.

        Raises:
            EngineBusy: as `check`.
        """
        with self._lock:
            self.check(handle.request.owner, base)
            self._queue.append(handle)
            self._number()

    def next(self, base: Path | None, running: int) -> RequestHandle | None:
        """Take the request whose turn it is out of the queue; None where it has to wait or nothing waits.

        Args:
            base: the one in memory.
            running: answers that are being computed, or about to be.
        """
        with self._lock:
            order = self._order()
            if not order or running >= self.rows:
                return None
            handle = self._choose(order, base, running)
            if handle is None:
                return None
            self._queue.remove(handle)
            self._served[handle.request.owner] = self._clock()
            handle.position = 0
            self._number()
            return handle

    def drop(self) -> None:
        """End the requests that were cancelled or are overdue while they wait."""
        with self._lock:
            for handle in [one for one in self._queue if one.cancelled or one.overdue()]:
                self._queue.remove(handle)
                error = None if handle.cancelled else EngineUnavailable("serving.waited_too_long")
                handle.finish("error" if error else "cancelled", error=error)
            self._number()

    def clear(self, error: EngineUnavailable) -> None:
        """End every waiting request with `error`."""
        with self._lock:
            for handle in self._queue:
                handle.finish("error", error=error)
            self._queue.clear()

    def note_answer(self, seconds: float) -> None:
        """An answer has ended that took so many seconds: remembered for Retry-After."""
        self._ended = self._clock()
        self._answer_seconds += SMOOTHING * (seconds - self._answer_seconds)

    def note_load(self, seconds: float) -> None:
        """Remember how long a base took to load."""
        self._load_seconds = seconds if not self._load_seconds else (self._load_seconds + seconds) / 2

    def retry_after(self, base: Path | None = None) -> int:
        """Return the seconds, rounded up, until a place should be free: the answers before it, and the bases to load for them."""
        with self._lock:
            bases = {handle.choice.base for handle in self._queue if handle.choice is not None} - {base}
            waits = self._answer_seconds * (1 + len(self._queue) / self.rows) + self._load_seconds * len(bases)
            return max(1, min(LONGEST_RETRY, math.ceil(waits)))

    def _choose(self, order: list[RequestHandle], base: Path | None, running: int) -> RequestHandle | None:
        """The first in `order`, or while its time is not up the first one that needs the base in memory."""
        first, fitting = order[0], [handle for handle in order if handle.choice.base == base]
        if len(fitting) == len(order):
            self._overtaken = None
            return first
        now = self._clock()
        if self._overtaken is None:
            self._overtaken = now
        if now - self._overtaken < max(BASE_SECONDS, 2 * self._load_seconds):
            if fitting:
                return fitting[0]
            if now - self._ended < min(LINGER_SECONDS, self._load_seconds / 4):
                return None  # who just got an answer of the base in memory often asks the next one at once
        if running:
            return None  # nobody overtakes it any more, so the running answers end and the base can change
        self._overtaken = None
        return first

    def _order(self) -> list[RequestHandle]:
        """The queue as it will be served: owners in turn, each owner's own requests in their order."""
        turns: dict[str, int] = {}
        keyed = []
        for arrival, handle in enumerate(self._queue):
            owner = handle.request.owner
            turn = turns.get(owner, 0)
            turns[owner] = turn + 1
            keyed.append((turn, self._served.get(owner, 0.0), arrival, handle))
        return [entry[-1] for entry in sorted(keyed, key=lambda entry: entry[:3])]

    def _number(self) -> None:
        """Tell every waiting handle its place, in the order in which they will be taken."""
        for place, handle in enumerate(self._order(), 1):
            handle.position = place
