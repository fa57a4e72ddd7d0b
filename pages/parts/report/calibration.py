"""Marking a few answers by eye, and what that says of the judge."""

import streamlit as st

from glm_core import ui
from glm_core.evaluation import question_sets
from glm_core.evaluation.analysis import calibration
from glm_core.evaluation.report import Report, Row
from glm_core.evaluation.report_files import export
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run


def draw(run: Run, found: Report) -> None:
    """The next answer to mark, or once all are marked the agreement and the corrected meters."""
    st.caption(t("report.calibrate.about", count=len(calibration.choose(found))))
    if ui.owns(run.owner):
        ui.fragment(draw_marking)(run, found)
    else:
        draw_result(found, calibration.read(run, found))


def draw_marking(run: Run, found: Report) -> None:
    """One answer at a time, marked with a button or with keys 1 and 2."""
    marks = calibration.read(run, found)
    rows = calibration.choose(found)
    open_rows = [row for row in rows if calibration.key_of(row) not in marks]
    st.progress(
        1 - len(open_rows) / len(rows) if rows else 1.0, t("report.calibrate.done", done=len(marks), count=len(rows))
    )
    if open_rows:
        draw_row(run, found, open_rows[0])
    draw_result(found, marks)
    if marks:
        again = {"key": "marks-again", "icon": ":material/restart_alt:"}
        st.button(t("report.calibrate.again"), on_click=ui.checked(keep), args=(run, found), **again)


def draw_row(run: Run, found: Report, row: Row) -> None:
    """A question, its reference and the tuned answer; the judge's word is not shown, so that it does not lead."""
    with st.container(border=True, gap="xsmall"):
        st.markdown(literal(row.question.text))
        if question_sets.shown(row.question):
            st.caption(t("report.reference", text=literal(question_sets.shown(row.question))))
        st.info(literal(row.after.text))
    with st.container(horizontal=True), ui.guarded():
        for key, right in (("1", True), ("2", False)):
            word = t("report.calibrate.right" if right else "report.calibrate.wrong")
            st.button(word, key=f"mark-{key}", shortcut=key, on_click=ui.checked(keep), args=(run, found, row, right))


def keep(run: Run, found: Report, row: Row | None = None, right: bool = False) -> None:
    """Keep a mark; without a row forget all."""
    with ui.guarded():
        ui.must_own(run.owner)
        if row is None:
            calibration.forget(run, found)
        else:
            calibration.mark(run, found, row, right)


def draw_result(found: Report, marks: dict[str, bool]) -> None:
    """Agreement, corrected meters, and where the judge and the reader differ."""
    told = calibration.calibrate(found, marks)
    if not told.marked:
        return
    st.markdown(t("report.calibrate.agreed", agreed=told.agreed, marked=told.marked, unsure=told.unsure))
    for name, (share, low, high) in told.meters.items():
        values = {"before": export.number(found.meters[name]), "share": share, "low": low, "high": high}
        st.markdown(literal(f"{t(f'report.meter.{name}')} {t('report.calibrate.corrected', **values)}"))
    if not told.meters and told.marked >= calibration.FEWEST:
        st.caption(t("report.calibrate.uncorrected"))
    for row in calibration.disagreements(found, marks):
        st.caption(literal(f"≠ {row.question.text} → {row.after.text} · {export.reasons(row)}"))
