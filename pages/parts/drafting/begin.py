"""The documents page before anything is written: what from, by which model, in which words; and the drafts there are."""

import streamlit as st

from glm_core import state, ui
from glm_core.data import library
from glm_core.data.documents import DOCUMENT_ENDINGS
from glm_core.data.documents.passages import LEAST_TOKENS, MOST_TOKENS, USUAL_TOKENS
from glm_core.drafting import drafts, make, writing
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts import widgets
from pages.parts.drafting.document_passages import cut, draw_passages, read
from pages.parts.drafting.earlier import draw_earlier
from pages.parts.drafting.writing_model import draw_model

USUAL_COUNT, USUAL_ROWS = 3, 100


def draw(owner: str) -> None:
    """The form of a new draft, and the earlier ones."""
    set_id = st.query_params.get("set", "")
    if set_id:
        draw_rewordings(owner, library.get(set_id))
    else:
        draw_questions(owner)
    draw_earlier()


def draw_questions(owner: str) -> None:
    """Questions and answers from a document."""
    st.caption(t("drafting.about.questions"))
    widgets.name_uploader(t("datasets.browse"))
    help = t("drafting.upload_help", endings=", ".join(DOCUMENT_ENDINGS))
    file = st.file_uploader(t("drafting.upload"), key="document", help=help)
    if file is None:
        return
    document = read(file.getvalue(), file.name)
    model, server, key = draw_model()
    left, right = st.columns(2)
    with left:
        told = {"key": "tokens", "help": t("drafting.tokens_help"), "step": 50}
        limit = widgets.number_input(t("drafting.tokens"), LEAST_TOKENS, MOST_TOKENS, USUAL_TOKENS, **told)
    with right:
        count = widgets.number_input(t("drafting.count.questions"), *make.COUNTS, USUAL_COUNT, key="count")
    if limit is None or count is None:
        return
    found = cut(document, limit, model if not server else "")
    draw_passages(document, found)
    instruction = draw_instruction("questions", found[0].text if found else "")
    if st.button(t("drafting.try"), type="primary", icon=":material/edit_note:", key="begin", disabled=not found):
        draft = make.from_passages(
            found,
            source=document.name,
            owner=owner,
            model=model,
            server=server,
            instruction=instruction,
            count=count,
        )
        start(draft, key)


def draw_rewordings(owner: str, dataset: library.Dataset) -> None:
    """Other wordings of the questions of a set."""
    st.caption(t("drafting.about.rewordings", name=literal(dataset.name)))
    rows = library.examples(dataset.id)
    model, server, key = draw_model()
    left, right = st.columns(2)
    most = min(make.MOST_ROWS, len(rows))
    with left:
        told = {"key": "rows", "help": t("drafting.rows_help")}
        rows_asked = widgets.number_input(t("drafting.rows"), 1, most, min(USUAL_ROWS, most), **told)
    with right:
        count = widgets.number_input(t("drafting.count.rewordings"), *make.COUNTS, USUAL_COUNT, key="count")
    if rows_asked is None or count is None:
        return
    instruction = draw_instruction("rewordings", rows[0].question)
    if st.button(t("drafting.try"), type="primary", icon=":material/edit_note:", key="begin"):
        settings = {"owner": owner, "model": model, "server": server, "instruction": instruction, "count": count}
        start(make.from_rows(dataset, rows, rows_asked, **settings), key)


def draw_instruction(kind: str, sample: str) -> str:
    """The words the model is asked with."""
    usual = writing.usual_instruction(kind, sample)
    with st.expander(t("drafting.instruction"), icon=":material/edit:"):
        return st.text_area(
            t("drafting.instruction"),
            usual,
            key=f"instruction-{hash(usual)}",
            height=240,
            max_chars=make.LONGEST_INSTRUCTION,
            help=t("drafting.instruction_help"),
            label_visibility="collapsed",
        )


def start(draft: drafts.Draft, key: str = "") -> None:
    """Begin to write, and show the draft. While shared, only administrators name a server."""
    if draft.server and state.sharing().on:
        ui.must_be("administrator")
    state.drafting().start(draft, key)
    ui.note("audit.draft.start", draft.source)
    st.session_state[f"key-{draft.id}"] = key
    ui.go("documents", draft=draft.id)
