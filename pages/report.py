"""Report: did it learn, does it generalise, did it forget? Three meters with one striking example each; all else below."""

import pandas as pd
import streamlit as st

from glm_core import state, text, ui
from glm_core.evaluation import judging, report, sending, sets, strengths
from glm_core.evaluation.votes import Pair
from glm_core.runs import Run, RunError, exporting, records, wording
from glm_core.serving.display import differences, literal, marked
from glm_core.text import say as t
from pages.parts import voting

REFRESH_SECONDS = 1.0
PAGE = 10
EXAMPLE_LENGTH = 160
OTHERS = 3
SIDES = (("original", "gray"), ("column.tuned", "green"))
BADGES = {"learned": "green", "partly": "blue", "unchanged": "gray", "worse": "red"}
STAGE_ENDS = {"proof": (0.0, 0.05), "answers": (0.05, 0.85), "likelihood": (0.85, 0.95), "scores": (0.95, 1.0), "strengths": (0.0, 1.0)}


# making it


def draw_job(run: Run) -> None:
    """A bar while the report is being made; one full rerun when it ends."""
    job = state.reports().job(run)
    if job is None or not job.active:
        st.rerun()
    low, high = STAGE_ENDS.get(job.stage, (0.0, 0.0))
    said = t(f"report.stage.{job.stage}") if job.stage else t("report.waiting")
    st.progress(low + (high - low) * job.fraction, said)
    if st.button(t("report.cancel"), key="cancel", icon=":material/stop_circle:"):
        job.cancel()


def start(run: Run) -> None:
    state.reports().start(run)
    st.rerun()


def draw_empty(run: Run) -> None:
    """What a report is, and the one button that makes it."""
    unfinished = report.state_of(run) in ("running", "cancelled")
    with st.container(border=True, horizontal_alignment="center", key="report-empty"), ui.guarded():
        st.space("small")
        st.markdown(t("report.interrupted" if unfinished else "report.empty"), text_alignment="center")
        if st.button(t("report.continue" if unfinished else "report.start"), type="primary", key="start"):
            start(run)
        st.space("small")


# the first screen


def draw_meters(found: report.Report) -> None:
    """Three meters: number, uncertainty, what it means, one example."""
    for column, (name, meter) in zip(st.columns(3, gap="medium"), found.meters.items(), strict=True):
        with column.container(border=True, height="stretch", key=f"meter-{name}"):
            st.metric(t(f"report.meter.{name}"), sending.number(meter), help=t(f"report.meter.{name}_help"))
            st.caption(sending.uncertainty(meter))
            st.markdown(sending.meaning(found, name))
            row = sending.example(found, name)
            if row is not None:
                st.markdown(f"**{literal(cut(row.question.text))}**")
                draw_sides(cut(row.before.text), cut(row.after.text), [st.container(gap="xsmall") for _ in SIDES])


def cut(answer: str) -> str:
    """An answer short enough for a card."""
    return answer[:EXAMPLE_LENGTH] + ("…" if len(answer) > EXAMPLE_LENGTH else "")


def draw_sides(before: str, after: str, places) -> None:
    """Both answers with the words that differ marked."""
    for place, (side, colour), pieces in zip(places, SIDES, differences(before, after), strict=True):
        with place:
            st.caption(t(f"compare.{side}"))
            st.markdown(marked(pieces, colour) or f":gray[{t('chat.nothing')}]")


# below it


