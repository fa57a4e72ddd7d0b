"""A report's files to keep and to send: the page, the table, the data, and the picture for a chat group."""

import streamlit as st

from glm_core import text
from glm_core.evaluation import picture, sending
from glm_core.evaluation.report import Report
from glm_core.text import say as t

KINDS = {
    "html": (sending.to_html, "text/html"),
    "csv": (sending.to_csv, "text/csv"),
    "json": (sending.to_json, "application/json"),
    "png": (picture.to_png, "image/png"),
    "svg": (picture.to_svg, "image/svg+xml"),
}


def draw(found: Report) -> None:
    """A button a file. Without a Chinese font on this computer the picture is offered as SVG, which brings its own way to find one."""
    painted = picture.find_font() is not None
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
    language = text.current()

    def content() -> bytes:
        text.use(language)
        return make(found)

    name, looks = sending.file_name(found, kind), {"key": kind, "icon": ":material/download:"}
    st.download_button(t(f"report.{kind}"), content, name, mime, on_click="ignore", **looks)
