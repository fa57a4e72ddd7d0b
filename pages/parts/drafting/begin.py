"""The documents page before anything is written: what from, by which model, in which words; and the drafts there are."""

import streamlit as st

from glm_core import state, ui
from glm_core.data import library
from glm_core.data.documents import DOCUMENT_ENDINGS, Document, extract
from glm_core.data.documents.passages import LEAST_TOKENS, MOST_TOKENS, USUAL_TOKENS, Passage
from glm_core.drafting import drafts, make, writing
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.serving import served_models
from pages.parts.datasets import conversation
from pages.parts.datasets.column_mapping import draw_notices

SERVER = ""
"In place of a model's name: a server elsewhere."
USUAL_COUNT, USUAL_ROWS, SHOWN = 3, 100, 3


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
    ui.name_uploader(t("datasets.browse"))
    help = t("drafting.upload_help", endings=", ".join(DOCUMENT_ENDINGS))
    file = st.file_uploader(t("drafting.upload"), key="document", help=help)
    if file is None:
        return
    document = read(file.getvalue(), file.name)
    model, server, key = draw_model()
    left, right = st.columns(2)
    limit = left.number_input(
        t("drafting.tokens"), LEAST_TOKENS, MOST_TOKENS, USUAL_TOKENS, 50, key="tokens", help=t("drafting.tokens_help")
    )
    count = right.number_input(t("drafting.count.questions"), *make.COUNTS, USUAL_COUNT, key="count")
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
    rows_asked = left.number_input(
        t("drafting.rows"), 1, most, min(USUAL_ROWS, most), key="rows", help=t("drafting.rows_help")
    )
    count = right.number_input(t("drafting.count.rewordings"), *make.COUNTS, USUAL_COUNT, key="count")
    instruction = draw_instruction("rewordings", rows[0].question)
    if st.button(t("drafting.try"), type="primary", icon=":material/edit_note:", key="begin"):
        settings = {"owner": owner, "model": model, "server": server, "instruction": instruction, "count": count}
        start(make.from_rows(dataset, rows, rows_asked, **settings), key)


def read(content: bytes, file: str) -> Document:
    """The text of the document, read once a file."""
    key = (file, hash(content))
    known = st.session_state.get("document_read")
    if known is None or known[0] != key:
        with st.spinner(t("drafting.reading")):
            known = st.session_state.document_read = key, extract(content, file)
    return known[1]


def cut(document: Document, limit: int, model: str) -> list[Passage]:
    """The passages of `document`, in tokens of `model` where it is one of this program."""
    key = (id(document), limit, model)
    known = st.session_state.get("passages_cut")
    if known is None or known[0] != key:
        folder = served_models.find(model).base if model else None
        with st.spinner(t("drafting.reading")):
            known = st.session_state.passages_cut = key, make.passages(document, limit, folder)
    return known[1]


def draw_passages(document: Document, found: list[Passage]) -> None:
    """How many passages there are, what of the document is not used, and the first of them."""
    st.markdown(t("drafting.passages", count=f"{len(found):,}", name=literal(document.name)))
    draw_notices(list(document.notices))
    with st.expander(t("drafting.first_passages", count=min(SHOWN, len(found))), icon=":material/article:"):
        for passage in found[:SHOWN]:
            draw_passage(passage.text, passage.heading, passage.page)


def draw_passage(text: str, heading: str, page: int) -> None:
    """A passage under its headings; text literally, never as markup."""
    with st.container(border=True, gap=None):
        place = [literal(heading)] if heading else []
        place += [t("drafting.page", page=page)] if page else []
        if place:
            st.caption(" · ".join(place))
        st.markdown(literal(text[: conversation.LONGEST_SHOWN]))


def draw_model() -> tuple[str, str, str]:
    """The model that writes: its name, the address of a server ("" for a model of this program), and the server's key."""
    names = {one.name: one.title for one in state.engine().catalogue()}
    options = [*names] + ([SERVER] if may_name_server() else [])
    chosen = st.selectbox(
        t("drafting.model"),
        options,
        key="model",
        help=t("drafting.model_help"),
        format_func=lambda name: names[name] if name else t("drafting.server"),
    )
    if chosen != SERVER:
        return chosen or "", "", ""
    address, key, model = st.columns(3)
    given = address.text_input(t("drafting.address_label"), key="address", placeholder="https://host/v1")
    with key:
        secret = ui.secret_input(t("drafting.key"), key="server_key", help=t("drafting.key_help"))
    named = model.text_input(t("drafting.server_model"), key="server_model", help=t("drafting.server_model_help"))
    return named.strip(), given.strip() or "https://", secret


def may_name_server() -> bool:
    """Return whether the reader may have this server ask another one: while shared, administrators only."""
    account = ui.visitor()
    return not state.sharing().on or (account is not None and account.may("administrator"))


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


def draw_earlier() -> None:
    """The reader's drafts: to go on with, or to delete."""
    own = [one for one in drafts.drafts() if ui.owns(one.owner)]
    if not own:
        return
    st.subheader(t("drafting.earlier"), anchor=False)
    for draft in own:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"draft-{draft.id}"):
            label = f"{draft.source} · {ui.local_time(draft.created)}"
            if st.button(literal(label), icon=":material/edit_note:", key=f"open-{draft.id}", type="tertiary"):
                ui.go("documents", draft=draft.id)  # a link to the page that is open leaves its address as it is
            st.caption(t(f"drafting.kind.{draft.kind}", count=f"{draft.items:,}"), width="stretch")
            st.button(
                "",
                icon=":material/delete:",
                help=t("drafting.delete"),
                key=f"delete-{draft.id}",
                type="tertiary",
                on_click=ui.checked(delete),
                args=(draft,),
            )


def delete(draft: drafts.Draft) -> None:
    """Stop and delete a draft; for a callback."""
    try:
        ui.must_own(draft.owner)
        state.drafting().remove(draft)
        ui.note("audit.draft.remove", draft.source)
    except EasyError as error:
        st.toast(str(error), icon=":material/error:")
