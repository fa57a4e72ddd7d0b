"""The download page's downloads: how far each is, and what can be done about it."""

import streamlit as st

from glm_core import i18n, ui
from glm_core.hub import download_job
from glm_core.i18n import t

REFRESH_SECONDS = 1.0


def draw_download(one: download_job.Download, token: str) -> None:
    """One download, redrawn by itself while it runs."""
    running = one.state == "running"
    ui.fragment(draw_now, run_every=REFRESH_SECONDS if running else None)(one, running, token)


def draw_now(one: download_job.Download, was_running: bool, token: str) -> None:
    """Progress, speed and remaining time of a download; stop, continue, delete."""
    if was_running and one.state != "running":
        st.rerun()
    with ui.guarded():
        draw_progress(one)
        draw_actions(one, token)


def draw_progress(one: download_job.Download) -> None:
    """The bar with its figures, the error, or what the finished files were checked against."""
    now = one.progress()
    size = f"{i18n.size(now.done)} / {i18n.size(now.total)}"
    if one.state == "running":
        parts = [t(now.stage), now.file, size]
        if now.speed:
            parts.append(f"{i18n.size(now.speed)}/s")
        if now.seconds_left is not None:
            parts.append(t("download.left", time=i18n.duration(now.seconds_left)))
        st.progress(now.fraction, " · ".join(part for part in parts if part))
    elif one.state == "done":
        counts = zip(("published", "listed", "unknown"), one.verified(), strict=True)
        found = [t(f"download.verified.{kind}", count=count) for kind, count in counts if count]
        st.caption(t("download.verified", found=i18n.join(found)))
    else:
        st.progress(now.fraction, f"{t(f'download.state.{one.state}')} · {size}")
    if one.error is not None:
        ui.show_error(one.error)


def draw_actions(one: download_job.Download, token: str) -> None:
    """Buttons of what can be done about one download now."""
    with st.container(horizontal=True):
        if one.state == "running":
            stop = {"on_click": ui.checked(ui.run_audited), "args": (one.stop, "audit.model.download_stop", one.name)}
            st.button(t("download.stop"), icon=":material/pause:", key=f"stop-{one.name}", **stop)
        elif one.state == "done":
            if st.button(t("download.to_models"), key=f"open-{one.name}"):
                download_job.discard(one.name)
                ui.go("models")
        else:
            if st.button(t("download.resume"), icon=":material/play_arrow:", key=f"resume-{one.name}"):
                download_job.resume(one.name, token)
                ui.note("audit.model.download", one.name)
                st.rerun()
            with st.popover(t("download.discard"), icon=":material/delete:", key=f"discard-{one.name}"):
                st.caption(t("download.discard_about", size=i18n.size(one.progress().done)))
                if st.button(t("download.discard_sure"), key=f"sure-{one.name}"):
                    download_job.discard(one.name)
                    ui.note("audit.model.discard", one.name)
                    st.rerun()
