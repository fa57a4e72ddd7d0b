"""What every page and the API share, once a process: the engine that answers and the launcher that trains.

Both are made on first use, since the engine's room imports torch and the home page must not wait for it.
"""

import logging
import threading

import streamlit as st

from glm_core.runs import resources

TICK_SECONDS = 1.0

log = logging.getLogger(__name__)
_closing = threading.Event()
_engines: list = []


@st.cache_resource(show_spinner=False)
def engine():
    """The `glm_core.serving.engine.Engine` of this process; it owns the loaded model."""
    from glm_core.serving.engine import Engine

    _engines.append(Engine())
    return _engines[-1]


def loaded():
    """What the engine has loaded (see `Engine.loaded`), None where there is no model or not even an engine yet."""
    return _engines[-1].loaded if _engines else None


@st.cache_resource(show_spinner=False)
def launcher():
    """The `glm_core.runs.launcher.Launcher` of this process; it starts queued runs and notices ended ones."""
    from glm_core.runs.launcher import Launcher

    return Launcher(make_room=_make_room)


def _make_room(_run) -> None:
    """Free the card for a run: the loaded model is unloaded after its running answers, and comes back with the next question."""
    if loaded() is not None and resources.cards():
        engine().unload()


def start() -> None:
    """Begin watching the runs in the background. Returns at once; called when the server starts."""
    _closing.clear()
    threading.Thread(target=_watch_runs, name="runs", daemon=True).start()


def close() -> None:
    """Stop answering and watching. Training processes go on by themselves and are found again at the next start."""
    _closing.set()
    for one in _engines:
        one.close()


def _watch_runs() -> None:
    """Tick the launcher every second; an error is logged when it begins, and the next tick tries again."""
    last = None
    while not _closing.wait(TICK_SECONDS):
        try:
            launcher().tick()
            last = None
        except Exception as error:
            if repr(error) != last:
                log.exception("watching the runs failed")
            last = repr(error)
