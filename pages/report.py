"""Report: did it learn, does it generalise, did it forget? Three meters with one striking example each; all else below.

The parts are in pages/parts: report/ (questions, score tables, benchmark, downloads), compared_runs, blind_vote, share.
"""

import streamlit as st

from glm_core import i18n, state, ui
from glm_core.evaluation import report
from glm_core.evaluation.analysis import conclusion
from glm_core.evaluation.blind_votes import Pair, VoteSide
from glm_core.evaluation.report_files import export
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, RunError, rollback, store
from pages.parts import blind_vote, compared_runs, share, step_in_use, widgets
from pages.parts.report import benchmark, calibration, downloads, measured, progress, questions, tables

OTHERS = 3


def start(run: Run) -> None:
    """Make the report, anew where there is one."""
    state.reports().start(run)
    ui.note("audit.report.start", run.name)
    st.rerun()


def draw_empty(run: Run) -> None:
    """Explanation of a report, and the one button that makes it."""
    unfinished = report.state_of(run) in ("running", "cancelled")
    with st.container(border=True, horizontal_alignment="center", key="report-empty"), ui.guarded():
        st.space("small")
        st.markdown(t("report.interrupted" if unfinished else "report.empty"), text_alignment="center")
        if st.button(t("report.continue" if unfinished else "report.start"), type="primary", key="start"):
            start(run)
        st.space("small")


def draw_others(run: Run, found: report.Report) -> None:
    """The meters of up to four runs side by side, and what their settings differ in."""
    others = {one.id: one for one in store.runs() if one.id != run.id and report.state_of(one) == "done"}
    chosen = st.multiselect(
        t("report.others_choose"),
        list(others),
        max_selections=OTHERS,
        select_all=False,
        key="others",
        placeholder="",
        format_func=lambda identifier: others[identifier].name,
    )
    compared_runs.draw([run, *(others[identifier] for identifier in chosen)], {run.id: found})


def draw_votes(run: Run, found: report.Report, current: bool) -> None:
    """The blind votes on this run, and a new one on the answers of the report."""
    blind_vote.draw_list(run)
    measured.say(found, current)
    alone = [row for row in found.rows if not row.question.history]
    pairs = [
        Pair(
            row.question.text, row.before.text, row.after.text, (row.verdict.before.outcome, row.verdict.after.outcome)
        )
        for row in alone
    ]
    blind_vote.draw_start(run, (VoteSide(found.base), VoteSide(found.name, found.step or 0)), pairs, "vote")


def draw_notes(run: Run, found: report.Report, current: bool) -> None:
    """Header with the run's name, and the warnings that come before all figures; above them whether they are still true."""
    if not current:
        draw_outdated(run, found)
    with measured.place(found, current, "headline", label=False):
        st.subheader(literal(conclusion.headline(found)), anchor=False)
        st.caption(literal(export.about(found)))
    step_in_use.draw(run)
    with measured.place(found, current, "doubts", label=False):
        for doubt in conclusion.doubts(found):
            st.caption(f":orange[:material/help:] {literal(doubt)}")
        if warnings := export.warnings(found):
            st.warning("\n\n".join(map(literal, warnings)), icon=":material/warning:")


def draw_outdated(run: Run, found: report.Report) -> None:
    """Which step these figures are of, which one answers now, and the press that measures it."""
    now = rollback.current(run)
    moved = now not in (None, found.step)
    said = t("report.outdated_step", now=now, then=found.step) if moved else t("report.outdated")
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="outdated"), ui.guarded():
        st.markdown(f":material/update: {said}")
        if st.button(t("report.again_now"), key="again-now", type="primary"):
            start(run)


def draw_report(run: Run, found: report.Report) -> None:
    """The whole report, what matters most first; what was measured of another adapter than answers now is dimmed and says so."""
    current = not is_outdated(run, found)
    draw_notes(run, found, current)
    with measured.place(found, current, "meters", label=False):
        tables.draw_classes(found)
        questions.draw_meters(run, found, current)
    with st.container(horizontal=True), ui.guarded():
        downloads.draw(found)
        if st.button(t("report.again"), key="again", icon=":material/refresh:"):
            start(run)
        share.draw("report", account, run=run.id)
    with measured.place(found, current, "rows"):
        questions.draw_details(found)
    with st.expander(t("report.scores"), icon=":material/table:"), measured.place(found, current, "scores"):
        tables.draw_scores(found)
    asked = st.session_state.get("strengths_of") == run.id  # who has asked for them finds them open
    with st.expander(t("report.strengths"), icon=":material/tune:", expanded=asked):
        tables.draw_strengths(run, found, current)
    with st.expander(t("report.others"), icon=":material/stacked_line_chart:"), ui.guarded():
        measured.say(found, current)
        draw_others(run, found)
    with st.expander(t("report.calibrate"), icon=":material/fact_check:"), measured.place(found, current, "marks"):
        calibration.draw(run, found)
    with st.expander(t("report.vote"), icon=":material/how_to_vote:"), ui.guarded():
        draw_votes(run, found, current)
    with st.expander(t("report.edit"), icon=":material/edit:"), ui.guarded():
        if questions.draw_edit(run):
            start(run)
    st.caption(t("report.took", duration=i18n.duration(found.seconds)))


def is_outdated(run: Run, found: report.Report) -> bool:
    """Return whether the adapter was saved anew after the report."""
    engine = state.engine()
    choices = (
        (one for one in engine.catalogue() if one.name == run.id) if engine.local and found.step is not None else ()
    )
    return any(not report.is_of(found, choice) for choice in choices)


account = ui.begin("report").account
try:
    chosen = store.get(st.query_params.get("run", ""))
except RunError:
    widgets.empty_state("report.unknown", "run.to_training", "training")
    st.stop()
ui.link("run", t("report.back"), icon=":material/arrow_back:", run=chosen.id)
st.title(t("report.title"), anchor=False)
if chosen.adapter() is None:
    why = "report.training" if chosen.status().active else "report.no_adapter"
    widgets.empty_state(why, "report.to_run", "run", run=chosen.id)
    st.stop()
job = state.reports().job(chosen)
if job is not None and job.state == "failed":
    st.error(literal(t("report.failed", why=job.error)), icon=":material/error:")
made = report.read(chosen)
if job is not None and job.active and not (job.strengths and made):
    st.caption(literal(chosen.name))
    progress.draw(chosen)
elif made is not None:
    draw_report(chosen, made)
else:
    draw_empty(chosen)
benchmark.draw(chosen)
