"""The questions of a report: the three meters with one striking example each, then every question, to filter and to edit."""

import pandas as pd
import streamlit as st

from glm_core import ui
from glm_core.evaluation import question_sets, report, scoring, stored_questions
from glm_core.evaluation.report_files import export
from glm_core.i18n import t
from glm_core.markdown import differences, literal, marked
from glm_core.runs import Run
from pages.parts.report import tables
from pages.parts.shortened import cut

PAGE = 10
SIDES = ("original", "column.tuned")
GRADES = {"some": "orange", "none": "red", "unsure": "orange"}
BADGES = {"learned": "green", "unchanged": "gray", "unsure": "orange", "not_right": "red", "worse": "red"}


def draw_meters(run: Run, found: report.Report, current: bool) -> None:
    """The first screen: a card a meter, side by side on a desk, beneath each other on a phone; nothing else."""
    with st.container(key="first-screen"), st.container(key="meters"):
        for name in found.meters:
            draw_meter(run, found, name, current)


def draw_meter(run: Run, found: report.Report, name: str, current: bool) -> None:
    """A figure, what it means, how sure it is, and the one question that shows it."""
    meter = found.meters[name]
    with st.container(border=True, height="stretch", gap="xsmall", key=f"meter-{name}"):
        st.metric(t(f"report.meter.{name}"), export.number(meter), help=t(f"report.meter.{name}_help"))
        said, color = export.meaning(found, name), GRADES.get(meter.grade)
        st.markdown(f":{color}[{said}]" if color else said)
        st.caption(export.uncertainty(found, name))
        if change := export.change(found, name):
            st.caption(literal(change))
        if name == "generalises" and meter.grade == "unknown":
            ui.link("training", t("report.set_aside"), icon=":material/call_split:", like=found.run, aside="1")
        if current and name == "kept" and meter.value is not None and meter.value < export.KEPT_ALL:
            with ui.guarded():
                tables.draw_lower(run, found)
        row = export.example(found, name)
        if row is not None:
            with st.container(gap="xsmall", key=f"example-{name}"):
                draw_example(row)


def draw_example(row: report.Row) -> None:
    """A question with both answers, each on a line of its own behind the word that says whose it is."""
    st.markdown(f"**{literal(cut(row.question.text))}**")
    before, after = cut(row.before.text), cut(row.after.text)
    for (side, color), pieces in zip(sides_of(row), differences(before, after), strict=True):
        said = marked(pieces, color) or f":gray[{t('chat.nothing')}]"
        st.markdown(f":gray[:small[{t(f'compare.{side}')}]]\u2002{said}")


def sides_of(row: report.Row) -> tuple[tuple[str, str], tuple[str, str]]:
    """Each side's word and the color of what differs in it: the tuned answer's is that of its verdict, so nothing wrong is green."""
    return (SIDES[0], "gray"), (SIDES[1], BADGES[row.verdict.name])


def draw_sides(row: report.Row, places) -> None:
    """Both answers with the words that differ marked."""
    before, after = (scoring.without_loop(one.text) for one in (row.before, row.after))
    for place, (side, color), pieces in zip(places, sides_of(row), differences(before, after), strict=True):
        with place:
            st.caption(t(f"compare.{side}"))
            st.markdown(marked(pieces, color) or f":gray[{t('chat.nothing')}]")


def draw_details(found: report.Report) -> None:
    """Every question, filtered by verdict and kind, best or worst first; where a meter is not known, what it could not judge."""
    st.subheader(t("report.details"), anchor=False)
    judged = [row.verdict.name for row in found.rows]
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        verdict = st.pills(
            t("report.filter"),
            ("all", *scoring.VERDICTS),
            default="unsure" if any(meter.grade == "unsure" for meter in found.meters.values()) else "all",
            key="verdict",
            required=True,
            format_func=lambda one: (
                t("report.verdict.all", count=len(judged))
                if one == "all"
                else f"{t(f'report.verdict.{one}')} {judged.count(one)}"
            ),
        )
        order = st.segmented_control(
            t("report.order"),
            ("best", "worst"),
            default="best",
            key="order",
            required=True,
            format_func=lambda one: t(f"report.order.{one}"),
        )
    kinds = [kind for kind in scoring.KINDS if found.of(kind)]
    chosen = st.pills(
        t("report.kinds"),
        kinds,
        default=kinds,
        selection_mode="multi",
        key="kinds",
        format_func=lambda one: t(f"compare.kind.{one}"),
    )
    rows = [
        row
        for row, said in zip(found.rows, judged, strict=True)
        if verdict in ("all", said) and row.question.kind in chosen
    ]
    draw_rows(export.ordered(rows, best=order == "best"))


def draw_rows(rows: list[report.Row]) -> None:
    """The first rows, and a button for more."""
    shown = st.session_state.setdefault("shown", PAGE)
    if not rows:
        st.caption(t("report.nothing"))
    for row in rows[:shown]:
        draw_row(row)
    if len(rows) > shown and st.button(t("report.more", count=min(PAGE, len(rows) - shown)), key="more"):
        st.session_state.shown += PAGE
        st.rerun()


def draw_row(row: report.Row) -> None:
    """One question: verdict, reference, both answers."""
    verdict = row.verdict.name
    with st.container(border=True, gap="xsmall"):
        notes = " · ".join([t(f"compare.kind.{row.question.kind}"), *export.defects(row), literal(export.reasons(row))])
        st.markdown(f":{BADGES[verdict]}-badge[{t(f'report.verdict.{verdict}')}] :gray[{notes}]")
        st.markdown(f"**{literal(row.question.text)}**")
        if question_sets.shown(row.question):
            st.caption(t("report.reference", text=literal(question_sets.shown(row.question))))
        draw_sides(row, st.columns(2, gap="medium"))


def draw_edit(run: Run) -> bool:
    """The questions in other words, to change and add to; whether they have been changed now."""
    st.caption(t("report.edit_about"))
    names = (t("report.edit_question"), t("report.edit_answer"))
    kept = [
        (one.text, question_sets.shown(one))
        for one in stored_questions.read(run)
        if one.kind in stored_questions.EDITED
    ]
    table = pd.DataFrame(kept, columns=names, dtype=str)
    edited = st.data_editor(table, num_rows="dynamic", hide_index=True, key="wordings", width="stretch")
    with ui.guarded():
        if st.button(t("report.edit_save"), key="save", icon=":material/save:"):
            stored_questions.edit(run, [tuple(map(str, row)) for row in edited.fillna("").itertuples(index=False)])
            ui.note("audit.report.edit", run.name)
            return True
    return False
