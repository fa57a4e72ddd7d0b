"""The ways to take an adapter away: alone, or worked into a base."""

from pathlib import Path

import streamlit as st

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.models import describe
from glm_core.runs import Run
from glm_core.runs.exchange import export
from glm_core.runs.labels import run_names
from glm_core.serving import served_models
from pages.parts.models import merges


def draw_export(run: Run, choice: served_models.ServedModel, bases: list[served_models.ServedModel]) -> None:
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


def draw_zip(run: Run, adapter: Path, step: int | None) -> None:
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
