"""A message that is longer than a conversation keeps: said, and held in a field in which it can be shortened or copied.

The input box has no limit of its own: Streamlit's drops a longer paste without a word.
"""

from collections.abc import Callable

import streamlit as st

from glm_core import models, ui
from glm_core.chat.messages import LONGEST
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.serving.served_models import ServedModel

HELD = "too-long"
"Session state: the message, as it stands in the field."


def hold(text: str) -> bool:
    """Keep `text` for the field if it is too long to be sent; returns whether it is."""
    if len(text) <= LONGEST:
        return False
    st.session_state[HELD] = text
    return True


def sentence(text: str, choice: ServedModel | None = None) -> str:
    """Return how long `text` is, how long it may be, and how much the model reads."""
    words = t("chat.too_long", length=f"{len(text):,}", most=f"{LONGEST:,}")
    context = context_of(choice) if choice else 0
    return words + (t("chat.too_long_context", name=literal(choice.title), tokens=f"{context:,}") if context else "")


def context_of(choice: ServedModel) -> int:
    """Tokens of the model's context, 0 where that is not known here."""
    try:
        return models.describe(choice.base).context_length
    except (EasyError, OSError):
        return 0


def draw(choice: ServedModel, send: Callable[[str], None]) -> None:
    """The message that was too long, where there is one; `send` takes what is left of it."""
    if HELD not in st.session_state:
        return
    with st.container(border=True, key="too-long-message"):
        st.warning(sentence(st.session_state[HELD], choice), icon=":material/content_cut:")
        hidden = {"label_visibility": "collapsed", "persist_state": "session"}
        st.text_area(t("chat.too_long_text"), key=HELD, height=260, **hidden)
        with st.container(horizontal=True):
            st.button(t("chat.too_long_send"), key="too-long-send", on_click=ui.checked(take), args=(send,))
            st.button(t("chat.too_long_drop"), key="too-long-drop", type="tertiary", on_click=ui.checked(drop))


def take(send: Callable[[str], None]) -> None:
    """Send what is left of the message if it fits now."""
    text = st.session_state[HELD].strip()
    if text and len(text) <= LONGEST:
        drop()
        send(text)


def drop() -> None:
    """Forget the message."""
    st.session_state.pop(HELD, None)
