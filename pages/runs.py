"""Every run in one table to sort, filter and open: what it learned, what it kept, its curve; and what sets chosen runs apart."""

import pandas as pd
import streamlit as st

from glm_core import charts, ui
from glm_core.evaluation import retention
from glm_core.i18n import t
from glm_core.markdown import literal, unique_labels
from glm_core.runs import Run, figures, rollback, store
from glm_core.runs.labels import captions, setting_values
from pages.parts import widgets

PAGE = 100
CURVE_POINTS = 40
MOST_COMPARED = 4
PHONE = ("name", "learned", "kept")
"Columns that fit a phone whole; the rest is on the page of the run."
PHONE_NAME, PHONE_ROW = 170, 66  # pixels: names beside the two shares; in rows of over 64 they go on in the next line


@st.cache_data(max_entries=2000, show_spinner=False)
def curve_of(identifier: str, size: int) -> list[float]:
    """The losses of a run, thinned; the size of metrics.jsonl tells when to read it again."""
    losses = figures.tidy(store.get(identifier).metrics()[0]).series("loss")[1]
    return list(charts.thin(range(len(losses)), losses, CURVE_POINTS)[1]) if losses else []


@st.cache_data(max_entries=2000, show_spinner=False)
def shares_of(identifier: str, size: int, step: int | None) -> tuple[float | None, float | None]:
    """Learned and kept, 0 to 1, at the step in use; None where it was not asked."""
    run = store.get(identifier)
    points = {point.step: point for point in retention.read(run, run.probe_rows()[0])}
    found = points.get(step) or (points[max(points)] if points else None)
    return (found.learned.value, found.kept.value) if found and found.step else (None, None)


def row_of(run: Run) -> dict:
    """One line of the table; what came of the run first, to be in view on a phone."""
    learned, kept = shares_of(run.id, run.size_of("abilities.jsonl"), rollback.current(run))
    return {
        "name": run.name,
        "learned": learned,
        "kept": kept,
        "state": t(f"ui.state.{run.status().state}"),
        "created": pd.Timestamp(run.created, unit="s", tz="UTC").tz_convert(st.context.timezone or "UTC"),
        "curve": curve_of(run.id, run.size_of("metrics.jsonl")),
        "dataset": captions.dataset_name(run),
        "model": run.model_name,
        "note": run.note,
    }


def draw_table(found: list[Run]) -> list[Run]:
    """The table; returns the runs whose rows are selected."""
    share = {"format": "percent", "min_value": 0.0, "max_value": 1.0, "width": "small"}
    kinds = {
        "created": (st.column_config.DatetimeColumn, {"format": "MM-DD HH:mm"}),
        "learned": (st.column_config.ProgressColumn, share | {"help": t("runs.column.learned_help")}),
        "kept": (st.column_config.ProgressColumn, share | {"help": t("runs.column.kept_help")}),
        "curve": (st.column_config.LineChartColumn, {"width": "small"}),
    }
    table = pd.DataFrame([row_of(run) for run in found])
    config = {
        name: kinds[name][0](t(f"runs.column.{name}"), **kinds[name][1]) if name in kinds else t(f"runs.column.{name}")
        for name in table.columns
    }
    narrow = {}
    if ui.on_phone():
        config["name"] = st.column_config.TextColumn(config["name"], width=PHONE_NAME)
        narrow = {"column_order": PHONE, "row_height": PHONE_ROW}
    picked = st.dataframe(
        table,
        hide_index=True,
        column_config=config,
        on_select="rerun",
        selection_mode="multi-row",
        key="table",
        **narrow,
    )
    return [found[place] for place in picked.selection.rows if place < len(found)]


def draw_differences(found: list[Run], picked: list[Run]) -> None:
    """A table of the settings in which the chosen runs differ: a row a setting, a column a run."""
    times = {run.id: ui.local_time(run.created) for run in found}
    names = unique_labels({run.id: run.name for run in found}, times)
    chosen = [run.id for run in picked][:MOST_COMPARED]
    if not chosen:
        chosen = st.multiselect(
            t("runs.choose"),
            list(names),
            format_func=names.get,
            key="chosen",
            max_selections=MOST_COMPARED,
            select_all=False,
        )
    if len(chosen) < 2:
        return
    runs = [store.get(identifier) for identifier in chosen]
    rows = store.differences(runs)
    if not rows:
        st.caption(t("runs.no_differences"))
        return
    heads = [literal(names[run.id]) for run in runs]
    table = [[literal(setting_values.value_of(name, value)) for value in values] for name, values in rows.items()]
    st.table(pd.DataFrame(table, [setting_values.name_of(name) for name in rows], heads))


def filtered(found: list[Run], words: str) -> list[Run]:
    """The runs in whose name, note, data set or model every one of `words` occurs."""
    wanted = words.lower().split()
    texts = {
        run.id: " ".join((run.name, run.note, captions.dataset_name(run), run.model_name)).lower() for run in found
    }
    return [run for run in found if all(word in texts[run.id] for word in wanted)]


ui.begin("runs")
ui.link("training", t("run.back"), icon=":material/arrow_back:")
st.title(t("page.runs"), anchor=False)
every = store.runs()
if not every:
    widgets.empty_state("runs.none", "run.to_training", "training")
    st.stop()
search = st.text_input(t("runs.search"), key="search", placeholder=t("runs.search"), label_visibility="collapsed")
found = filtered(every, search)
shown = found[: st.session_state.get("shown", PAGE)]
if not shown:
    st.caption(t("runs.nothing_found"))
    st.stop()
with ui.guarded():
    picked = draw_table(shown)
    st.caption(t("runs.pick"))
    with st.container(horizontal=True):
        if len(picked) == 1 and st.button(t("runs.open"), type="primary", key="open", icon=":material/monitoring:"):
            ui.go("run", run=picked[0].id)
        if picked and all(run.adapter() for run in picked[:MOST_COMPARED]):
            if st.button(t("runs.compare"), key="compare", icon=":material/compare:"):
                ui.go("compare", run=picked[0].id, also=[run.id for run in picked[1:MOST_COMPARED]])
        if len(found) > len(shown) and st.button(t("runs.older"), key="older"):
            st.session_state.shown = len(shown) + PAGE
            st.rerun()
    if len(shown) > 1:
        with st.expander(t("runs.differences"), icon=":material/compare_arrows:", expanded=len(picked) > 1):
            draw_differences(shown, picked)
