"""The figures of a report below its first screen: every measure, and the meters at other strengths of the adapter."""

import pandas as pd
import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import report, scale_sweep, scoring
from glm_core.evaluation.report_files import export as report_export
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run
from glm_core.runs.exchange import export
from pages.parts.report import measured, progress


def draw_scores(found: report.Report) -> None:
    """Every measure of every kind, perplexity, the table of classes, the self-check."""
    st.caption(t("report.scores_about"))
    for kind in scoring.KINDS:
        rows = report_export.score_table(found, kind)
        if rows:
            st.markdown(f"**{t(f'compare.kind.{kind}')}**")
            table = pd.DataFrame(rows)
            st.table(table.set_index(table.columns[0]))
    if changed := report_export.change_table(found):
        st.markdown(f"**{t('report.changes')}**")
        table = pd.DataFrame(changed)
        st.table(table.set_index(table.columns[0]))
    for sentence in report_export.measured(found):
        st.markdown(literal(sentence))


def draw_classes(found: report.Report) -> None:
    """Accuracy and confusions of a classification, rows it has not seen first; nothing for other tasks."""
    for kind, classes in found.classes.items():
        draw_class_table(kind, classes)


def draw_class_table(kind: str, classes: scoring.Classification) -> None:
    """Accuracy and confusions of one kind of question."""
    st.markdown(f"**{report_export.accuracy(kind, classes)}**", help=t("report.confusion"))
    st.dataframe(pd.DataFrame(report_export.confusion(classes)), hide_index=True, key=f"classes-{kind}")


def draw_strengths(run: Run, found: report.Report, current: bool) -> None:
    """The three meters at five strengths of the adapter; while they are measured, how far that is.

    Once another adapter answers than that of the report, nothing is measured or exported here: it would be of the other.
    """
    with measured.place(found, current, "strengths"):
        draw_strengths_of(run, found, current)


def draw_strengths_of(run: Run, found: report.Report, current: bool) -> None:
    """The table where there is one, and what to do with it or for it."""
    st.caption(t("report.strengths_about"))
    job = state.reports().job(run)
    if job is not None and job.active and job.strengths:
        progress.draw(run)
        return
    if found.strengths:
        columns = {t(f"report.meter.{name}"): name for name in scoring.METERS}
        rows = [
            {
                t("chat.strength"): f"{strength:g}",
                **{title: report_export.number(meters[name]) for title, name in columns.items()},
            }
            for strength, meters in sorted(found.strengths.items())
        ]
        st.table(pd.DataFrame(rows).set_index(t("chat.strength")))
        best = scale_sweep.best(found.strengths)
        st.markdown(t("report.strengths_best", strength=f"{best:g}"))
        if current:
            link_to(run, best)
            draw_export(run, best)
    elif current and st.button(t("report.strengths_go"), key="strengths", icon=":material/tune:"):
        measure(run)


def draw_lower(run: Run, found: report.Report) -> None:
    """The way from a loss to the strength that keeps more: measure strengths, or compare at the best one."""
    if run.settings.get("dora"):  # on or off, nothing between
        return
    if not found.strengths:
        if st.button(t("report.strengths_link"), key="lower", type="tertiary", icon=":material/tune:"):
            measure(run)
    elif (best := scale_sweep.best(found.strengths)) < 1:
        link_to(run, best)


def measure(run: Run) -> None:
    """Measure the meters at other strengths, in the background; the place where they come stands open."""
    state.reports().start(run, strengths=True)
    st.session_state.strengths_of = run.id
    ui.note("audit.report.start", run.name)
    st.rerun()


def link_to(run: Run, strength: float) -> None:
    """The comparison at `strength`."""
    ui.link(
        "compare",
        t("report.strengths_use", strength=f"{strength:g}"),
        icon=":material/compare:",
        run=run.id,
        strength=f"{strength:g}",
    )


def draw_export(run: Run, best: float) -> None:
    """A model of its own at a strength, which only a LoRA can become."""
    if run.settings.get("method") == "ptuning":
        st.caption(t("adapters.error.prefix_strength"))
        return
    strength = st.slider(t("chat.strength"), 0.05, 1.5, best, 0.05, key="export-strength")
    if st.button(t("report.export"), key="export", icon=":material/merge:", help=t("models.export_about.merged")):
        export.start_export(run, state.engine().find(run.id).base, strength=strength)
        ui.note("audit.model.merge", run.name)
        ui.go("models")
