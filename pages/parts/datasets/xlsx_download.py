"""The data page's Excel file of a large set: asked for, watched, cancelled, taken away."""

from collections.abc import Sequence

import streamlit as st

from glm_core import i18n, ui
from glm_core.data import Example, library, xlsx_job
from glm_core.i18n import t

REFRESH_SECONDS = 1.0


def draw_request(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """The button that begins it, and with that closes the popover it is in."""
    help = t("datasets.sheet_help", rows=f"{chosen.rows:,}")
    st.button(
        t("datasets.sheet"), help=help, on_click=ui.checked(ask), args=(chosen, rows), key="sheet", width="stretch"
    )


def ask(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """Begin it. A popover of another key is another one, and closed."""
    xlsx_job.start(chosen, rows)
    st.session_state.sheets_asked = asked() + 1


def asked() -> int:
    """Number of times the reader has asked for one."""
    return st.session_state.get("sheets_asked", 0)


def draw_sheet(chosen: library.Dataset) -> None:
    """The file of `chosen` if somebody asked for one; while it is under way, redrawn by itself."""
    sheet = xlsx_job.find(chosen)
    if sheet is None:
        return
    with st.container(border=True, key="sheet-state"), ui.guarded():
        if sheet.state == "running":
            ui.fragment(draw_progress, run_every=REFRESH_SECONDS)(sheet, chosen)
        elif sheet.state == "done":
            draw_download(sheet, chosen)
        else:
            st.caption(str(sheet.error) if sheet.error else t("datasets.sheet_cancelled"))


def draw_progress(sheet: xlsx_job.WorkbookExport, chosen: library.Dataset) -> None:
    """Progress of the job, and a button that cancels it."""
    if sheet.state != "running":
        st.rerun()
    done = f"{round(sheet.fraction * chosen.rows):,}"
    st.progress(sheet.fraction, t("datasets.sheet_running", done=done, rows=f"{chosen.rows:,}"))
    st.button(t("datasets.cancel"), on_click=ui.checked(sheet.cancel), key="sheet-cancel")


def draw_download(sheet: xlsx_job.WorkbookExport, chosen: library.Dataset) -> None:
    """Take it away."""
    size = i18n.size(sheet.path.stat().st_size)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            t("datasets.sheet_download", size=size),
            sheet.path.read_bytes,
            f"{chosen.id}.xlsx",
            icon=":material/download:",
            on_click="ignore",
            key="sheet-download",
        )
        st.caption(t("datasets.sheet_done"), width="content")
