"""Where a run trains: on this computer, or on the Ray cluster of the workspace, where one is set up."""

import streamlit as st

from glm_core.i18n import t
from glm_core.runs.cluster import settings as cluster
from glm_core.training.settings import TrainingSettings
from pages.parts import widgets

MOST_WORKERS = 64


def draw() -> dict:
    """The choice, and on the cluster whether each trainer has a GPU; returns `Run.place`, empty for this computer."""
    found = cluster.read()
    if found is None:
        return {}
    place = st.segmented_control(
        t("cluster.where"),
        ("here", cluster.KIND),
        default="here",
        required=True,
        format_func=lambda name: t(f"cluster.where.{name}"),
        help=t("cluster.where_help", address=found.address),
        key="place",
    )
    if place != cluster.KIND:
        return {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        widgets.number_input(t("cluster.workers"), 1, MOST_WORKERS, 1, key="workers", help=t("cluster.workers_help"))
        gpu = st.toggle(t("cluster.gpu"), True, key="worker-gpu")
    st.caption(t("cluster.forecast"))
    return {"kind": cluster.KIND, "gpu": gpu}


def placed(settings: TrainingSettings, place: dict) -> TrainingSettings:
    """`settings` with the number of trainers that was chosen for the cluster."""
    return settings.changed(processes=st.session_state.workers) if place else settings
