"""The models page's adapters: where each comes from, and what can be done with it."""

import streamlit as st

from glm_core import i18n, ui, workspace
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, rollback, store
from glm_core.serving import served_models
from pages.parts import stored_value
from pages.parts.models.adapter_export import draw_export, draw_zip

LISTED = 20
WIDTHS = (2, 3)
"Of the facts and of the buttons, which then are in one line on a desk."


def draw_all(tuned: list[served_models.ServedModel], bases: list[served_models.ServedModel]) -> None:
    """The newest adapters, those with the searched words in their names, and a button for older ones."""
    words = ""
    if len(tuned) > LISTED:
        found = t("models.search_adapters")
        words = st.text_input(found, key="adapters-search", placeholder=found, label_visibility="collapsed")
    chosen = [one for one in tuned if words.strip().lower() in f"{one.title} {one.base.name}".lower()]
    shown = st.session_state.get("adapters-shown", LISTED)
    for choice in chosen[:shown]:
        draw_adapter(choice, bases)
    if len(chosen) > shown and st.button(t("runs.older"), key="adapters-older"):
        st.session_state["adapters-shown"] = shown + LISTED
        st.rerun()


def draw_adapter(choice: served_models.ServedModel, bases: list[served_models.ServedModel]) -> None:
    """One adapter: where it comes from, and the ways to take it away."""
    run = store.get(choice.name)
    with st.container(border=True, key=f"adapter-{choice.name}"):
        left, right = st.columns(WIDTHS, vertical_alignment="center")
        with left, st.container(gap="xsmall"):
            ui.link("run", literal(choice.title), run=choice.name)
            size = i18n.size(workspace.folder_size(choice.adapter))
            facts = t("models.adapter_facts", base=choice.base.name, step=f"{choice.step or 0:,}", size=size)
            st.caption(literal(f"{ui.local_time(choice.created)} · {facts}"))
            if choice.outdated:
                st.caption(f":material/warning: {literal(t('models.outdated', base=choice.base.name))}")
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(t("models.chat"), icon=":material/chat:", key=f"chat-{choice.name}"):
                ui.go("chat", model=choice.name)
            if st.button(t("models.compare"), icon=":material/compare:", key=f"compare-{choice.name}"):
                ui.go("compare", run=choice.name)
            if st.button(t("models.continue"), icon=":material/resume:", key=f"continue-{choice.name}"):
                ui.go("training", **{"from": choice.name})
            if ui.owns(run.owner):
                with st.popover("", icon=":material/more_horiz:", help=t("run.more"), key=f"more-{choice.name}"):
                    draw_changes(run)
            with st.popover(t("models.export"), icon=":material/download:", key=f"export-{choice.name}"), ui.guarded():
                draw_export(run, choice, bases)


def draw_without_base(run: Run) -> None:
    """An adapter that cannot answer because its base is gone: what to do about it, and the adapter itself."""
    with st.container(border=True, key=f"adapter-{run.id}"):
        left, right = st.columns(WIDTHS[::-1], vertical_alignment="center")
        with left, st.container(gap="xsmall"):
            ui.link("run", literal(run.name), run=run.id)
            st.caption(f":material/link_off: {literal(t('models.base_gone', base=run.model_name))}")
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            if ui.owns(run.owner):
                with st.popover("", icon=":material/more_horiz:", help=t("run.more"), key=f"more-{run.id}"):
                    draw_changes(run)
            with st.popover(t("models.export"), icon=":material/download:", key=f"export-{run.id}"), ui.guarded():
                draw_zip(run, run.adapter(), rollback.current(run))


def draw_changes(run: Run) -> None:
    """Rename the run, or delete it with its adapter."""
    with ui.guarded():
        stored_value.show(f"name-{run.id}", run.name)
        name = st.text_input(t("run.name"), max_chars=store.LONGEST_NAME, key=f"name-{run.id}")
        if name != run.name:
            ui.must_own(run.owner)
            run.rename(name)
            ui.note("audit.run.rename", name)
            st.rerun()
        if st.checkbox(t("run.delete_sure"), key=f"sure-{run.id}"):
            if st.button(t("run.delete"), icon=":material/delete:", key=f"remove-{run.id}", width="stretch"):
                ui.must_own(run.owner)
                run.remove()
                ui.note("audit.run.remove", run.name)
                st.rerun()
