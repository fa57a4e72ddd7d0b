"""The run page's published scores on the rows set aside, before and after, and its best and worst predictions."""

import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import heldout, report
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run
from glm_core.runs.reader import RunReader
from pages.parts.report import tables

REFRESH_SECONDS = 1.0
EXAMPLES = 3  # best and worst predictions each
LISTED = 20  # predictions of a classification


def draw_scores(reader: RunReader) -> None:
    """The published scores on the rows set aside, before and after, and the best and worst predictions."""
    run = reader.run
    aside = heldout.sets_aside(run)
    if aside is False:
        st.caption(t("run.scores.no_part"))
    elif reader.status.active or run.adapter() is None:
        st.caption(t("run.scores.later"))
    elif aside is None:
        st.caption(t("run.scores.not_known"))
    elif (job := state.reports().job(run)) is not None and job.active:
        ui.fragment(draw_scoring, run_every=REFRESH_SECONDS)(run)
    elif (made := report.read(run)) is None:
        st.caption(t("run.scores.about"))
        with ui.guarded():
            if st.button(t("run.scores.start"), key="score", icon=":material/playlist_add_check:"):
                state.reports().start(run)
                ui.note("audit.report.start", run.name)
                st.rerun()
    elif (found := reader.cached(("scores",), made.made, lambda: heldout.held_out(made, run))) is not None:
        if classes := made.classes.get("unseen"):
            tables.draw_class_table("unseen", classes)
            draw_predictions("by_class", found.ranked[::-1][:LISTED], scored=False)
        else:
            draw_held_out(found)
    if run.adapter() is not None:
        ui.link("report", t("run.scores.report"), icon=":material/summarize:", run=run.id)


def draw_scoring(run: Run) -> None:
    """A bar while the rows are answered; one full rerun when that ends."""
    job = state.reports().job(run)
    if job is None or not job.active:
        st.rerun()
    st.progress(job.fraction, t(f"report.stage.{job.stage}") if job.stage else t("report.waiting"))
    if st.button(t("report.cancel"), key="stop-scoring", icon=":material/stop_circle:"):
        job.cancel()
        ui.note("audit.report.stop", run.name)


def draw_held_out(found: heldout.HeldOut) -> None:
    """Four figures with those of the original, then predictions beside references."""
    for column, (name, score) in zip(st.columns(len(found.after)), found.after.items(), strict=True):
        before = t("run.scores.before", score=f"{found.before[name]:.2f}")
        column.metric(
            t(f"report.measure.{name}"), f"{score:.2f}", before, delta_color="off", delta_arrow="off", border=True
        )
    st.caption(t("run.scores.of", count=len(found.rows)))
    for kind, rows in (("best", found.best(EXAMPLES)), ("worst", found.worst(EXAMPLES))):
        if rows:
            draw_predictions(kind, rows)


def draw_predictions(kind: str, rows: list[tuple[report.Row, float]], scored: bool = True) -> None:
    """Questions with reference, both answers, and what the tuned one scored where that means something."""
    st.markdown(f"**{t(f'run.scores.{kind}')}**")
    names = ("question", "reference", "after", "original", *(["score"] if scored else []))
    cells = [
        (one.question.text, one.question.reference, one.after.text, one.before.text, f"{score:.1f}")[: len(names)]
        for one, score in rows
    ]
    columns = zip(names, zip(*cells, strict=True), strict=True)
    st.table({t(f"run.scores.{name}"): [literal(cell) for cell in column] for name, column in columns})
