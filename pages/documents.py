"""Documents: how do I get rows from what I have? A model writes questions from a document or rewords a set; a person decides.

The address names the draft (`?draft=`), or the set whose rows are to be reworded (`?set=`). A draft is on disk: a refresh,
or a server that starts anew, loses nothing.
"""

import streamlit as st

from glm_core import ui
from glm_core.drafting import DraftError, drafts
from glm_core.i18n import t
from pages.parts.drafting import begin, progress, review


def chosen_draft() -> drafts.Draft | None:
    """The draft in the address; a sentence where there is none, or somebody else's."""
    id = st.query_params.get("draft", "")
    if not id:
        return None
    try:
        draft = drafts.get(id)
        ui.must_own(draft.owner)
    except DraftError as error:
        ui.show_error(error)
        return None
    return draft


user = ui.begin("documents")
ui.link("datasets", t("page.datasets"), icon=":material/arrow_back:")
st.title(t("page.documents"), anchor=False)
with ui.guarded():
    draft = chosen_draft()
    if draft is None:
        begin.draw(user.name)
    else:
        progress.draw(draft)
        review.draw(draft)
