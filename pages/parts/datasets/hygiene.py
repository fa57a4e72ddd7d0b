"""The data page's checks of a set: counts, labels, and a card for each finding with its rows and the one button that mends it."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from glm_core import charts, ui
from glm_core.data import Example, analysis, figures, library
from glm_core.data.hygiene import check, describe, mend
from glm_core.data.hygiene.check import Finding
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.datasets.actions import keep_own

LISTED, FEW, OPEN = 100, 6, 3
KNOWN_BY = 60  # characters of a question or an answer in the table of a finding
FINDINGS_HEIGHT = 320  # pixels; a longer table scrolls by itself
MOST_FIELDS = 8  # placeholders in the form
ICONS = {
    "drop": "delete",
    "keep_first": "filter_1",
    "thin_out": "content_cut",
    "mask": "visibility_off",
    "fill": "edit",
}
TILES = ("repeated", "contradicting", "long")


def draw_check(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """Counts, the balance of labels, findings, and the way back from the last change."""
    own_rows = chosen.id == "imprint"
    with st.spinner(t("datasets.counting")):
        counts = analysis.statistics(rows) if own_rows else library.statistics(chosen.id)
    found = check.check(rows) if own_rows else look(chosen.id)
    draw_counts(counts, found)
    if counts.labels:
        st.markdown(t("datasets.labels", count=len(counts.labels)))
        st.plotly_chart(figures.labels_figure(counts.labels), key="labels", config=charts.CONFIG)
    if chosen.previous:
        draw_restore(chosen)
    if not found:
        st.markdown(t("datasets.all_well"))
    elif chosen.bundled:
        st.caption(t("datasets.edit_copy"))
        if st.button(t("datasets.copy"), icon=":material/content_copy:", key="check-copy"):
            keep_own(chosen)
    for finding in found:
        with st.container(border=True, key=f"finding-{finding.kind}"), ui.guarded():
            draw_finding(finding, chosen, rows)


def look(id: str) -> list[Finding]:
    """The findings of a set, with progress while every row is looked at."""
    bar = st.progress(0.0, t("datasets.looking"))
    found = library.findings(id, lambda fraction: bar.progress(fraction, t("datasets.looking")))
    bar.empty()
    return found


def draw_counts(counts: analysis.Statistics, found: list[Finding]) -> None:
    """Rows, answers where those are more or not all learned, and the rows that repeat, contradict or are too long."""
    faults = {one.kind: len(one.rows) for one in found}
    tiles = {"rows": counts.rows, "turns": counts.turns, "learned": counts.targets}
    tiles |= {kind: faults.get(kind, 0) for kind in TILES}
    if counts.turns == counts.rows:
        del tiles["turns"]
    if counts.targets == counts.turns:
        del tiles["learned"]
    with st.container(horizontal=True, key="counts"):
        for name, value in tiles.items():
            label, help = t(f"datasets.count.{name}"), t(f"datasets.count.{name}_help")
            st.metric(label, f"{value:,}", border=True, help=help, width=140)


def draw_restore(chosen: library.Dataset) -> None:
    """Go back to the rows before the last change, or delete those for good."""
    with st.container(horizontal=True, vertical_alignment="center", key="restoring"), ui.guarded():
        help = t("datasets.restore_help")
        if st.button(t("datasets.restore"), icon=":material/undo:", help=help, key="restore"):
            library.restore(chosen.id, expected=chosen.sha256)
            ui.note("audit.data.edit", chosen.name)
            st.toast(t("datasets.restored"))
            st.rerun()
        help = t("datasets.forget_help")
        if st.button(t("datasets.forget"), icon=":material/delete_forever:", help=help, key="forget", type="tertiary"):
            library.forget_previous(chosen.id)
            ui.note("audit.data.edit", chosen.name)
            st.rerun()


def draw_finding(finding: Finding, chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """A finding's sentence, its one button, and its first hundred rows."""
    kind = finding.kind
    left, right = st.columns([5, 2], vertical_alignment="center")
    left.markdown(literal(describe.sentence(finding)))
    values = None if chosen.bundled or finding.action != "fill" else draw_fields(finding)
    word = t(f"datasets.mend.{finding.action}", count=f"{len(finding.rows):,}")
    icon = f":material/{ICONS[finding.action]}:"
    if not chosen.bundled and right.button(word, icon=icon, key=f"mend-{kind}", width="stretch"):
        change(finding, chosen, rows, values)
    few = len(finding.rows) <= OPEN
    with st.expander(t("datasets.rows_like_these"), icon=":material/table_rows:", expanded=few):
        draw_rows(finding, rows)


def draw_fields(finding: Finding) -> dict[str, str]:
    """A text for each of the most frequent placeholders; what is left blank stays as it is."""
    marks = sorted(finding.counts, key=finding.counts.__getitem__, reverse=True)
    columns = st.columns(min(4, len(marks)))
    texts = {
        mark: columns[place % len(columns)].text_input(
            t("datasets.fill_with", mark=literal(mark)), max_chars=200, key=f"fill-{mark}"
        )
        for place, mark in enumerate(marks[:MOST_FIELDS])
    }
    if len(marks) > MOST_FIELDS:
        st.caption(t("datasets.findings_more", count=len(marks) - MOST_FIELDS))
    return texts


def change(finding: Finding, chosen: library.Dataset, rows: Sequence[Example], values: dict[str, str] | None) -> None:
    """Save the mended rows as the set's new version; those from before are kept."""
    with st.spinner(t("datasets.saving")):
        changed = library.replace_rows(chosen.id, mend.mend(rows, finding, values), expected=chosen.sha256)
    ui.note("audit.data.edit", chosen.name)
    st.toast(t("datasets.mended", rows=f"{changed.rows:,}", before=f"{chosen.rows:,}"))
    st.rerun()


def draw_rows(finding: Finding, rows: Sequence[Example]) -> None:
    """The first hundred rows of a finding, each beside the row it repeats or with what it holds."""
    names = [t(f"datasets.{name}") for name in ("row_number", "beside", "question", "answer")]
    cells = [
        (f"{row + 1:,}", cut(describe.beside(finding, row)), cut(rows[row].question), cut(rows[row].answer))
        for row in finding.rows[:LISTED]
    ]
    table = pd.DataFrame(cells, columns=names).set_index(names[0])
    with st.container(height=FINDINGS_HEIGHT if len(cells) > FEW else "content", border=False):
        st.table(table if finding.partners or finding.notes else table.drop(columns=names[1]))
    if len(finding.rows) > LISTED:
        st.caption(t("datasets.first_problems", shown=LISTED, all=f"{len(finding.rows):,}"))


def cut(text: str) -> str:
    """The beginning of a text, enough to know it by."""
    return literal(text[:KNOWN_BY]) + ("…" if len(text) > KNOWN_BY else "")