def draw_details(found: report.Report) -> None:
    """Every question, filtered by verdict and kind, best or worst first."""
    st.subheader(t("report.details"), anchor=False)
    judged = [row.judgement.verdict for row in found.rows]
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        verdict = st.pills(
            t("report.filter"), ("all", *judging.VERDICTS), default="all", key="verdict", required=True,
            format_func=lambda one: t("report.verdict.all", count=len(judged)) if one == "all"
            else f"{t(f'report.verdict.{one}')} {judged.count(one)}",
        )  # fmt: skip
        order = st.segmented_control(
            t("report.order"), ("best", "worst"), default="best", key="order", required=True,
            format_func=lambda one: t(f"report.order.{one}"),
        )  # fmt: skip
    kinds = [kind for kind in judging.KINDS if found.of(kind)]
    chosen = st.pills(
        t("report.kinds"), kinds, default=kinds, selection_mode="multi", key="kinds",
        format_func=lambda one: t(f"compare.kind.{one}"),
    )  # fmt: skip
    rows = [
        row for row, said in zip(found.rows, judged, strict=True)
        if verdict in ("all", said) and row.question.kind in chosen
    ]  # fmt: skip
    draw_rows(sending.ordered(rows, best=order == "best"))


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
    verdict = row.judgement.verdict
    with st.container(border=True, gap="xsmall"):
        notes = " · ".join([t(f"compare.kind.{row.question.kind}"), *sending.defects(row)])
        st.markdown(f":{BADGES[verdict]}-badge[{t(f'report.verdict.{verdict}')}] :gray[{notes}]")
        st.markdown(f"**{literal(row.question.text)}**")
        if sets.shown(row.question):
            st.caption(t("report.reference", text=literal(sets.shown(row.question))))
        draw_sides(row.before.text, row.after.text, st.columns(2, gap="medium"))


def draw_scores(found: report.Report) -> None:
    """Every measure of every kind, perplexity, the table of classes, the self-check."""
    st.caption(t("report.scores_about"))
    for kind in judging.KINDS:
        rows = sending.score_table(found, kind)
        if rows:
            st.markdown(f"**{t(f'compare.kind.{kind}')}**")
            st.dataframe(pd.DataFrame(rows), hide_index=True)
    for sentence in (*sending.perplexity(found), sending.self_check(found)):
        st.markdown(sentence)
    classes = found.classification("after")
    if classes:
        st.markdown(t("report.confusion"))
        columns = [*classes.labels, ""]
        table = [[classes.confusion.get((one, other), 0) for other in columns] for one in classes.labels]
        st.dataframe(pd.DataFrame(table, classes.labels, [*classes.labels, t("report.other_answer")]))


def draw_strengths(run: Run, found: report.Report) -> None:
    """The three meters at five strengths of the adapter."""
    st.caption(t("report.strengths_about"))
    if found.strengths:
        columns = {t(f"report.meter.{name}"): name for name in judging.METERS}
        rows = [
            {t("chat.strength"): f"{strength:g}", **{title: sending.number(meters[name]) for title, name in columns.items()}}
            for strength, meters in sorted(found.strengths.items())
        ]
        st.table(pd.DataFrame(rows).set_index(t("chat.strength")))
        best = strengths.best(found.strengths)
        st.markdown(t("report.strengths_best", strength=f"{best:g}"))
        strength = st.slider(t("chat.strength"), 0.05, 1.5, best, 0.05, key="export-strength")
        if st.button(t("report.export"), key="export", icon=":material/merge:", help=t("models.merge_about")):
            exporting.start_merge(run, state.engine().find(run.id).base, strength=strength)
            ui.go("models")
    elif st.button(t("report.strengths_go"), key="strengths", icon=":material/tune:"):
        state.reports().start(run, strengths=True)
        st.rerun()


def draw_others(run: Run, found: report.Report) -> None:
    """The meters of up to four runs side by side, and what their settings differ in."""
    others = {one.id: one for one in records.runs() if one.id != run.id and report.state_of(one) == "done"}
    chosen = st.multiselect(
        t("report.others_choose"), list(others), max_selections=OTHERS, key="others", placeholder="",
        format_func=lambda identifier: literal(others[identifier].name),
    )  # fmt: skip
    rows = []
    for one in (run, *(others[identifier] for identifier in chosen)):
        made = found if one is run else report.read(one)
        if made is not None:
            numbers = {t(f"report.meter.{name}"): sending.number(meter) for name, meter in made.meters.items()}
            differing = "" if one is run else wording.changes(run.settings, one.settings)
            rows.append({t("compare.run"): one.name, **numbers, t("report.others_settings"): differing})
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def draw_votes(run: Run, found: report.Report) -> None:
    """The blind votes on this run, and a new one on the answers of the report."""
    voting.draw_list(run)
    alone = [row for row in found.rows if not row.question.history]
    pairs = [Pair(row.question.text, row.before.text, row.after.text) for row in alone]
    voting.draw_start(run, (found.base, found.name), pairs, "vote")


