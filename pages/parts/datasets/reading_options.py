"""Choices that a file leaves open on the upload page: its sheets, its first row, who speaks, which of two readings is meant."""

from dataclasses import replace

import streamlit as st

from glm_core.data import ReadOptions
from glm_core.data.examples import ReadResult
from glm_core.data.readers.opened_file import SPEAKER_ROLES
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.datasets.file_reading import plain_options

OPEN_SPEAKERS = ("speakers_added", "speakers_unclear", "speakers_by_role")


def draw_options(found: ReadResult) -> ReadOptions:
    """Choices that the file leaves open: its sheets, whether it has column names, and which of two readings is meant."""
    sheets: list[str] = []
    header, kinds = "auto", {notice.kind for notice in found.notices}
    if len(found.sheets) > 1:
        sheets = st.multiselect(
            t("datasets.sheets"), found.sheets, key="sheets", placeholder=t("datasets.sheets_known"), select_all=False
        )
    table = found.file.lower().endswith((".csv", ".tsv", ".xlsx"))
    if table and (kinds & {"no_header", "names_taken"} or not found.examples):
        header = st.segmented_control(
            t("datasets.first_row"),
            ("auto", "names", "data"),
            default="auto",
            format_func=lambda name: t(f"datasets.first_row.{name}"),
            key="first-row",
        )
    guessed = next((notice for notice in found.notices if notice.other), None)
    other = guessed is not None and st.toggle(t("datasets.other_reading"), key="other-reading", help=guessed.message)
    known = {"names": True, "data": False}.get(header or "auto")
    reading = guessed.other if guessed and other else ""
    return replace(
        plain_options(found.file),
        reading=reading,
        sheets=tuple(sheets),
        header=known,
        assistant=draw_speakers(found),
        roles=draw_roles(found),
    )


def draw_roles(found: ReadResult) -> tuple[tuple[str, str], ...]:
    """Who the names are that the notices leave open; only what the reader has said."""
    told = [notice for notice in found.notices if notice.kind in OPEN_SPEAKERS]
    names = dict.fromkeys(name for notice in told for name in notice.values["names"] if name != "…")
    chosen = []
    for name in names:
        role = st.segmented_control(
            t("datasets.speaker", name=literal(name)),
            ("auto", *SPEAKER_ROLES),
            default="auto",
            required=True,
            key=f"speaker-{name}",
            help=t("datasets.speaker_help"),
            format_func=lambda role: t(f"datasets.speaker.{role}"),
        )
        if role != "auto":
            chosen.append((name, role))
    return tuple(chosen)


def draw_speakers(found: ReadResult) -> str:
    """The one who answers, of those who talk in a chat of names; empty until somebody is chosen."""
    if not found.speakers:
        return ""
    return (
        st.selectbox(
            t("datasets.assistant"),
            found.speakers,
            None,
            key="assistant",
            placeholder=t("datasets.choose_name"),
            help=t("datasets.assistant_help"),
        )
        or ""
    )
