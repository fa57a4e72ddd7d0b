"""Thoughts on the chat and compare pages: whether a model thinks, and what it thought, folded."""

import streamlit as st

from glm_core.i18n import t
from glm_core.markdown import harmless, literal

CHOICES = {"default": None, "on": True, "off": False}
TAIL = 90
"Characters of a growing thought that are shown."


def draw(key: str) -> bool | None:
    """Let a person choose; returns `Request.thinking`."""
    st.session_state.setdefault(key, "default")
    chosen = st.segmented_control(
        t("chat.think"),
        list(CHOICES),
        format_func=lambda name: t(f"chat.think.{name}"),
        key=key,
        help=t("chat.think_help"),
        required=True,
        persist_state="session",
    )
    return CHOICES[chosen]


def draw_folded(thought: str, seconds: float | None) -> None:
    """A finished thought, folded, with how long it took."""
    label = t("chat.thought") if seconds is None else t("chat.thought_for", seconds=f"{seconds:.1f}")
    with st.expander(label, icon=":material/psychology:"):
        st.markdown(harmless(thought))


def draw_growing(thought: str, seconds: float | None, place) -> None:
    """One line while the model thinks: for how long, and the end of what it thinks."""
    line = " ".join(thought.split())
    shown = ("…" if len(line) > TAIL else "") + line[-TAIL:]
    place.caption(f":material/psychology: {t('chat.thinking_for', seconds=f'{seconds or 0:.0f}')}  \n{literal(shown)}")
