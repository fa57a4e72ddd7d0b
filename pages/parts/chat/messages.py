"""The messages of the chat page, each with what can be done to it."""

from pathlib import Path

import streamlit as st

from glm_core import ui, workspace
from glm_core.chat.conversations import Conversation
from glm_core.chat.messages import LONGEST, VOTES, can_go_on, footnotes
from glm_core.i18n import t
from glm_core.markdown import harmless, literal
from pages.parts import thinking_control
from pages.parts.chat import row_editor, too_long
from pages.parts.chat.current import act

THUMBS = dict(enumerate(reversed(VOTES)))
"What streamlit's thumbs mean: 0 = down, 1 = up."


def draw(conversation: Conversation, place: int, trainer: bool) -> None:
    """One message.

    Args:
        trainer: whether the reader may turn an answer into a row to train on.
    """
    message = conversation.messages[place]
    with st.chat_message(message["role"], avatar=avatar(message)):
        if message["role"] == "user":
            draw_question(conversation, place)
        else:
            draw_answer(conversation, place, trainer)


def avatar(message: dict) -> str | Path:
    """The reader, the original, or the seal of a tuned model."""
    if message["role"] == "user":
        return ":material/person:"
    provenance = message.get("stamp") or {}
    return workspace.ASSETS / "seal.svg" if provenance.get("adapter") else ":material/smart_toy:"


def draw_question(conversation: Conversation, place: int) -> None:
    """The user's message, or the form to edit it."""
    if st.session_state.get("editing") == place:
        draw_edit(conversation, place)
        return
    with st.container(horizontal=True, vertical_alignment="top"):
        st.markdown(literal(conversation.messages[place]["content"]))
        st.button(
            "",
            icon=":material/edit:",
            help=t("chat.edit"),
            key=f"edit-{place}",
            type="tertiary",
            on_click=ui.checked(lambda: st.session_state.update(editing=place)),
        )


def draw_edit(conversation: Conversation, place: int) -> None:
    """Ask something else instead; what came after it goes."""
    with st.form(f"edit-{place}", border=False):
        content = conversation.messages[place]["content"]
        new = st.text_area(t("chat.edit"), content, key=f"edited-{place}", label_visibility="collapsed")
        with st.container(horizontal=True):
            sent = st.form_submit_button(t("chat.resend"), type="primary")
            closed = st.form_submit_button(t("chat.cancel"))
    if sent and len(new.strip()) > LONGEST:
        st.error(too_long.sentence(new.strip()), icon=":material/content_cut:")
        return
    if sent and new.strip():
        act(conversation.revise, place, new.strip())
    elif closed:
        st.session_state.pop("editing")
    if sent or closed:
        st.rerun()


def draw_answer(conversation: Conversation, place: int, trainer: bool) -> None:
    """The assistant's message, its speed and model, and the buttons under it."""
    message = conversation.messages[place]
    draw_said(message)
    with st.container(horizontal=True, vertical_alignment="center", key=f"do-{place}"):
        with st.popover("", icon=":material/content_copy:", help=t("chat.copy"), type="tertiary", key=f"copy-{place}"):
            st.code(message["content"], language=None, wrap_lines=True)
        if message["content"].strip():
            draw_vote(conversation, place)
            if trainer:
                icon, help, act_on = (
                    ":material/edit_note:",
                    t("chat.row"),
                    {"on_click": ui.checked(row_editor.open_for), "args": (place,)},
                )
                st.button("", icon=icon, help=help, key=f"row-{place}", type="tertiary", **act_on)
        if place == len(conversation.messages) - 1:
            draw_retry(conversation)


def draw_said(message: dict) -> None:
    """What the assistant thought and said, and the notes under it."""
    if thought := message.get("reasoning_content"):
        thinking_control.draw_folded(thought, message.get("reasoning_seconds"))
    st.markdown(harmless(message["content"]) or f":gray[{t('chat.nothing')}]")
    st.caption("  \n".join(footnotes(message)))


def draw_to_read(message: dict) -> None:
    """One message of somebody else's conversation, with nothing to press."""
    with st.chat_message(message["role"], avatar=avatar(message)):
        if message["role"] == "user":
            st.markdown(literal(message["content"]))
        else:
            draw_said(message)


def draw_vote(conversation: Conversation, place: int) -> None:
    """Thumbs up and down; a second click takes the vote back."""
    key = f"vote-{conversation.id}-{place}"
    kept = {vote: thumb for thumb, vote in THUMBS.items()}
    st.session_state[key] = kept.get(conversation.messages[place].get("vote"))  # the answer may have been replaced
    st.feedback("thumbs", key=key, on_change=ui.checked(vote), args=(conversation, place, key))


def vote(conversation: Conversation, place: int, key: str) -> None:
    """Keep the reader's vote with the answer."""
    chosen = THUMBS.get(st.session_state[key])
    conversation.vote(place, chosen)
    conversation.save()
    ui.note("audit.chat.vote", f"{conversation.id} · {place // 2 + 1} · {chosen or '-'}")


def draw_retry(conversation: Conversation) -> None:
    """The last answer anew, or further where it has not come to its end."""
    icon, help = ":material/refresh:", t("chat.again")
    st.button(
        "", icon=icon, help=help, on_click=ui.checked(act), args=(conversation.again,), key="again", type="tertiary"
    )
    if can_go_on(conversation.messages[-1]):
        label, icon = t("chat.go_on"), ":material/east:"
        st.button(label, icon=icon, on_click=ui.checked(act), args=(conversation.go_on,), key="go-on", type="tertiary")
