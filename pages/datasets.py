"""Data sets: will my data train well? The list on the left; on the right the chosen set in four views."""

import streamlit as st

from glm_core import ui
from glm_core.data import library
from glm_core.data.bundled import origin
from glm_core.data.examples import notices_from
from glm_core.i18n import t
from glm_core.markdown import literal, unique_labels
from pages.parts import widgets
from pages.parts.datasets import actions, hygiene, reading_notices, views

LIST_HEIGHT, ROW_HEIGHT = 440, 52  # pixels; a longer list scrolls by itself
VIEWS = {"rows": views.draw_rows, "lengths": views.draw_lengths, "check": hygiene.draw_check, "edit": views.draw_edit}


def draw_list() -> None:
    """The sets to choose from, those that cannot be read, and the ways to bring in another."""
    if sets:
        choose_set()
    for id in library.damaged():
        draw_damaged(id)
    draw_upload()
    if st.button(t("datasets.paste"), icon=":material/content_paste:", key="paste", width="stretch"):
        ui.go("upload")
    if st.button(
        t("datasets.from_hub_short"),
        icon=":material/cloud_download:",
        help=t("datasets.from_hub"),
        key="from-hub",
        width="stretch",
    ):
        ui.go("upload", hub="1")
    if st.button(t("drafting.entry"), icon=":material/article:", key="from-document", width="stretch"):
        ui.go("documents")


def choose_set() -> None:
    """The sets there are, each with its rows and where they come from."""
    captions = [
        t("datasets.caption", rows=f"{one.rows:,}", source=literal(origin(one.source))) for one in sets.values()
    ]
    labels = unique_labels(
        {id: one.name for id, one in sets.items()}, {id: ui.local_time(one.created) for id, one in sets.items()}
    )
    height = LIST_HEIGHT if len(sets) * ROW_HEIGHT > LIST_HEIGHT else "content"
    st.container(height=height, border=False, key="set-list").radio(
        t("page.datasets"),
        list(sets),
        key="set",
        captions=captions,
        label_visibility="collapsed",
        format_func=lambda id: literal(labels[id]),
    )


def draw_damaged(id: str) -> None:
    """A set that cannot be read, and the way to delete it."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"damaged-{id}"), ui.guarded():
        st.markdown(f":red[{literal(t('datasets.damaged', id=id))}]")
        if st.button("", icon=":material/delete:", help=t("datasets.delete"), key=f"delete-{id}", type="tertiary"):
            library.remove(id)
            ui.note("audit.data.remove", id)
            st.rerun()


def draw_upload() -> None:
    """The uploader; a file that is brought in is looked at on a page of its own."""
    limit = st.get_option("server.maxUploadSize")
    widgets.name_uploader(t("datasets.browse"))
    files = st.file_uploader(
        t("datasets.upload"), key="file", help=t("datasets.upload_help", limit=limit), accept_multiple_files=True
    )
    if files:
        contents = [(file.getvalue(), file.name) for file in files]
        st.session_state["incoming" if len(files) == 1 else "incoming_files"] = (
            contents[0] if len(files) == 1 else contents
        )
        ui.go("upload")


def draw_set(chosen: library.Dataset) -> None:
    """Name, what can be done with it, and four views of its rows."""
    st.subheader(literal(chosen.name), anchor=False)
    created, sha = ui.local_time(chosen.created), chosen.sha256[:12]
    about = t("datasets.about", rows=f"{chosen.rows:,}", source=literal(origin(chosen.source)), created=created)
    st.caption(about, help=t("datasets.about_help", sha=sha))
    rows = actions.draw_imprint() if chosen.id == "imprint" else library.examples(chosen.id)
    actions.draw_actions(chosen, rows)
    reading_notices.draw_notices(notices_from(chosen.notices))
    tabs = st.tabs([t(f"datasets.view.{view}") for view in VIEWS], on_change="rerun", key="view")
    for draw, tab in zip(VIEWS.values(), tabs, strict=True):
        if tab.open:
            with tab, ui.guarded():
                draw(chosen, rows)


ui.begin("datasets")
for kept in ("incoming", "incoming_files", "incoming_source"):
    st.session_state.pop(kept, None)
sets = {one.id: one for one in library.datasets()}
chosen = st.session_state.pop("chosen_next", None)
gone = chosen is None and st.session_state.get("set", st.query_params.get("set", "")) not in ("", None, *sets)
asked = [chosen, st.session_state.get("set"), st.query_params.get("set"), *sets]
st.session_state.set = next((id for id in asked if id in sets), None)
if gone:
    ui.begin_anew(t("datasets.gone"))
st.title(t("page.datasets"), anchor=False)
left, right = st.columns([1, 3], gap="large")
with left:
    draw_list()
with right:
    ui.draw_told()
    if sets:
        st.query_params["set"] = st.session_state.set
        with ui.guarded():
            draw_set(sets[st.session_state.set])
    else:
        st.markdown(t("datasets.none"))
