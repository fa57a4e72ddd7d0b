"""Widgets that several pages draw, which Streamlit has not."""

import streamlit as st

from glm_core import ui
from glm_core.i18n import t
from glm_core.machine import machine as this_machine

STATE_COLOURS = {
    "queued": "gray",
    "running": "green",
    "stopping": "orange",
    "stopped": "gray",
    "finished": "green",
    "failed": "red",
}

RANGES = "ranges"
"Session state: the range that each field for a number had when it was drawn last."


def empty_state(text_key: str, button_key: str, page: str, **query: str) -> None:
    """Draw a sentence about what belongs here and the one button that fills it.

    Args:
        text_key: the sentence.
        button_key: the label of the button that leads to `page`.
    """
    with st.container(border=True, horizontal_alignment="center", key=f"empty-{page}"):
        st.space("small")
        st.markdown(t(text_key), text_alignment="center")
        if st.button(t(button_key), type="primary", key=f"empty-go-{page}"):
            ui.go(page, **query)
        st.space("small")


def draw_idle_gpus() -> None:
    """Say what to do about a GPU that is present and cannot be used."""
    for gpu in this_machine.idle_gpus():
        st.warning(t(gpu.obstacle, name=gpu.name), icon=":material/memory:")
        st.code(gpu.command, language="bash", wrap_lines=True)


def state_badge(state: str) -> str:
    """Return a run's state as a colored word in Markdown."""
    return f":{STATE_COLOURS[state]}-badge[{t(f'ui.state.{state}')}]"


def secret_input(label: str, *, key: str, help: str) -> str:
    """A field for a token or an API key, masked by the style of keys that begin with `secret`.

    Not of Streamlit's type for passwords: outside a form, a browser sends what is in one with the Enter key only.
    """
    return st.text_input(label, key=f"secret-{key}", help=help, autocomplete="off").strip()


def number_input(label: str, low, high, usual=None, *, key: str, **options):
    """A field for a number from `low` to `high` (None: without end); returns None where it holds no such number, and says so beneath it.

    Streamlit, told the range, keeps the last good number instead and says so in English only; of letters it makes a number.

    Args:
        usual: what it holds at first, and again where another range than before leaves out what it holds; without it
            the session has the number already.
        options: of `st.number_input`.
    """
    ranges = st.session_state.setdefault(RANGES, {})
    moved = ranges.get(key, (low, high)) != (low, high) and not _is_within(st.session_state.get(key), low, high)
    if usual is not None and (moved or key not in st.session_state):
        st.session_state[key] = usual
    ranges[key] = (low, high)
    if isinstance(low, int):
        options.setdefault("step", 1)  # without which Streamlit takes it for a field of real numbers
    return checked_number(label, low, high, st.number_input(label, value=None, key=key, **options))


def checked_number(label: str, low, high, number):
    """Return `number` where it is one from `low` to `high`, else None, with a sentence that names the field and its range."""
    if _is_within(number, low, high):
        return number
    st.error(number_range(label, low, high), icon=":material/error:")
    return None


def _is_within(number, low, high) -> bool:
    return number is not None and low <= number and (high is None or number <= high)


def number_range(label: str, low, high) -> str:
    """Return the sentence that says what a field takes."""
    low, high = (f"{one:g}" if isinstance(one, float) else one for one in (low, high))
    return t("ui.number_from" if high is None else "ui.number_range", label=label, low=low, high=high)


def name_uploader(word: str) -> None:
    """Label the button of the page's file uploader with `word`; Streamlit labels it in English only.

    The line beneath it, also English, is hidden: formats and size belong in the uploader's tooltip. Where a file is refused, beneath it
    stands why; Streamlit shows a red mark, and says it in English to those who hover over it.
    """
    refused = t("ui.upload_refused", limit=st.get_option("server.maxUploadSize"))
    ui.draw_markup("uploader_style", word=word, refused=refused)
