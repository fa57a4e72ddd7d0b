"""Objects that pages and API share, one each per process: the engine, the launcher of runs, the reports, the state of sharing.

They are made on first use: the engine's package imports torch, and the home page must not wait for that.
"""

import contextlib
import gc
import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import config, runtime
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from glm_core import workspace
from glm_core.auth import accounts, database
from glm_core.auth.network import descriptors
from glm_core.auth.network.addresses import LOCAL_HOSTS
from glm_core.auth.network.page_sockets import PageSockets, SocketLimits
from glm_core.auth.network.sharing import Sharing
from glm_core.errors import EasyError
from glm_core.hub import private_hosts
from glm_core.i18n import t
from glm_core.jobs import Turn
from glm_core.machine import allocator
from glm_core.machine import machine as this_machine
from glm_core.serving.errors import EngineUnavailable
from glm_core.workspace_lock import WorkspaceLock

if TYPE_CHECKING:
    from glm_core.serving.base import Engine, LoadedBase

TICK_SECONDS = 1.0
WAITING = 128
"Longest queue of requests before the next one is told to come back later: enough for a class of forty and their scripts."
SHARE = 64
"Of these, how many one account may have."
TIDY_SECONDS = 86_400.0
LAST_USES_SECONDS = 20.0
ENDED_PAGES_SECONDS = 60.0
"How often, at most, the memory of pages that have ended is handed to the system."
SECONDS_TO_LISTEN = 0.5
SECONDS_TO_SAVE = 5.0
"How long the end of the server waits for pages to save the answers that it broke off."

PAGES_MESSAGES = frozenset(("rerun_script", "stop_script", "app_heartbeat", "file_urls_request"))
PAGES_OPERATIONS = frozenset(("deferred_file", "dataframe_chunk"))

log = logging.getLogger(__name__)
LOADER_LACKS_MEMORY = ("failed to map segment", "cannot allocate memory")
"What the loader of the system's libraries says where memory is short or a limit on it is reached."
_closing = threading.Event()
_pages_ended = threading.Event()
_locks: list[WorkspaceLock] = []
engines: "list[Engine]" = []
_answers: list[object] = []
_answers_changed = threading.Condition()


@st.cache_resource(show_spinner=False)
def engine() -> "Engine":
    """The `glm_core.serving.engine.LocalEngine` of this process, which owns the loaded model.

    Where EASYAIGC_ENGINE is the address of an OpenAI-compatible server (up to and with /v1; its key in EASYAIGC_ENGINE_KEY), the one
    that asks that server instead.

    Raises:
        EngineUnavailable: this process has not the memory to load torch.
    """
    try:
        from glm_core.serving.engine import LocalEngine
        from glm_core.serving.remote import RemoteEngine
    except (ImportError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in LOADER_LACKS_MEMORY):
            raise EngineUnavailable("serving.no_memory_for_torch") from error
        raise

    gc.collect()
    gc.freeze()  # what the libraries made stays: no later collection walks it while everybody waits
    address, key = os.environ.get("EASYAIGC_ENGINE", ""), os.environ.get("EASYAIGC_ENGINE_KEY", "")
    engines.append(RemoteEngine(address, key) if address else LocalEngine(waiting=WAITING, each=_share))
    return engines[-1]


def _share() -> int | None:
    """Places in the queue that one owner may have: all, while nobody but this computer may ask."""
    return SHARE if sharing().on else None


def made_engine() -> "Engine | None":
    """Return the engine where it has been made; making one of this process imports torch, which takes seconds and memory."""
    if os.environ.get("EASYAIGC_ENGINE"):
        return engine()
    return engines[-1] if engines else None


def loaded() -> "LoadedBase | None":
    """Return the loaded model (see `Engine.loaded`), None where there is no model or no engine yet."""
    return engines[-1].loaded if engines else None


def chat_model_gpu_bytes() -> int:
    """Return the bytes of GPU memory of the model loaded for chat, which a run gets since that model is unloaded first."""
    return engines[-1].held if engines else 0


def machine() -> this_machine.Machine:
    """Return the machine as the next run will find it: without the model loaded for chat."""
    found, taken = this_machine.machine(), chat_model_gpu_bytes()
    full = next((gpu for gpu in found.gpus if gpu.memory_used >= taken), None)
    if not taken or full is None:
        return found
    emptier = replace(full, memory_used=full.memory_used - taken)
    return replace(found, gpus=tuple(emptier if gpu is full else gpu for gpu in found.gpus))


@st.cache_resource(show_spinner=False)
def launcher():
    """The `glm_core.runs.launcher.Launcher` of this process; it starts queued runs and notices ended ones."""
    from glm_core.runs.launcher import Launcher, single_command

    return Launcher(free_gpu=free_gpu, waiting=single_command)


def _gpu_is_needed() -> bool:
    """Return whether a run trains or waits, and there is a GPU that it needs."""
    return bool(launcher().open) and bool(this_machine.gpus())


_measuring = Turn(_gpu_is_needed)


