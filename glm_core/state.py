"""Objects that pages and API share, one each per process: the engine, the launcher of runs, the reports, the state of sharing.

They are made on first use: the engine's package imports torch, and the home page must not wait for that.
"""

import gc
import os
import threading
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import config, runtime
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from glm_core.auth.network import descriptors
from glm_core.auth.network.addresses import LOCAL_HOSTS
from glm_core.auth.network.page_sockets import PageSockets, SocketLimits
from glm_core.auth.network.sharing import Sharing
from glm_core.jobs import Turn
from glm_core.machine import machine as this_machine
from glm_core.machine.imports import importing
from glm_core.serving.errors import EngineUnavailable

if TYPE_CHECKING:
    from glm_core.serving.base import Engine, LoadedBase


WAITING = 128
"Longest queue of requests before the next one is told to come back later: enough for a class of forty and their scripts."
SHARE = 64
"Of these, how many one account may have."
PAGES_MESSAGES = frozenset(("rerun_script", "stop_script", "app_heartbeat", "file_urls_request"))
PAGES_OPERATIONS = frozenset(("deferred_file", "dataframe_chunk"))
LOADER_LACKS_MEMORY = ("failed to map segment", "cannot allocate memory")
"What the loader of the system's libraries says where memory is short or a limit on it is reached."
pages_ended = threading.Event()
engines: "list[Engine]" = []


@st.cache_resource(show_spinner=False)
def engine() -> "Engine":
    """The `glm_core.serving.engine.LocalEngine` of this process, which owns the loaded model.

    Where EASYAIGC_ENGINE is the address of an OpenAI-compatible server (up to and with /v1; its key in EASYAIGC_ENGINE_KEY), the one
    that asks that server instead.

    Raises:
        EngineUnavailable: this process has not the memory to load torch.
    """
    if address := os.environ.get("EASYAIGC_ENGINE", ""):
        from glm_core.serving.remote import RemoteEngine

        engines.append(RemoteEngine(address, os.environ.get("EASYAIGC_ENGINE_KEY", "")))
        return engines[-1]
    try:
        with importing():
            import glm_core.serving.session  # noqa: F401 - the libraries that load a model, before the first is asked for
            from glm_core.serving.engine import LocalEngine
    except (ImportError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in LOADER_LACKS_MEMORY):
            raise EngineUnavailable("serving.no_memory_for_torch") from error
        raise

    gc.collect()
    gc.freeze()  # what the libraries made stays: no later collection walks it while everybody waits
    engines.append(LocalEngine(waiting=WAITING, each=_share))
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
    pages_ended.set()


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