def draw_edit(run: Run) -> None:
    """The questions in other words, to change and add to."""
    st.caption(t("report.edit_about"))
    names = (t("report.edit_question"), t("report.edit_answer"))
    kept = [(one.text, sets.shown(one)) for one in sets.kept(run) if one.kind == "reworded"]
    table = pd.DataFrame(kept, columns=names, dtype=str)
    edited = st.data_editor(table, num_rows="dynamic", hide_index=True, key="wordings", width="stretch")
    with ui.guarded():
        if st.button(t("report.edit_save"), key="save", icon=":material/save:"):
            sets.edit(run, [tuple(map(str, row)) for row in edited.fillna("").itertuples(index=False)])
            start(run)


def draw_downloads(run: Run, found: report.Report) -> None:
    """Files to keep and to send, and the way to a newer report."""
    icon = {"icon": ":material/download:", "on_click": "ignore"}
    language = text.current()

    def page() -> bytes:
        text.use(language)
        return sending.to_html(found)

    with st.container(horizontal=True), ui.guarded():
        st.download_button(t("report.html"), page, f"{run.id}-report.html", "text/html", key="html", **icon)
        st.download_button(t("report.csv"), lambda: sending.to_csv(found), f"{run.id}-report.csv", "text/csv", key="csv", **icon)
        st.download_button(
            t("report.json"), lambda: sending.to_json(found), f"{run.id}-report.json", "application/json", key="json", **icon
        )
        if st.button(t("report.again"), key="again", icon=":material/refresh:"):
            start(run)


def draw_report(run: Run, found: report.Report) -> None:
    """The whole report, what matters most first."""
    st.caption(literal(sending.about(found)))
    if found.step is not None and outdated(run, found):
        st.info(t("report.outdated"), icon=":material/update:")
    if doubts := sending.doubts(found):
        st.warning("\n\n".join(map(literal, doubts)), icon=":material/warning:")
    draw_meters(found)
    st.space("medium")
    draw_downloads(run, found)
    draw_details(found)
    with st.expander(t("report.scores"), icon=":material/table:"):
        draw_scores(found)
    with st.expander(t("report.strengths"), icon=":material/tune:"), ui.guarded():
        draw_strengths(run, found)
    with st.expander(t("report.others"), icon=":material/stacked_line_chart:"), ui.guarded():
        draw_others(run, found)
    with st.expander(t("report.vote"), icon=":material/how_to_vote:"):
        draw_votes(run, found)
    with st.expander(t("report.edit"), icon=":material/edit:"):
        draw_edit(run)
    st.caption(t("report.took", duration=text.duration(found.seconds)))


def outdated(run: Run, found: report.Report) -> bool:
    """Whether the adapter was saved anew after the report."""
    choices = (one for one in state.engine().catalogue() if one.name == run.id)
    return any(report.version_of(choice) != found.adapter for choice in choices)


ui.begin("report")
try:
    chosen = records.get(st.query_params.get("run", ""))
except RunError:
    ui.empty_state("report.unknown", "run.to_training", "training")
    st.stop()
ui.link("run", t("report.back"), icon=":material/arrow_back:", run=chosen.id)
st.title(t("report.title"), anchor=False)
if chosen.adapter() is None:
    ui.empty_state("report.no_adapter", "report.to_run", "run", run=chosen.id)
    st.stop()
job = state.reports().job(chosen)
if job is not None and job.state == "failed":
    st.error(literal(t("report.failed", why=job.error)), icon=":material/error:")
if job is not None and job.active:
    st.caption(literal(chosen.name))
    st.fragment(draw_job, run_every=REFRESH_SECONDS)(chosen)
elif (made := report.read(chosen)) is not None:
    draw_report(chosen, made)
else:
    draw_empty(chosen)
