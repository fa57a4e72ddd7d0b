"""Every run: its state, its curve, its note; and what sets chosen runs apart."""

import pandas as pd
import streamlit as st

from glm_core import ui
from glm_core.i18n import t
from glm_core.markdown import literal, unique_labels
from glm_core.runs import Run, figures, labels, store

PAGE = 20


@st.cache_data(max_entries=500, show_spinner=False)
def curve_of(identifier: str, size: int) -> tuple[str, float | None]:
    """A run's small loss curve and its last loss; `size` of metrics.jsonl tells when to read it again."""
    _, losses = figures.tidy(store.get(identifier).metrics()[0]).series("loss")
    return figures.spark_line(losses), losses[-1] if losses else None


def draw_run(run: Run) -> None:
    """One run in a row: the way to its page, its curve, its note."""
    with st.container(border=True, key=f"run-{run.id}"):
        what, outcome = st.columns([5, 3], vertical_alignment="center")
        with what:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                ui.link("run", literal(run.name), run=run.id)
                st.markdown(ui.state_badge(run.status().state))
            st.caption(literal(f"{ui.local_time(run.created)} · {labels.about(run)}"))
            if run.note:
                st.caption(literal(run.note))
        picture, loss = curve_of(run.id, run.size_of("metrics.jsonl"))
        if picture:
            with outcome, st.container(horizontal=True, vertical_alignment="center"):
                st.image(picture)
                st.caption(t("runs.last_loss", loss=f"{loss:.3g}"), width="content")


def draw_differences(found: list[Run]) -> None:
    """A table of the settings in which the chosen runs differ: a row a setting, a column a run."""
    times = {run.id: ui.local_time(run.created) for run in found}
    names = unique_labels({run.id: run.name for run in found}, times)
    chosen = st.multiselect(t("runs.choose"), list(names), format_func=names.get, key="chosen", max_selections=4)
    if len(chosen) < 2:
        return
    runs = [store.get(identifier) for identifier in chosen]
    rows = store.differences(runs)
    if not rows:
        st.caption(t("runs.no_differences"))
        return
    heads = [literal(names[run.id]) for run in runs]
    table = [[literal(labels.value_of(name, value)) for value in values] for name, values in rows.items()]
    st.table(pd.DataFrame(table, [labels.name_of(name) for name in rows], heads))


ui.begin("runs")
ui.link("training", t("run.back"), icon=":material/arrow_back:")
st.title(t("page.runs"), anchor=False)
found = store.runs()
if not found:
    ui.empty_state("runs.none", "run.to_training", "training")
    st.stop()
if len(found) > 1:
    with st.expander(t("runs.differences"), icon=":material/compare_arrows:"):
        draw_differences(found)
shown = st.session_state.get("shown", PAGE)
for run in found[:shown]:
    draw_run(run)
if len(found) > shown and st.button(t("runs.older")):
    st.session_state.shown = shown + PAGE
    st.rerun()
