"""Bringing in an adapter that was made elsewhere."""

from pathlib import Path

import streamlit as st

from glm_core import ui
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import store
from glm_core.runs.exchange import import_adapter
from glm_core.serving import served_models
from pages.parts import widgets


def draw_import(bases: list[served_models.ServedModel], owner: str) -> None:
    """Bring in an adapter that was made elsewhere."""
    with st.expander(t("models.import"), icon=":material/upload:"), ui.guarded():
        widgets.name_uploader(t("datasets.browse"))
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
