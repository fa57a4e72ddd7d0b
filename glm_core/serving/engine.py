"""The engine: one thread owns the model; whoever wants an answer gets a handle and a place in a bounded queue.

A request joins the running batch at the next step and leaves it when done. Loading, unloading and changing the base
happen between steps. Pages and the API share the one engine of a process. Not here: the decode loop (`batch.py`),
names of models (`served_models.py`), a server elsewhere (`remote.py`). torch is imported when the first model loads.
"""

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core.errors import EasyError
from glm_core.serving import served_models as names
from glm_core.serving.request import (
    EngineBusy,
    EngineUnavailable,
    LoadingCancelled,
    Request,
    RequestHandle,
    ServingError,
)
from glm_core.serving.served_models import ServedModel

if TYPE_CHECKING:
    from glm_core.serving.batch import Sequence
    from glm_core.serving.session import Loaded, Session

log = logging.getLogger(__name__)

Progress = Callable[[str, float | None], None]


class Engine:
    """Answers requests with one copy of one base's weights and any number of adapters.

    Args:
        rows: answers computed together; more share the cost of reading the weights.
        waiting: requests that may wait beyond those.
        each: of these, how many one owner may have.
    """

    local = True
    "Models are in this process, where they can be measured and their adapters given a strength."

    def __init__(self, rows: int = 16, waiting: int = 16, each: int = 16):
        self._rows, self._bound, self._each = rows, waiting, each
        self._changed = threading.Condition()
        self._queue: deque[RequestHandle] = deque()
        self._jobs: deque[tuple[Callable, Future, Path | None]] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._served: dict[str, float] = {}  # owner -> when a request of theirs was last taken
        self._seconds = 3.0  # moving average of an answer's time, for Retry-After
        self._session: Session | None = None
        self.progress: tuple[str, float | None] | None = None
        "Stage (a text key) and share done while a model loads, else None."
        self._latest: tuple[str, float | None] | None = None  # the stage last noted, also once nothing loads any more
        self.loading: Path | None = None
        "The base that is being loaded, else None."
        self._unwanted = threading.Event()  # of the loading under way

    # what anybody may ask

    @property
    def loaded(self) -> "Loaded | None":
        """The model in memory, None where none is."""
        session = self._session
        return None if session is None else session.info

    @property
    def held(self) -> int:
        """Bytes of a card that `unload` gives back."""
        session = self._session
        return 0 if session is None else session.held

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    @property
    def answering(self) -> int:
        """Requests that are being answered."""
        session = self._session
        return 0 if session is None else len(session.rows)

    def catalogue(self) -> list[ServedModel]:
        """Everything `Request.model` may name."""
        return names.catalogue()

    def find(self, name: str) -> ServedModel:
        """The choice of that name.

        Raises:
            UnknownModel: there is none.
        """
        return names.find(name)

    def submit(self, request: Request) -> RequestHandle:
        """Queue `request`. Returns at once; the answer comes on the handle.

        Raises:
            UnknownModel: no model of that name.
            EngineBusy: the queue is full, or this owner's share of it.
            EngineUnavailable: the program is stopping.
        """
        handle = RequestHandle(request, self.find(request.model))
        with self._changed:
            if self._closed:
                raise EngineUnavailable("serving.closing")
            mine = sum(one.request.owner == request.owner for one in self._queue)
            if len(self._queue) >= self._bound or mine >= self._each:
                raise EngineBusy("serving.busy", self._retry_after(), waiting=len(self._queue))
            self._queue.append(handle)
            self._number_queue()
            self._start()
            self._changed.notify()
        return handle

    def load(
        self, path: str | Path, progress: Progress | None = None, cancelled: threading.Event | None = None
    ) -> "Loaded":
        """Make the base in folder `path` the one in memory. Waits until running answers are done and it is loaded.

        Args:
            progress: called in this thread with a stage (a text key) and the share done.
            cancelled: set it, and loading ends before the next tensor; nothing is in memory then.

        Raises:
            ModelError: the folder holds no model that can be loaded.
            LoadingCancelled: `cancelled` was set.
            EngineUnavailable: the program is stopping.
        """
        return self._do(lambda: self._load(Path(path).resolve(), cancelled), progress)

    def cancel_loading(self) -> None:
        """Break off the loading under way, whoever asked for it; does nothing where none is."""
        self._unwanted.set()

    def unload(self) -> None:
        """Free the model's memory after the running answers; the next request loads it again."""
        self._do(self._unload)

    def measure(self, choice: ServedModel, work: Callable[["Session"], object], progress: Progress | None = None):
        """Run `work(session)` with the base of `choice` in the engine's thread, between two steps; returns its result.

        For what needs the model itself and not only its answers. Answers that run on the same base go on afterwards.
        """

        def run():
            self._load(choice.base)
            return work(self._session)

        return self._do(run, progress, choice.base)

    def close(self) -> None:
        """Cancel everything, stop the thread, free the memory. For the end of the program; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    # between threads

    def _do(self, work: Callable, progress: Progress | None = None, base: Path | None = None):
        """Hand `work` to the engine's thread and wait for its result, reporting progress in this thread.

        It is done once no answer runs; while `base` is the one loaded, between two steps.
        """
        future: Future = Future()
        with self._changed:
            if self._closed:
                raise EngineUnavailable("serving.closing")
            self._jobs.append((work, future, base))
            self._start()
            self._changed.notify()
        seen = None
        while progress is not None and not future.done():
            if self.progress != seen and self.progress is not None:
                seen = self.progress
                progress(*seen)
            time.sleep(0.05)
        if progress is not None and seen is None and self._latest is not None:
            progress(*self._latest)  # done between two looks
        return future.result()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
            self._thread.start()

    def _retry_after(self) -> int:
        """Seconds until a place should be free: the answers before it at their usual time."""
        return max(1, min(60, round(self._seconds * (1 + len(self._queue) / self._rows))))

    def _number_queue(self) -> None:
        """Tell every waiting handle its place, in the order in which they will be taken."""
        for place, handle in enumerate(self._order(), 1):
            handle.position = place

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

    # the engine's thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._jobs or self._queue or self.answering):
                    self._changed.wait()
                if self._closed:
                    break
            try:
                self._turn()
            except Exception as error:
                self._fail(error)
        self._shut()

    def _turn(self) -> None:
        """One round: drop what nobody wants, take in what fits, compute one token for every row."""
        self._drop()
        while self._jobs and (not self.answering or self._has(self._jobs[0][2])):
            self._run_job()
        if not self._jobs:  # a job that waits for the answers to end lets no new one begin
            self._admit()
        if self.answering:
            before = self._session.rows
            self._session.step()
            self._note_times(before)

    def _note_times(self, rows: list) -> None:
        """Remember how long answers take, for Retry-After."""
        for handle in (row.handle for row in rows if row.handle.done):
            self._seconds += 0.2 * (handle.ended - handle.started - self._seconds)

    def _drop(self) -> None:
        """End cancelled and overdue handles, running or waiting."""
        if self._session is not None:
            self._session.drop()
        with self._changed:
            for handle in [one for one in self._queue if one.cancelled or one.overdue()]:
                self._queue.remove(handle)
                error = None if handle.cancelled else EngineUnavailable("serving.waited_too_long")
                handle.finish("error" if error else "cancelled", error=error)
            self._number_queue()

    def _run_job(self) -> None:
        work, future, _base = self._jobs.popleft()
        try:
            future.set_result(work())
        except Exception as error:  # it belongs to the caller, who gets it from the future
            future.set_exception(error)

    def _admit(self) -> None:
        """Take waiting requests into the batch while there is room and they need the base that is loaded."""
        rows: list[Sequence] = []
        while self._queue and self.answering + len(rows) < self._rows:
            with self._changed:
                handle = self._order()[0]
                other_base = not self._has(handle.choice.base)
                if other_base and (self.answering or rows):
                    break  # it is next: nobody overtakes it, so the running answers end and the base can change
                self._queue.remove(handle)
                self._served[handle.request.owner] = time.monotonic()
                handle.position = 0
                self._number_queue()
            rows += self._prepared(handle)
        for group in self._session.groups(rows) if rows else ():
            self._join(group)

    def _prepared(self, handle: RequestHandle) -> "list[Sequence]":
        """The handle's row once what it needs is loaded; none where that fails, which is that handle's alone."""
        try:
            handle.state = "loading"
            self._load(handle.choice.base)
            return [self._session.prepare(handle)]
        except Exception as error:
            handle.finish("error", error=_as_serving_error(error))
            return []

    def _join(self, group: "list[Sequence]") -> None:
        """Begin answers whose prompts are computed together; what goes wrong with several is tried again one by one."""
        try:
            self._session.join(group)
        except Exception as error:
            untouched = not any(row.handle.completion_tokens for row in group)
            for row in group:
                if untouched and len(group) > 1:
                    self._join([row])
                else:
                    row.end("error", _as_serving_error(error))

    def _has(self, path: Path | None) -> bool:
        return self._session is not None and self._session.info.path == path

    def _load(self, path: Path, cancelled: threading.Event | None = None) -> "Loaded":
        if self._has(path):
            return self._session.info
        self._unload()
        self._unwanted, self.loading = cancelled or threading.Event(), path
        try:
            self._note_progress("serving.starting", None)
            from glm_core.serving.session import Session

            self._session = Session.load(path, self._note_progress)
        except Exception as error:
            _free(error)
            raise
        finally:
            self.progress = self.loading = None
        return self._session.info

    def _note_progress(self, stage: str, fraction: float | None) -> None:
        """Called between two tensors: the place where loading can be broken off."""
        if self._unwanted.is_set():
            raise LoadingCancelled("serving.load_cancelled", name=self.loading.name)
        self.progress = self._latest = (stage, fraction)

    def _unload(self) -> None:
        if self._session is not None:
            from glm_core.serving.session import release_memory

            self._session = None
            release_memory()

    def _fail(self, error: Exception) -> None:
        """A step failed: its answers end with what they have, the engine goes on."""
        log.error("the engine's step failed", exc_info=error)
        if self._session is not None:
            self._session.clear("error", _as_serving_error(error))

    def _shut(self) -> None:
        """The last words of the thread: nobody is left waiting."""
        closing = EngineUnavailable("serving.closing")
        if self._session is not None:
            self._session.clear("cancelled")
        with self._changed:
            for handle in self._queue:
                handle.finish("error", error=closing)
            for _work, future, _base in self._jobs:
                future.set_exception(closing)
            self._queue.clear()
            self._jobs.clear()
        self._unload()


def _free(error: Exception) -> None:
    """Give back what a model had taken that did not get ready: the error's frames still hold it."""
    from glm_core.serving.session import release_memory

    traceback.clear_frames(error.__traceback__)
    release_memory()


def _as_serving_error(error: Exception) -> ServingError:
    """Return what went wrong as an error that the API and pages can show; a defect is logged with its traceback."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, EasyError):
        return EngineUnavailable("serving.cannot_load", why=error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return EngineUnavailable("serving.out_of_memory")
    log.error("an answer failed", exc_info=error)
    return EngineUnavailable("serving.failed", why=type(error).__name__)
