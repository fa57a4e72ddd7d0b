"""Models: what do I have? Installed bases with their state and memory; adapters to bring in and to take away.

Getting further bases is the download page. Everything here goes by names: no path is ever taken from the browser.
"""

import streamlit as st

from glm_core import i18n, ui
from glm_core.hub import download_job
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.serving import served_models
from pages.parts.models import adapter_import, adapters, bases, merges


def draw_title() -> None:
    """The page's name, and the way to further models."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.title(t("page.models"), anchor=False)
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(t("models.get"), type="primary", icon=":material/download:", key="get"):
            ui.go("download")


def draw_downloads() -> None:
    """The downloads under way, as a link to them."""
    running = [one for one in download_job.downloads() if one.state == "running"]
    if running:
        names = i18n.join(f"{literal(one.name)} {one.progress().fraction:.0%}" for one in running)
        ui.link("download", t("models.downloading", names=names), icon=":material/downloading:")


user = ui.begin("models")
choices = served_models.catalogue()
installed = [choice for choice in choices if not choice.tuned]
tuned = [choice for choice in choices if choice.tuned]
draw_title()
bases.draw_memory()
draw_downloads()
bases.draw_loading()
for choice in installed:
    bases.draw_model(choice)
if not installed:
    st.markdown(t("models.none"))
bases.draw_broken()
st.subheader(t("models.adapters"), anchor=False)
merges.draw_jobs()
adapters.draw_all(tuned, installed)
lost = served_models.without_base()
for run in lost:
    adapters.draw_without_base(run)
if not tuned and not lost:
    st.caption(t("models.no_adapters"))
adapter_import.draw_import(installed, user.name)
