"""Notices of what was read otherwise than it stands in a file, or not used."""

import streamlit as st

from glm_core.data import Notice
from glm_core.i18n import t
from glm_core.markdown import literal


def draw_notices(notices: list[Notice]) -> None:
    """Notices of what was read otherwise than it stands in the file or not used, a sentence each."""
    if not notices:
        return
    sentences = "\n".join(f"- {literal(notice.message)}" for notice in notices)
    st.warning(f"{t('datasets.notices')}\n{sentences}", icon=":material/info:")
