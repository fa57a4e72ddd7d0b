"""The upload page's way in from ModelScope and Hugging Face: find a data set, look at it, bring in a slice of a split."""

import streamlit as st

from glm_core import i18n, state, ui
from glm_core.data import remote
from glm_core.hub import remote_datasets, sources
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts import hub_source, widgets

USUAL_ROWS = 10_000
REFRESH_SECONDS = 1.0
KNOWN_BY = 200  # characters of a cell of the look


def draw_hub() -> None:
    """The form, what was found, and the slice under way; a finished one is handed to the page as its file."""
    with ui.guarded():
        source, token = draw_source()
        if source is not None:
            st.session_state.hub_set = None
            with st.spinner(source.repo):
                st.session_state.hub_set = remote.find(source, token)
        found = st.session_state.get("hub_set")
        if found is not None:
            draw_found(found, token)
    if download := st.session_state.get("hub_slice"):
        running = download.state == "running"
        ui.fragment(draw_slice, run_every=REFRESH_SECONDS if running else None)(download, running)


def draw_source() -> tuple[sources.Source | None, str]:
    """Where from and which set; the source once somebody asks to look, and the access token."""
    kind, endpoint, token = hub_source.draw("hub-")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    repo = left.text_input(
        t("datasets.hub_repo"),
        key="hub-repo",
        placeholder="YeungNLP/firefly-train-1.1M",
        help=t("datasets.hub_repo_help"),
    )
    asked = right.button(t("datasets.hub_find"), icon=":material/search:", key="hub-find", disabled=not repo.strip())
    if not asked:
        return None, token
    if endpoint and state.sharing().on:
        ui.must_be("administrator")
    return sources.Source(kind, repo.strip(), endpoint, holds="datasets"), token


def draw_found(found: remote_datasets.RemoteDataset, token: str) -> None:
    """Licence, configuration and split, the first rows, and the slice to bring in."""
    key = "datasets.hub_licence" if found.licence else "datasets.hub_licence_unknown"
    st.markdown(f"**{literal(found.source.repo)}** · {t(key, licence=literal(found.licence))}")
    columns = st.columns(4, vertical_alignment="bottom")
    config = columns[0].selectbox(t("datasets.hub_config"), list(found.splits), key="hub-config")
    splits = list(found.splits[config])
    usual = splits.index("train") if "train" in splits else 0
    split = columns[1].selectbox(t("datasets.hub_split"), splits, usual, key=f"hub-split-{config}")
    with columns[2]:
        start = widgets.number_input(t("datasets.hub_start"), 1, None, 1, key="hub-start")
    with columns[3]:
        count = widgets.number_input(t("datasets.hub_count"), 1, remote.MOST_ROWS, USUAL_ROWS, key="hub-count")
    draw_look(found, config, split, token)
    named = {"icon": ":material/download:", "type": "primary", "key": "hub-bring"}
    if st.button(t("datasets.hub_bring"), disabled=start is None or count is None, **named):
        wanted = remote.Slice(config, split, start - 1, count)
        st.session_state.hub_slice = remote.start(found, wanted, token)
        ui.note("audit.data.download", found.source.repo)
        st.rerun()


def draw_look(found: remote_datasets.RemoteDataset, config: str, split: str, token: str) -> None:
    """The first rows as they stand in the file, fetched once."""
    key = found.source, config, split
    if st.session_state.get("hub_look", (None,))[0] != key:
        with st.spinner(t("datasets.counting")):
            st.session_state.hub_look = key, remote.first_rows(found, config, split, token)
    rows = st.session_state.hub_look[1]
    if not rows:
        size = sum(file.size for file in found.files(config, split))
        st.caption(t("datasets.hub_no_look", size=i18n.size(size)))
        return
    shown = [{name: str(value)[:KNOWN_BY] for name, value in row.items()} for row in rows]
    st.dataframe(shown, hide_index=True, key=f"hub-look-{config}-{split}")


def draw_slice(download: remote.SliceDownload, was_running: bool) -> None:
    """How far a slice is; once it is there, hand it to the page."""
    if download.state == "running":
        now = download.progress()
        size = f"{i18n.size(now.done)} / {i18n.size(now.total)}"
        st.progress(now.fraction, t("datasets.hub_rows", rows=f"{download.rows:,}", size=size))
        st.button(t("datasets.cancel"), on_click=ui.checked(stop), args=(download,), key="hub-stop")
        return
    if was_running:
        st.rerun()
    st.session_state.pop("hub_slice", None)
    with ui.guarded():
        if download.state == "done":
            st.session_state.incoming = remote.take(download), download.name
            st.session_state.incoming_source = source_of(download)
            st.rerun()
        elif download.error is not None:
            raise download.error


def stop(download: remote.SliceDownload) -> None:
    """Stop the slice and forget it."""
    remote.discard(download)
    ui.note("audit.data.download_stop", download.dataset.source.repo)
    st.session_state.pop("hub_slice", None)


def source_of(download: remote.SliceDownload) -> str:
    """Where the rows come from, with the licence, for the set's record."""
    dataset, split = download.dataset, download.wanted.split
    key = "datasets.hub_source_licence" if dataset.licence else "datasets.hub_source"
    return t(key, repo=dataset.source.repo, split=split, licence=dataset.licence)
