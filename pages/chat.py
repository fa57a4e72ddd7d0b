"""Chat: is it any good? A conversation with the original or any tuned model, streaming, kept on disk."""

from contextlib import suppress

import streamlit as st

from glm_core import state, ui
from glm_core.auth import accounts
from glm_core.chat import guests
from glm_core.chat.conversations import Conversation
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, store
from pages.parts import share, shortened, step_in_use, widgets
from pages.parts.chat import history, messages, row_editor, sampling_controls, shared_view, streaming, too_long
from pages.parts.chat.current import act, current, follow_address, show

ADVERT = "chat.example.advert"
EXAMPLES = ("chat.example.who", "chat.example.sum", "chat.example.film", ADVERT)
WATCHED, LABEL = 4, 24  # questions of a run to begin with; characters of each that are shown


def draw_top() -> tuple:
    """The model that answers, how it does, and the way to other conversations; returns the first two."""
    with st.container(horizontal=True, key="chat-top"):
        choice = sampling_controls.choose_model(choices, conversation)
        with st.popover(t("chat.tune"), icon=":material/tune:", help=t("chat.sampling"), key="sampling"):
            fields = sampling_controls.draw(choice, conversation)
        with st.popover(t("chat.past"), icon=":material/history:", help=t("chat.history"), key="history"):
            history.draw(account, conversation)
        fresh = {"on_click": ui.checked(lambda: show(Conversation(account.folder)))}
        st.button(t("chat.fresh"), icon=":material/add_comment:", help=t("chat.start_new"), key="new", **fresh)
        if account.may("trainer"):
            run = choice.name if choice.tuned else choice.merged_run
            share.draw("chat", account, run, conversation, model=choice.name)
    if choice.tuned:
        with ui.guarded():
            step_in_use.draw(store.get(choice.name))
        sampling_controls.draw_strength(conversation)
    return choice, fields


def beginnings() -> list[tuple[str, str, str]]:
    """Questions to begin with: key, label and text. Those that a run watches, to who may see its rows; else general ones."""
    watched: list[str] = []
    if choice.tuned and account.may("trainer"):
        with suppress(EasyError):  # the run has been deleted meanwhile
            watched = watched_by(store.get(choice.name))
    if watched:
        return [(f"chat.example.{place}", label_of(text), text) for place, text in enumerate(watched)]
    return [(key, t("chat.example.advert_label" if key == ADVERT else key), t(key)) for key in EXAMPLES]


def watched_by(run: Run) -> list[str]:
    """The first questions whose answers were followed while the run trained: those chosen for it, else those that training took."""
    return list(dict.fromkeys([*run.questions, *(row["question"] for row in run.samples()[0])]))[:WATCHED]


def label_of(question: str) -> str:
    """The end of a question, which is what differs where all begin with the same task."""
    return shortened.cut(question.strip().splitlines()[-1], LABEL)


def draw_hello() -> None:
    """Empty state of the chat, with a few questions to begin with."""
    guest = not account.may("trainer")
    published = any(one.tuned or one.merged_run for one in choices)
    st.markdown(t("chat.hello" if not guest else "chat.hello_runs" if published else "chat.hello_base"))
    with st.container(horizontal=True):
        for key, label, text in beginnings():
            st.button(literal(label), key=key, on_click=ui.checked(act), args=(conversation.ask, text))
    if account.name == accounts.GUEST_NAME:
        st.caption(t("chat.visit", days=guests.days()))


account = ui.begin("chat").account
everything = state.engine().catalogue()
st.title(t("page.chat"), anchor=False)
if link := st.query_params.get("shared"):
    shared_view.draw(account, link, everything)
    st.stop()
follow_address(account.folder)
conversation = current(account.folder)
choices = guests.choices_for(account, everything)

if not choices:
    if account.may("trainer"):
        widgets.empty_state("chat.no_model", "chat.no_model_go", "models")
    else:
        st.markdown(t("chat.no_model"))
    st.stop()
choice, fields = draw_top()
if conversation.model and conversation.model not in {one.name for one in choices}:
    st.info(t("chat.gone", name=literal(choice.title)), icon=":material/link_off:")
if choice.outdated:
    st.caption(f":material/warning: {literal(t('models.outdated', base=choice.base.name))}")

question = st.chat_input(t("chat.placeholder"), key="question", submit_mode="stop")
if question and question.strip() and not too_long.hold(question.strip()):
    act(conversation.ask, question.strip())

open_end = st.session_state.pop("answering", False)
for place in range(len(conversation.messages) - open_end):
    messages.draw(conversation, place, account.may("trainer"))
if not conversation.messages:
    draw_hello()
too_long.draw(choice, lambda text: act(conversation.ask, text))
if conversation.unsaved:
    st.warning(literal(conversation.unsaved), icon=":material/warning:")
if open_end:
    with ui.guarded():
        streaming.answer(conversation, choice, fields, typed=bool(question))
        st.rerun()
    messages.draw_retry(conversation)
if account.may("trainer") and not open_end:
    row_editor.draw(conversation)