@st.cache_resource(show_spinner=False)
def reports():
    """The `glm_core.evaluation.jobs.Reports` of this process; with a GPU they wait until no run is training."""
    from glm_core.evaluation.jobs import Reports

    return Reports(engine, _measuring)


@st.cache_resource(show_spinner=False)
def benchmarks():
    """The `glm_core.evaluation.benchmark.jobs.Benchmarks` of this process; they take turns with the reports."""
    from glm_core.evaluation.benchmark.jobs import Benchmarks

    return Benchmarks(engine, _measuring)


@st.cache_resource(show_spinner=False)
def drafting():
    """The `glm_core.drafting.jobs.DraftJobs` of this process; with a GPU its own models wait until no run is training."""
    from glm_core.drafting.jobs import DraftJobs

    return DraftJobs(engine, _gpu_is_needed)


@cache
def sharing() -> Sharing:
    """The state of sharing on the network; middleware, sign-in page and settings use the same one."""
    return Sharing(
        main_address=st.get_option("server.address") or "0.0.0.0",
        allowed=st.get_option("server.allowedHosts") or LOCAL_HOSTS,
        announce=lambda names: config.set_option("server.allowedHosts", names),
        options=_server_options,
    )


def guarding() -> dict:
    """Return the arguments of `AuthMiddleware` that come from Streamlit's configuration and messages."""
    return {
        "sharing": sharing(),
        "passes": is_for_pages,
        "session_of": session_of,
        "sockets": PageSockets(descriptors.socket_limits(), end_session=_end_session),
        "base": st.get_option("server.baseUrlPath") or "",
    }


def is_for_pages(message: bytes) -> bool:
    """Return True for a message on the pages' socket that our pages send.

    Streamlit would do more for anybody with a socket: clear the caches of all, our engine and launcher among them, name the
    repository, write into the home folder.
    """
    parsed = BackMsg()
    try:
        parsed.ParseFromString(message)
    except Exception:  # no protobuf: streamlit closes the socket
        return True
    kind = parsed.WhichOneof("type")
    if kind == "backend_operation_request":
        return parsed.backend_operation_request.WhichOneof("payload") in PAGES_OPERATIONS
    return kind in PAGES_MESSAGES


def session_of(message: bytes) -> str | None:
    """Return the id of the Streamlit session that a message to the browser announces, None where it announces none."""
    parsed = ForwardMsg()
    try:
        parsed.ParseFromString(message)
    except Exception:
        return None
    return parsed.new_session.initialize.session_id or None if parsed.HasField("new_session") else None


def _end_session(session: str) -> None:
    """End a Streamlit session that nobody resumed. Streamlit itself forgets it without closing its event loop."""
    runtime.get_instance().close_session(session)
    _pages_ended.set()


def _server_options() -> dict:
    """Return the options of the network's listener: those that Streamlit gives its own uvicorn, and our bound on a message."""
    return {
        "ws_max_size": SocketLimits().account_bytes,
        "ssl_certfile": st.get_option("server.sslCertFile"),
        "ssl_keyfile": st.get_option("server.sslKeyFile"),
        "use_colors": False,
        "access_log": False,
    }


def free_gpu(_run) -> None:
    """Free the GPU for a run: unload the model after its running answers; the next question loads it again."""
    if loaded() is not None and this_machine.gpus():
        engine().unload()


def refuse_base_path() -> None:
    """End the program where it is asked to serve beneath a path; its sign-in, API and links are all at the root of an address.

    Raises:
        SystemExit: `server.baseUrlPath` is set; the terminal gets the sentence that says what to do.
    """
    path = (st.get_option("server.baseUrlPath") or "").strip("/")
    if path:
        raise SystemExit(t("app.base_path", path=path))


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
    private_hosts.refuse_when(lambda: sharing().on)
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
    for one in engines:  # first, since callers wait for it; the others may wait for a disk
        one.close()
    with _answers_changed:
        _answers_changed.wait_for(lambda: not _answers, SECONDS_TO_SAVE)
    accounts.last_uses.store()
    accounts.ended_sessions.store()
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
            launcher().tick()
            reports().follow(launcher().open)
            last = None
        except Exception as error:
            if repr(error) != last:
                log.error("%s", error, exc_info=None if isinstance(error, EasyError) else error)
            last = repr(error)


def _store_last_uses() -> None:
    """Write what waits for the file of accounts (times of last use, sessions that ended) every few seconds, and keep it open."""
    while not _closing.wait(LAST_USES_SECONDS):
        database.keep_open()
        accounts.last_uses.store()
        accounts.ended_sessions.store()


def _trim_after_pages() -> None:
    """Hand the memory of pages that have ended to the system, now and then. What they held is freed by Python's own collections.

    A collection of ours would hold everybody up: without an engine, whose making freezes the libraries, it walks all of them.
    """
    while not _closing.wait(ENDED_PAGES_SECONDS):
        if _pages_ended.is_set():
            _pages_ended.clear()
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
