"""Earlier conversations of the chat page: search, open and delete them, take them away as files and bring them back."""

import streamlit as st

from glm_core import ui
from glm_core.auth.accounts import Account
from glm_core.chat import conversation_list, transcripts
from glm_core.chat.conversation_list import Listed
from glm_core.chat.conversations import Conversation
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts import widgets
from pages.parts.chat.current import delete, open_listed, show

LISTED = 50
LIST_HEIGHT = 280
SHORT_LIST = 6


def draw(account: Account, conversation: Conversation) -> None:
    """List of the stored conversations, and their files."""
    search = st.text_input(t("chat.search"), key="search", placeholder=t("chat.search"), label_visibility="collapsed")
    found = conversation_list.conversations(account.folder, search)
    with st.container(height=LIST_HEIGHT if len(found) > SHORT_LIST else "content", border=False, gap="xsmall"):
        for one in found[:LISTED]:
            draw_past(one, here=one.id == conversation.id)
    if not found:
        st.caption(t("chat.nothing_found" if search.strip() else "chat.no_history"))
    elif len(found) > LISTED:
        st.caption(t("chat.listed", shown=LISTED, all=len(found)))
    if conversation.messages:
        draw_exports(conversation)
    if account.may("trainer"):  # guests upload nothing
        draw_import(account.folder)


def draw_past(one: Listed, here: bool) -> None:
    """One line of the history."""
    with st.container(horizontal=True, horizontal_alignment="distribute", key=f"past-{one.id}"):
        label, help, icon = literal(one.name), t("chat.delete"), ":material/share:" if one.shared else None
        opens = {"on_click": ui.checked(open_listed), "args": (one,), "disabled": here}
        st.button(label, key=f"open-{one.id}", type="tertiary", icon=icon, **opens)
        act = {"on_click": ui.checked(delete), "args": (one, here)}
        st.button("", icon=":material/delete:", help=help, key=f"delete-{one.id}", type="tertiary", **act)


def draw_exports(conversation: Conversation) -> None:
    """This conversation as a file, to be read or to be brought back."""
    st.caption(t("chat.export"))
    kept = {"icon": ":material/download:", "on_click": "ignore"}
    with st.container(horizontal=True):
        st.download_button(
            "Markdown",
            lambda: transcripts.to_markdown(conversation),
            f"{conversation.id}.md",
            "text/markdown",
            key="export-md",
            **kept,
        )
        st.download_button(
            "JSON",
            lambda: transcripts.to_json(conversation),
            f"{conversation.id}.json",
            "application/json",
            key="export-json",
            **kept,
        )


def draw_import(user: str) -> None:
    """A file becomes a new conversation; what is wrong with it is said below."""
    key = f"import-{st.session_state.get('imports', 0)}"
    widgets.name_uploader(t("datasets.browse"))
    st.file_uploader(
        t("chat.import"),
        ["json"],
        key=key,
        help=t("chat.import_help"),
        on_change=ui.checked(bring_in),
        args=(user, key),
    )
    if problem := st.session_state.pop("import_problem", None):
        st.error(literal(str(problem)), icon=":material/error:")


def bring_in(user: str, key: str) -> None:
    """Keep what was brought and show it, or keep what is wrong with it."""
    file = st.session_state[key]
    st.session_state.imports = st.session_state.get("imports", 0) + 1  # an empty uploader from here on
    if file is None:
        return
    try:
        conversation = transcripts.read(file.getvalue(), user)
    except EasyError as error:
        st.session_state.import_problem = error
        return
    conversation.save()
    ui.note("audit.chat.import", conversation.id)
    show(conversation)
