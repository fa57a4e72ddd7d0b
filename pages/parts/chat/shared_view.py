"""Somebody else's conversation, opened by its link: to be read, and to go on from in a conversation of one's own."""

from collections.abc import Sequence

import streamlit as st

from glm_core import ui
from glm_core.auth.accounts import Account
from glm_core.chat import shared
from glm_core.chat.shared import SharedError
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.serving.served_models import ServedModel
from pages.parts.chat import messages
from pages.parts.chat.current import show


def draw(account: Account, link: str, choices: Sequence[ServedModel]) -> None:
    """The conversation that `link` opens, or why it opens none.

    Args:
        choices: everything that can be asked here.
    """
    try:
        shown = shared.read(link, account, choices)
    except SharedError as error:
        st.info(str(error), icon=":material/link_off:")
        st.button(t("chat.fresh"), icon=":material/add_comment:", key="leave-shared", on_click=ui.checked(leave))
        return
    talk = shown.conversation
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="shared"):
        st.markdown(f":material/share: {t('chat.shared.from', owner=literal(shown.owner), name=literal(talk.name))}")
        act = {"on_click": ui.checked(go_on), "args": (account, link, choices)}
        st.button(t("chat.shared.go_on"), type="primary", icon=":material/forum:", key="go-on-shared", **act)
    if talk.system:
        st.caption(f"{t('chat.system')}: {literal(talk.system)}")
    for message in talk.messages:
        messages.draw_to_read(message)


def go_on(account: Account, link: str, choices: Sequence[ServedModel]) -> None:
    """Put a copy in view that is the reader's own; a link that was closed meanwhile says so on the page that is drawn next."""
    try:
        copy = shared.copy(link, account, choices)
    except SharedError:
        return
    leave()
    show(copy)
    ui.note("audit.chat.copy", copy.id)


def leave() -> None:
    """Go on to the reader's own conversations."""
    st.query_params.pop("shared", None)
