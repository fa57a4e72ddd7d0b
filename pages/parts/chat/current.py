"""The conversation in view on the chat page: which one it is, and what changes it."""

from collections.abc import Callable

import streamlit as st

from glm_core import ui
from glm_core.chat import conversations
from glm_core.chat.conversation_list import Listed
from glm_core.chat.conversations import Conversation
from glm_core.errors import EasyError


def current(user: str) -> Conversation:
    """The one in this session, else the one in the address, else a new one."""
    if "conversation" not in st.session_state:
        known = st.query_params.get("c")
        st.session_state.conversation = (known and find(user, known)) or Conversation(user)
    return st.session_state.conversation


def follow_address(user: str) -> None:
    """Another page sent the reader here to talk to one model: a new conversation with it, once."""
    wanted = [st.query_params.pop(name) for name in ("run", "model") if name in st.query_params]
    if wanted:
        show(Conversation(user, model=wanted[0]))


def find(user: str, identifier: str) -> Conversation | None:
    """A stored conversation by what the address says, which may be nonsense."""
    try:
        return conversations.get(user, identifier)
    except EasyError:
        return None


def show(conversation: Conversation) -> None:
    """Put `talk` in view."""
    st.session_state.conversation = conversation
    for name in ("editing", "correcting"):
        st.session_state.pop(name, None)
    if conversation.messages:
        st.query_params["c"] = conversation.id
    else:
        st.query_params.pop("c", None)
    if conversation.model:
        st.session_state.model = conversation.model


def act(change: Callable, *arguments) -> None:
    """Change the conversation in view, then let the page answer its open end."""
    change(*arguments)
    st.session_state.pop("editing", None)
    st.session_state.answering = True
    st.query_params["c"] = st.session_state.conversation.id


def open_listed(one: Listed) -> None:
    """Put a stored conversation in view; one that was deleted in another tab stays out of it."""
    conversation = one.open()
    if conversation is not None:
        show(conversation)


def delete(one: Listed, here: bool) -> None:
    """Delete a stored conversation; a new one takes the place of the one in view."""
    conversation = one.open()
    if conversation is None:
        return
    conversation.remove()
    ui.note("audit.chat.remove", one.id)
    if here:
        show(Conversation(one.user, model=conversation.model))
