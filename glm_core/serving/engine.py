"""The engine of this process: one thread owns the model; a request gets a handle and a place in a bounded queue.

A request joins the running batch between two steps and leaves it when done. Loading, unloading and changing the base
happen between steps too. Not here: order and admission (`scheduler.py`), the decode loop (`batch.py`), names of models
(`served_models.py`), a server elsewhere (`remote/`). torch is imported when the first model loads.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from glm_core.permissions import needs
from glm_core.serving import served_models as names
from glm_core.serving.base import LoadedBase, LogLikelihood, Progress, as_serving_error
from glm_core.serving.base_in_memory import BaseInMemory
from glm_core.serving.errors import EngineUnavailable, LoadingCancelled
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.scheduler import PieceSize, Scheduler
from glm_core.serving.served_models import ServedModel

if TYPE_CHECKING:
    import numpy

    from glm_core.serving.batching import sequence
    from glm_core.serving.session import Session

log = logging.getLogger(__name__)

MEASURED_TOGETHER = 8
"Texts measured between two steps, so that nobody waits long for an answer."
CLOSING_SECONDS = 0.5
"At the end of the program, how long running answers may go on; those that need longer end in an error."
PATIENCE_SECONDS = 0.2
"At the end of the program, how long the engine's thread is waited for beyond that; an import of torch takes longer."
IDLE_SECONDS = 0.02

R = TypeVar("R")
T = TypeVar("T")


class LocalEngine:
    """Answers requests with one copy of one base's weights and any number of adapters.

    Args:
        rows: answers computed together; more share the cost of reading the weights.
        waiting: requests that may wait beyond those.
        each: of these, how many one owner may have, or a function that says so just now; None = all.
        grace: seconds for which running answers may go on once `close` is called.
        piece: tokens of prompts computed between two steps; None finds as many as take about two steps.
    """

    local = True
    "Models are in this process, where they can be measured and their adapters given a strength."

    def __init__(
        self,
        rows: int = 16,
        waiting: int = 16,
        each: int | Callable[[], int | None] | None = None,
        grace: float = CLOSING_SECONDS,
        piece: int | None = None,
    ):
        self._grace, self._fixed_piece = grace, piece
        self._piece = PieceSize(fixed=piece)
        self._scheduler = Scheduler(rows, waiting, each)
        self._changed = threading.Condition()
        self._jobs: deque[tuple[Callable, Future, Path | None]] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._deadline = 0.0  # until when `close` waits
        self._entering: RequestHandle | None = None  # for which a base is being loaded
        self._memory = BaseInMemory()

    # what anybody may ask

    @property
    def loaded(self) -> LoadedBase | None:
        """The model in memory, None where none is."""
        session = self._session
        return None if session is None else session.info

    @property
    def progress(self) -> tuple[str, float | None] | None:
        """Stage (a text key) and share done while a model loads, else None."""
        return self._memory.progress

    @property
    def loading(self) -> Path | None:
        """The folder of the base that is being loaded, else None."""
        return self._memory.loading

    @property
    def held(self) -> int:
        """Bytes of a GPU that `unload` gives back."""
        session = self._session
        return 0 if session is None else session.held

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._scheduler)

    @property
    def answering(self) -> int:
        """Requests that are being answered."""
        session = self._session
        return 0 if session is None else len(session.rows) + len(session.prepared)

    def catalogue(self) -> list[ServedModel]:
        """All models that `Request.model` may name."""
        return names.catalogue()

    def check(self) -> None:
        """Do nothing: models are in this process."""

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
        self._scheduler.check(request.owner, self._memory.path)  # first: a full queue costs no look at the disk
        handle = RequestHandle(request, self.find(request.model))
        with self._changed:
            self._check_open()
            self._scheduler.add(handle, self._memory.path)
            self._start()
            self._changed.notify()
        return handle

    def load(
        self, path: str | Path, progress: Progress | None = None, cancelled: threading.Event | None = None
    ) -> LoadedBase:
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
        self._memory.cancel()

    @needs("trainer")
    def unload(self) -> None:
        """Free the model's memory after the running answers; the next request loads it again."""
        self._do(self._memory.unload)

    def fits(self, model: ServedModel, questions: Sequence[str]) -> list[bool]:
        """Return for every question whether it leaves room for an answer in the context of `model`."""
        return self._between_steps(model, lambda session: [session.fits(question) for question in questions])

    def log_likelihoods(
        self, model: ServedModel, texts: Sequence[tuple[str, str]], plain: bool = False
    ) -> list[LogLikelihood]:
        """Return how likely the answer of each pair (question, answer) is; see `base.Engine`."""
        return self._measure(model, texts, lambda session, some: session.log_likelihoods(model, some, plain))

    def kl_divergences(self, model: ServedModel, texts: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """Return how far `model` is from its base on each answer, and its tokens; see `base.Engine`."""
        return self._measure(model, texts, lambda session, some: session.kl_divergences(model, some))

    def first_token_distributions(self, model: ServedModel, questions: Sequence[str]) -> "list[numpy.ndarray]":
        """Return for every question the probabilities (V,) of the answer's first token; see `base.Engine`."""
        return self._between_steps(
            model, lambda session: [session.first_token_distribution(model, question) for question in questions]
        )

    def close(self) -> None:
        """Cancel everything, stop the thread, let go of the model. For the end of the program; safe to call twice."""
        with self._changed:
            self._closed = True
            self._memory.cancel()
            self._changed.notify()
            self._deadline = self._deadline or time.monotonic() + self._grace + PATIENCE_SECONDS
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=max(0.0, self._deadline - time.monotonic()))
            if self._thread.is_alive():
                self._abandon()

    # between threads

    @property
    def _session(self) -> "Session | None":
        """The base in memory with its batch; None where none is."""
        return self._memory.session

    def _check_open(self) -> None:
        if self._closed:
            raise EngineUnavailable("serving.closing")

    def _between_steps(self, model: ServedModel, work: "Callable[[Session], R]") -> R:
        """Return `work(session)`, done with the base of `model` in the engine's thread between two steps.

        Answers that run on the same base go on afterwards; those of another one end first.
        """

        def run() -> R:
            self._load(model.base)
            return work(self._session)

        return self._do(run, base=model.base)

    def _measure(
        self, model: ServedModel, texts: Sequence[T], work: "Callable[[Session, Sequence[T]], list[R]]"
    ) -> list[R]:
        """Return what `work` finds for all `texts`, of which a few at a time are measured between two steps."""
        found: list[R] = []
        for start in range(0, len(texts), MEASURED_TOGETHER):
            some = texts[start : start + MEASURED_TOGETHER]
            found += self._between_steps(model, lambda session, some=some: work(session, some))
        return found

    def _do(self, work: Callable[[], R], progress: Progress | None = None, base: Path | None = None) -> R:
        """Hand `work` to the engine's thread and wait for its result, reporting progress in this thread.

        It is done once no answer runs; while `base` is the one loaded, between two steps.
        """
        future: Future = Future()
        with self._changed:
            self._check_open()
            self._jobs.append((work, future, base))
            self._start()
            self._changed.notify()
        seen = None
        while progress is not None and not future.done():
            if self.progress != seen and self.progress is not None:
                seen = self.progress
                progress(*seen)
            time.sleep(0.05)
        if progress is not None and seen is None and self._memory.latest is not None:
            progress(*self._memory.latest)  # done between two looks
        return future.result()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
            self._thread.start()

    # the engine's thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._jobs or self.waiting or self.answering):
                    self._changed.wait()
                if self._closed:
                    break
            try:
                self._turn()
            except Exception as error:
                self._fail(error)
        self._shut()

    def _turn(self) -> None:
        """One round: drop what nobody wants, take in what fits, compute prompts of one group and one token for every row."""
        self._drop()
        while self._jobs and (not self.answering or self._memory.path == self._jobs[0][2]):
            self._run_job()
        if not self._jobs:  # a job that waits for the answers to end lets no new one begin
            self._admit()
        if self.answering:
            self._advance()
        else:
            with self._changed:
                if self.waiting and not (self._closed or self._jobs):
                    self._changed.wait(IDLE_SECONDS)  # for what the scheduler keeps the base in memory

    def _advance(self) -> None:
        """Prompts of the requests that have been taken in, as many tokens as the running answers can wait for; then a step."""
        began, before = time.monotonic(), self._session.rows
        room, tokens = self._piece.room(bool(before)), 0
        if group := self._session.next_group(room):
            tokens = self._join(group, room)
        stepped = self._session.rows
        self._session.step()
        self._piece.note(tokens, bool(before), time.monotonic() - began)
        for handle in (row.handle for row in stepped if row.handle.done and row.handle.started is not None):
            self._scheduler.note_answer(handle.ended - handle.started)

    def _drop(self) -> None:
        """End cancelled and overdue handles, running or waiting."""
        if self._session is not None:
            self._session.drop()
        self._scheduler.drop()

    def _run_job(self) -> None:
        work, future, _base = self._jobs.popleft()
        try:
            future.set_result(work())
        except Exception as error:  # it belongs to the caller, who gets it from the future
            future.set_exception(error)

    def _admit(self) -> None:
        """Take waiting requests in while there is room and they need the base that is loaded."""
        while handle := self._scheduler.next(self._memory.path, self.answering):
            try:
                handle.state, self._entering = "loading", handle
                self._load(handle.choice.base)
                self._session.prepare(handle)
            except Exception as error:  # that handle's alone
                handle.finish("error", error=as_serving_error(error))
            finally:
                self._entering = None

    def _join(self, group: "list[sequence.Sequence]", room: int) -> int:
        """Compute prompts together, or a piece of one; what goes wrong with several is tried again one by one.

        Returns:
            Tokens that were computed.
        """
        try:
            return self._session.join(group, room)
        except Exception as error:
            untouched = not any(row.handle.completion_tokens for row in group)
            if untouched and len(group) > 1:
                return sum(self._join([row], room) for row in group)
            for row in group:
                row.end("error", as_serving_error(error))
            return 0

    def _load(self, path: Path, cancelled: threading.Event | None = None) -> LoadedBase:
        if cancelled is not None and cancelled.is_set():  # before its turn came: what is in memory stays
            raise LoadingCancelled("serving.load_cancelled", name=path.name)
        if self._memory.path != path:
            session = self._memory.load(path, cancelled)
            self._scheduler.note_load(session.info.seconds)
            self._piece = PieceSize(session.smallest_piece, self._fixed_piece)
        return self._session.info

    def _fail(self, error: Exception) -> None:
        """A step failed: its answers end with what they have, the engine goes on."""
        log.error("the engine's step failed", exc_info=error)
        if self._session is not None:
            self._session.clear("error", as_serving_error(error))

    def _shut(self) -> None:
        """The end of the thread: answers about to end may, the others and whoever waits get an error."""
        closing = EngineUnavailable("serving.closing")
        self._refuse_waiting(closing)
        try:
            self._finish_rows()
        except Exception as error:
            self._fail(error)
        if self._session is not None:
            self._session.clear("error", closing)
            self._memory.session = None  # and no collection: callers wait for the end, which frees the memory anyway

    def _refuse_waiting(self, closing: EngineUnavailable) -> None:
        self._scheduler.clear(closing)
        with self._changed:
            for _work, future, _base in self._jobs:
                future.set_exception(closing)
            self._jobs.clear()

    def _abandon(self) -> None:
        """End what the thread, which is in something long such as a load, cannot end in time. Called by other threads."""
        closing = EngineUnavailable("serving.closing")
        self._refuse_waiting(closing)
        session, entering = self._session, self._entering
        rows = () if session is None else (*session.rows, *session.prepared)
        for handle in (*((entering,) if entering else ()), *(row.handle for row in rows)):
            handle.finish("error", error=closing)

    def _finish_rows(self) -> None:
        """Go on with the running answers for a bounded time; prompts that are not computed yet stay so."""
        deadline = time.monotonic() + self._grace
        while self._session is not None and self._session.rows and time.monotonic() < deadline:
            self._session.drop()
            self._session.step()
