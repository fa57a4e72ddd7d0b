"""The answer of the chat page while it is computed.

It is in the conversation before it is computed and grows there, so that whatever ends the script (stop, another page, a
closed tab) leaves the text so far; leaving the loop cancels the computation. A stopped script cannot draw any more:
`settle`, a fragment of its own, then draws the page anew.
"""

import time

import streamlit as st

from glm_core import lifecycle, state, ui
from glm_core.chat.conversations import Conversation
from glm_core.i18n import t
from glm_core.markdown import harmless
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from pages.parts import thinking_control
from pages.parts.chat import messages, sampling_controls

POLL_SECONDS = 0.1
DRAW_SECONDS = 0.05
SAVE_SECONDS = 2.0
SETTLE_SECONDS = 0.5


def answer(conversation: Conversation, choice: ServedModel, fields: dict, typed: bool) -> None:
    """Compute the open answer into the page and the conversation; one that has begun goes on in the same bubble.

    Args:
        typed: whether the question was typed just now; the input box then has a stop button, else there is one here.
    """
    conversation.model = choice.name
    keep = conversation.begin_answer()
    seal = {"role": "assistant", "stamp": {"adapter": choice.tuned}}
    with st.chat_message("assistant", avatar=messages.avatar(seal)):
        thought, place, wait = st.empty(), st.empty(), st.empty()
        place.markdown(harmless(conversation.beginning))
        if not typed:
            st.button(t("chat.stop"), icon=":material/stop_circle:", key="stop", type="tertiary")
        # an answer left for another page has nobody to settle it, and must not end this one
        st.session_state.computing = False
        settle()
        told = conversation.prompt(system=sampling_controls.about(str(choice.base))[1])
        begun = {"beginning": conversation.beginning.strip(), "thought": conversation.thought}
        handle = state.engine().submit(Request(told, choice.name, owner=conversation.user, **begun, **fields))
        st.session_state.computing = True
        with lifecycle.saving_answer():
            try:
                stream(handle, conversation, (thought, place, wait))
                st.session_state.computing = False
            except Exception:
                st.session_state.computing = False  # not stopped: the page stays as it is, with the reason
                raise
            finally:
                handle.cancel()
                keep(handle)


@ui.fragment(run_every=SETTLE_SECONDS)
def settle() -> None:
    """Runs only while no script does: an answer that is still marked as computing then was stopped."""
    if st.session_state.get("computing"):
        st.session_state.computing = False
        st.rerun()


def stream(handle: RequestHandle, conversation: Conversation, places: tuple) -> None:
    """Draw the handle until it is done: its place in the queue, what is being loaded, its thought, then its text."""
    thought, place, wait = places
    drawn, saved, folded = 0.0, 0.0, False
    for _piece in handle.follow(POLL_SECONDS):
        now = time.monotonic()
        if not handle.completion_tokens and not handle.done:
            draw_wait(handle, wait)
        elif now - drawn > DRAW_SECONDS or handle.done:
            wait.empty()
            conversation.messages[-1]["content"] = handle.text
            if handle.reasoning and not folded:
                folded = draw_thought(handle, conversation, thought)
            place.markdown(harmless(handle.text))
            drawn = now
        if now - saved > SAVE_SECONDS:
            conversation.save()
            saved = now


def draw_thought(handle: RequestHandle, conversation: Conversation, place) -> bool:
    """Draw the thought and keep it with the answer; returns whether it has ended and is folded now."""
    ended = bool(handle.text) or handle.thought_ended is not None
    conversation.messages[-1]["reasoning_content"] = handle.reasoning
    conversation.messages[-1]["reasoning_seconds"] = handle.reasoning_seconds
    if not ended:
        thinking_control.draw_growing(handle.reasoning, handle.reasoning_seconds, place)
        return False
    with place.container():
        thinking_control.draw_folded(handle.reasoning, handle.reasoning_seconds)
    return True


def draw_wait(handle: RequestHandle, place) -> None:
    """One line that says what the answer waits for."""
    stage = state.engine().progress
    if handle.state == "waiting" and handle.position:
        place.caption(t("chat.queue", place=handle.position))
    elif stage is not None and stage[1] is not None:
        place.progress(stage[1], t(stage[0]))
    else:
        place.caption(t(stage[0] if stage else "chat.thinking"))
