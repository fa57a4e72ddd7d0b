"""The reader's drafts on the documents page: to go on with, or to delete."""

import streamlit as st

from glm_core import state, ui
from glm_core.drafting import drafts
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal


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
