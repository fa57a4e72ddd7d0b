"""The life of the server: what its start begins in the background, and what its end waits for.

Training processes go on by themselves and are found again at the next start.
"""

import contextlib
import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Iterator

from glm_core import state, workspace
from glm_core.auth import database, sessions
from glm_core.auth.network import descriptors
from glm_core.errors import EasyError
from glm_core.hub import private_hosts
from glm_core.i18n import t
from glm_core.machine import allocator
from glm_core.workspace_lock import WorkspaceLock

TICK_SECONDS = 1.0
TIDY_SECONDS = 86_400.0
LAST_USES_SECONDS = 20.0
ENDED_PAGES_SECONDS = 60.0
"How often, at most, the memory of pages that have ended is handed to the system."
SECONDS_TO_LISTEN = 0.5
SECONDS_TO_SAVE = 5.0
"How long the end of the server waits for pages to save the answers that it broke off."
log = logging.getLogger(__name__)
_closing = threading.Event()
_locks: list[WorkspaceLock] = []
_answers: list[object] = []
_answers_changed = threading.Condition()


def refuse_base_path(path: str | None) -> None:
    """End the program where it is asked to serve beneath a path; its sign-in, API and links are all at the root of an address.

    Args:
        path: Streamlit's `server.baseUrlPath`.

    Raises:
        SystemExit: it is set; the terminal gets the sentence that says what to do.
    """
    if beneath := (path or "").strip("/"):
        raise SystemExit(t("app.base_path", path=beneath))


def open_browser(url: str) -> None:
    """Open the dashboard at `url` where EASYAIGC_OPEN asks for it, as `start.py` does, and there is a screen."""
    screen = sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if os.environ.get("EASYAIGC_OPEN") == "1" and screen:
        threading.Timer(SECONDS_TO_LISTEN, webbrowser.open, [url]).start()


def start() -> None:
    """Begin watching the runs and tidying up in the background. Returns at once; called when the server starts."""
    _closing.clear()
    allocator.limit_arenas()
    descriptors.raise_limit()
    private_hosts.refuse_when(lambda: state.sharing().on)
    lock = WorkspaceLock(workspace.home())
    _locks[:] = [lock]
    if not lock.take():
        log.warning("%s", t("app.second", folder=workspace.home(), **lock.holder()))
    threading.Thread(target=_work_alone, args=(lock,), name="runs", daemon=True).start()
    threading.Thread(target=_store_last_uses, name="last-uses", daemon=True).start()
    threading.Thread(target=_trim_after_pages, name="ended-pages", daemon=True).start()


@contextlib.contextmanager
def saving_answer() -> Iterator[None]:
    """Make `close` wait until this block, which ends by saving an answer, is left."""
    mark = object()
    with _answers_changed:
        _answers.append(mark)
    try:
        yield
    finally:
        with _answers_changed:
            _answers.remove(mark)
            _answers_changed.notify_all()


def close() -> None:
    """Stop answering and watching, once the answers under way are saved as far as they came.

    Training processes go on by themselves and are found again at the next start.
    """
    _closing.set()
    for one in state.engines:  # first, since callers wait for it; the others may wait for a disk
        one.close()
    with _answers_changed:
        _answers_changed.wait_for(lambda: not _answers, SECONDS_TO_SAVE)
    sessions.last_uses.store()
    sessions.ended_sessions.store()
    database.let_go()
    for lock in _locks:
        lock.release()


def _work_alone(lock: WorkspaceLock) -> None:
    """Start runs and tidy up as long as no other dashboard on this workspace does."""
    if lock.wait(_closing):
        threading.Thread(target=_tidy, name="tidy", daemon=True).start()
        _watch_runs()


def _watch_runs() -> None:
    """Tick the launcher every second; an error is logged when it begins, and the next tick tries again."""
    last = None
    while not _closing.wait(TICK_SECONDS):
        try:
            state.launcher().tick()
            state.reports().follow(state.launcher().open)
            last = None
        except Exception as error:
            if repr(error) != last:
                log.error("%s", error, exc_info=None if isinstance(error, EasyError) else error)
            last = repr(error)


def _store_last_uses() -> None:
    """Write what waits for the file of accounts (times of last use, sessions that ended) every few seconds, and keep it open."""
    while not _closing.wait(LAST_USES_SECONDS):
        database.keep_open()
        sessions.last_uses.store()
        sessions.ended_sessions.store()


def _trim_after_pages() -> None:
    """Hand the memory of pages that have ended to the system, now and then. What they held is freed by Python's own collections.

    A collection of ours would hold everybody up: without an engine, whose making freezes the libraries, it walks all of them.
    """
    while not _closing.wait(ENDED_PAGES_SECONDS):
        if state.pages_ended.is_set():
            state.pages_ended.clear()
            allocator.trim()


def _tidy() -> None:
    """Delete leftovers of killed writes once, and expired guests' conversations now and every day."""
    from glm_core.chat import guests

    workspace.sweep_leftovers()
    while not _closing.is_set():
        try:
            guests.tidy()
        except Exception as error:
            log.error("%s", error, exc_info=error)
        _closing.wait(TIDY_SECONDS)
