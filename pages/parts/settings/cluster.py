"""The cluster of the workspace: its address, its token, where it sees the workspace; tried before it is kept."""

import streamlit as st

from glm_core import ui
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs.cluster import settings
from glm_core.runs.cluster.jobs_api import JobsApi


def draw() -> None:
    """The form, and the end of the cluster's use."""
    found = settings.read()
    st.markdown(t("cluster.about"))
    with st.form("cluster", border=False):
        address = st.text_input(
            t("cluster.address"), found.address if found else "", max_chars=200, placeholder="http://10.0.0.5:8265"
        )
        token = st.text_input(t("cluster.token_label"), type="password", max_chars=500, help=t("cluster.token_help"))
        here, there = st.columns(2)
        prefixes = (
            here.text_input(t("cluster.here"), found.here if found else "", max_chars=300),
            there.text_input(t("cluster.there"), found.there if found else "", max_chars=300),
        )
        st.caption(t("cluster.prefix_about"))
        asked = st.form_submit_button(t("cluster.try"), icon=":material/lan:")
    if asked:
        with ui.guarded():
            keep(settings.Cluster(address.strip(), token or (found.token if found else ""), *map(str.strip, prefixes)))
    if found and st.button(t("cluster.forget"), key="forget-cluster"):
        settings.forget()
        ui.note("audit.cluster.forget", found.address)
        st.rerun()


def keep(cluster: settings.Cluster) -> None:
    """Ask `cluster` for its version, keep it, say so."""
    with st.spinner(t("cluster.trying")):
        version = JobsApi(settings.checked(cluster)).version()
    settings.write(cluster)
    ui.note("audit.cluster.set", cluster.address)
    st.success(t("cluster.answers", address=literal(cluster.address), version=literal(version)))
