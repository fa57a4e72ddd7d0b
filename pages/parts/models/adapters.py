"""The models page's adapters: where each comes from, the ways to take it away, bringing in one made elsewhere."""

from pathlib import Path

import streamlit as st

from glm_core import i18n, ui, workspace
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.models import describe
from glm_core.runs import rollback, store
from glm_core.runs.exchange import export, import_adapter
from glm_core.runs.labels import run_names
from glm_core.serving import served_models
from pages.parts import stored_value
from pages.parts.models import merges

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


def draw_without_base(run: store.Run) -> None:
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


def draw_changes(run: store.Run) -> None:
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


def draw_export(run: store.Run, choice: served_models.ServedModel, bases: list[served_models.ServedModel]) -> None:
    """The adapter alone, or worked into a base that is not quantized."""
    draw_zip(run, choice.adapter, choice.step)
    fitting = fitting_bases(choice, bases)
    if not fitting:
        st.caption(t("models.no_full_base"))
        return
    base = st.selectbox(t("models.merge_into"), fitting, format_func=lambda one: one.name, key=f"into-{run.id}")
    form = st.selectbox(
        t("models.export_format"),
        export.FORMATS,
        format_func=lambda one: t(f"models.export_format.{one}"),
        key=f"format-{run.id}",
    )
    kind = None
    if offered := export.FORMATS[form].offered:
        kind = st.segmented_control(t("models.export_type"), offered, default=offered[0], key=f"type-{run.id}")
    st.caption(t(f"models.export_about.{form}"))
    if st.button(t("models.export_start"), icon=":material/output:", key=f"merge-{run.id}", width="stretch"):
        merges.begin(run, base.base, kind, format=form)


def draw_zip(run: store.Run, adapter: Path, step: int | None) -> None:
    """The adapter as a file, or where it lies if it is too large for a browser."""
    if workspace.folder_size(adapter) > merges.LARGEST_DOWNLOAD:
        st.caption(t("models.lies_in", folder=adapter))
        return
    st.download_button(
        t("models.export_adapter"),
        lambda: export.zip_folder(adapter),
        run_names.file_name(run, step, "zip"),
        "application/zip",
        key=f"zip-{run.id}",
        on_click="ignore",
        width="stretch",
    )


def fitting_bases(
    choice: served_models.ServedModel, bases: list[served_models.ServedModel]
) -> list[served_models.ServedModel]:
    """Bases without quantization of the adapter's family and size, its own first."""
    own, found = describe(choice.base), []
    for base in bases:
        try:
            model = describe(base.base)
        except EasyError:
            continue
        if not model.bits and (model.family, model.parameters) == (own.family, own.parameters):
            found.append(base)
    return sorted(found, key=lambda base: base.base != choice.base)


def draw_import(bases: list[served_models.ServedModel], owner: str) -> None:
    """Bring in an adapter that was made elsewhere."""
    with st.expander(t("models.import"), icon=":material/upload:"), ui.guarded():
        ui.name_uploader(t("datasets.browse"))
        given = st.file_uploader(
            t("models.import_what"),
            ["zip", "safetensors", "json", "bin"],
            key="adapter",
            accept_multiple_files=True,
            help=t("models.import_help"),
        )
        if not given:
            return
        files = [(one.name, one) for one in given]
        if not import_adapter.has_adapter(files):
            st.error(t("models.import_nothing"), icon=":material/error:")
            return
        origin = import_adapter.origin(files)
        place = next((place for place, base in enumerate(bases) if base.name == origin.base), None)
        base = st.selectbox(
            t("models.import_base"),
            bases,
            place,
            format_func=lambda one: one.name,
            key="adapter_base",
            placeholder=t("models.choose_base"),
        )
        name = st.text_input(
            t("run.name"), origin.name or Path(files[0][0]).stem, max_chars=store.LONGEST_NAME, key="adapter_name"
        )
        if base is not None and (warning := origin.warning(base.base)):
            st.caption(f":material/warning: {literal(t(warning, base=base.name, named=origin.base))}")
        if st.button(t("models.import_now"), key="import", disabled=base is None):
            with st.spinner(t("models.checking")):
                run = import_adapter.import_adapter(files, base.base, name=name, owner=owner, isolated=True)
            ui.note("audit.model.import", run.name)
            ui.go("chat", model=run.id)
