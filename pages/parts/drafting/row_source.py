"""The passage that a row of the data page was written from."""

import streamlit as st

from glm_core.data import Example
from glm_core.data.documents import sources
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.drafting.document_passages import draw_passage


def draw(found: dict[str, sources.RowSource], row: Example) -> None:
    """The source of one row, folded, where it has one."""
    one = found.get(sources.mark_of(row)) if found else None
    if one is not None:
        with st.expander(t("drafting.from", source=literal(one.document)), icon=":material/article:"):
            draw_passage(one.text, one.heading, one.page)
