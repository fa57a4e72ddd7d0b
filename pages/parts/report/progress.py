"""How far a report, or the measuring of its strengths, is."""

import streamlit as st

from glm_core import state, ui
from glm_core.i18n import t
from glm_core.runs import Run

REFRESH_SECONDS = 1.0
STAGE_ENDS = {
    "divergence": (0.0, 0.05),
    "answers": (0.05, 0.85),
    "likelihood": (0.85, 0.9),
    "drift": (0.9, 0.95),
    "scores": (0.95, 1.0),
    "strengths": (0.0, 1.0),
}


def draw(run: Run) -> None:
    """The job of `run`, drawn by itself until it ends."""
    ui.fragment(draw_job, run_every=REFRESH_SECONDS)(run)


def draw_job(run: Run) -> None:
    """A bar while the report is being made; one full rerun when it ends."""
    job = state.reports().job(run)
    if job is None or not job.active:
        st.rerun()
    low, high = STAGE_ENDS.get(job.stage, (0.0, 0.0))
    said = t(f"report.stage.{job.stage}") if job.stage else t("report.waiting")
    st.progress(low + (high - low) * job.fraction, said)
    if st.button(t("report.cancel"), key="cancel", icon=":material/stop_circle:"):
        job.cancel()
        ui.note("audit.report.stop", run.name)
