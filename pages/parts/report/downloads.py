"""A report's files to keep and to send: the page, the table, the data, and the picture for a chat group."""

import streamlit as st

from glm_core import i18n
from glm_core.evaluation.report import Report
from glm_core.evaluation.report_files import export, image
from glm_core.i18n import t

KINDS = {
    "html": (export.to_html, "text/html"),
    "csv": (export.to_csv, "text/csv"),
    "json": (export.to_json, "application/json"),
    "png": (image.to_png, "image/png"),
    "svg": (image.to_svg, "image/svg+xml"),
}


def draw(found: Report) -> None:
    """A button a file. Without a Chinese font on this computer the picture is offered as SVG, which brings its own way to find one."""
    painted = image.find_font() is not None
    for kind in ("html", "png" if painted else "svg", "csv", "json"):
        button(found, kind)
    with st.popover("", icon=":material/more_horiz:", help=t("report.more_files"), key="more-files"):
        if painted:
            button(found, "svg")
        else:
            st.markdown(t("report.no_font"))


def button(found: Report, kind: str) -> None:
    """The button of one file, made when it is clicked, in the language of the page."""
    make, mime = KINDS[kind]
    language = i18n.current()

    def content() -> bytes:
        i18n.use(language)
        return make(found)

    name, looks = export.file_name(found, kind), {"key": kind, "icon": ":material/download:"}
    st.download_button(t(f"report.{kind}"), content, name, mime, on_click="ignore", **looks)
