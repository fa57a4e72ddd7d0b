"""Home: what do I do next? A picture of what tuning does, three steps with their state, this machine, recent runs."""

import streamlit as st

from glm_core import ui
from glm_core.data import library
from glm_core.i18n import t
from glm_core.machine import machine
from glm_core.markdown import literal
from glm_core.runs import Run, store
from glm_core.runs.labels import captions
from pages.parts import widgets

RECENT = 5


def draw_picture() -> None:
    """The same question before and after."""
    with st.container(border=True, key="picture"):
        st.caption(t("home.question"))
        for column, side, color in zip(
            st.columns(2, gap="medium"), ("before", "after"), ("gray", "green"), strict=True
        ):
            column.markdown(f":{color}[**{t(f'home.{side}')}**]  \n{t(f'home.answer_{side}')}")


def draw_steps(runs: list[Run]) -> None:
    """The three steps, each a link with its state."""
    active = sum(run.status().active for run in runs)
    ready = sum(run.adapter() is not None for run in runs)
    states = {
        "datasets": t("home.state_datasets", count=len(library.datasets())),
        "training": t("home.state_active", count=active) if active else t("home.state_runs", count=len(runs)),
        "compare": t("home.state_ready", count=ready) if ready else t("home.state_nothing_ready"),
    }
    for number, (column, page) in enumerate(zip(st.columns(3), states, strict=True), start=1):
        with column.container(border=True, height="stretch", key=f"step-{page}"):
            ui.link(page, f"**{number}. {t(f'page.{page}')}**")
            st.markdown(t(f"home.step_{page}"))
            st.caption(states[page])


def draw_recent(runs: list[Run]) -> None:
    """The newest runs, each a link to its curves."""
    st.subheader(t("home.recent"), anchor=False)
    for run in runs[:RECENT]:
        with st.container(horizontal=True, vertical_alignment="center", key=f"run-{run.id}"):
            st.markdown(widgets.state_badge(run.status().state), width="content")
            ui.link("run", literal(run.name), run=run.id)
            dataset = captions.dataset_name(run)
            about = [] if dataset == run.name else [literal(dataset)]
            st.caption(" · ".join([*about, ui.local_time(run.created)]))
    if len(runs) > RECENT:
        ui.link("runs", t("home.all_runs", count=len(runs)))


ui.begin("home")
st.title(t("home.headline"), anchor=False)
st.markdown(t("home.promise"))
draw_picture()
if st.button(t("home.try"), type="primary", icon=":material/play_arrow:", key="try"):
    ui.go("datasets", set="imprint")
runs = store.runs()
draw_steps(runs)
st.caption(machine.sentence(machine.machine()))
widgets.draw_idle_gpus()
if runs:
    draw_recent(runs)
