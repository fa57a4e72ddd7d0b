"""An answer of the chat page becomes a row to train on: a small editor with the question and the answer as it should be."""

import streamlit as st

from glm_core import ui
from glm_core.chat import feedback
from glm_core.chat.conversations import Conversation
from glm_core.data import library
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal, unique_labels

"Characters of a question or an answer that one still edits by hand."


def open_for(place: int) -> None:
    """Show the editor for the answer at `place` from the next run on."""
    close()
    st.session_state.correcting = place


def close() -> None:
    """Forget the editor and what came of it."""
    for name in ("correcting", "row_kept", "row_problem"):
        st.session_state.pop(name, None)


def draw(conversation: Conversation) -> None:
    """The editor over the page, while one is open."""
    place = st.session_state.get("correcting", 0)
    if 0 < place < len(conversation.messages):
        ui.dialog(t("chat.row"), width="medium", on_dismiss=ui.checked(close))(draw_editor)(conversation, place)


def draw_editor(conversation: Conversation, place: int) -> None:
    """Question, answer and data set; once kept, the way to the set."""
    if kept := st.session_state.get("row_kept"):
        st.session_state.pop("correcting", None)  # it stays in view, and is not there on the way back from the set
        st.markdown(t("chat.row_kept", name=literal(kept.name), rows=f"{kept.rows:,}"))
        ui.link("datasets", t("chat.row_see"), icon=":material/dataset:", set=kept.id)
        return
    before, (question, answer) = conversation.messages[: place - 1], conversation.messages[place - 1 : place + 1]
    st.text_area(t("chat.row_question"), question["content"], key="row-question")
    st.text_area(t("chat.row_answer"), answer["content"], key="row-answer", height=160)
    if before:
        turns, help = len(before) // 2, t("chat.row_before_help")
        st.checkbox(t("chat.row_before", turns=turns), key="row-before", help=help)
    draw_sets()
    st.button(t("chat.row_keep"), type="primary", key="row-keep", on_click=ui.checked(keep), args=(before,))
    if problem := st.session_state.pop("row_problem", None):
        st.error(literal(str(problem)), icon=":material/error:")


def draw_sets() -> None:
    """A set of one's own to choose, or the name of a new one."""
    own = {one.id: one for one in library.datasets() if not one.bundled}
    times = {id: ui.local_time(one.created) for id, one in own.items()}
    labels = unique_labels({id: one.name for id, one in own.items()}, times) | {"": t("chat.row_new")}
    last = st.session_state.get("row_set")
    options = list(labels)
    start = options.index(last) if last in options else 0
    chosen = st.selectbox(t("chat.row_set"), options, start, format_func=labels.get, key="row-set")
    if not chosen:
        st.text_input(t("datasets.name"), t("chat.row_name"), key="row-name", max_chars=library.MAX_NAME)


def keep(before: list[dict]) -> None:
    """Write the row into its set and note who did, or keep what is wrong with it."""
    form = st.session_state
    before = before if form.get("row-before") else []
    chosen = form["row-set"] or None
    try:
        ui.must_be("trainer")
        row = feedback.row(before, form["row-question"], form["row-answer"])
        kept = feedback.keep(row, chosen, form.get("row-name", ""), t("page.chat"))
    except EasyError as error:
        form.row_problem = error
        return
    ui.note("audit.data.edit" if chosen else "audit.data.add", kept.name)
    form.row_kept, form.row_set = kept, kept.id
