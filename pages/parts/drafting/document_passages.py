"""A document on the documents page: read once, cut into passages, the first of them drawn."""

import streamlit as st

from glm_core.data.documents import Document, extract
from glm_core.data.documents.passages import Passage
from glm_core.drafting import make
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.serving import served_models
from pages.parts.datasets import conversation
from pages.parts.datasets.reading_notices import draw_notices

SHOWN = 3


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
