"""One run, live or long finished: what is it doing, is it learning, what came of it, and what to do next."""

import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import heldout, report
from glm_core.runs import Run, RunError, figures, records, wording
from glm_core.runs.watch import Watch
from glm_core.serving.display import literal
from glm_core.text import say as t

REFRESH_SECONDS = 1.0
ANSWERS_HEIGHT = 440  # of the curve beside them with its switch, so that a changed answer moves nothing
LOG_HEIGHT = 460
TILE_HEIGHT = 200  # with or without a spark line yet
EXAMPLES = 3  # best and worst predictions each
CHART = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


def watch_of(run: Run) -> Watch:
    """What this viewer has read of `run`; kept over reruns, so that only new rows are read and drawn."""
    kept = st.session_state.get("watch")
    if kept is None or kept.run != run:
        st.session_state.watch = kept = Watch(run)
    return kept


def draw_header(run: Run, active: bool) -> None:
    """Name and state, what is trained on what, and what can be done about it."""
    ui.link("training", t("run.back"), icon=":material/arrow_back:")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        st.title(literal(run.name), anchor=False)
        st.caption(literal(wording.about(run)))
        st.caption(wording.promise(run))
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        if active and ui.owns(run.owner):
            draw_stop(run)
        draw_more(run, active)


def draw_stop(run: Run) -> None:
    """Two ways to stop, each with what becomes of the work, said before the click that does it."""
    with st.popover(t("run.stop"), icon=":material/stop_circle:", key="stop"), ui.guarded():
        for save in ("save", "discard"):
            st.caption(t(f"run.stop_{save}_about"))
            if st.button(t(f"run.stop_{save}"), key=f"stop-{save}", width="stretch"):
                state.launcher().stop(run, save=save == "save")
                ui.note("audit.run.stop", run.name)
                st.rerun()


def draw_more(run: Run, active: bool) -> None:
    """Name, note, the same again, deletion."""
    with st.popover(t("run.more"), icon=":material/more_horiz:", key="more"), ui.guarded():
        name = st.text_input(t("run.name"), run.name, max_chars=records.LONGEST_NAME, key="name")
        note = st.text_area(t("run.note"), run.note, max_chars=records.LONGEST_NOTE, key="note")
        if (name, note) != (run.name, run.note):
            ui.must_own(run.owner)
            run.rename(name)
            run.annotate(note)
            ui.note("audit.run.rename", name)
            st.rerun()
        if wording.settings_of(run) and st.button(t("run.like"), icon=":material/tune:", key="like", width="stretch"):
            ui.go("training", like=run.id)
        if not active and st.checkbox(t("run.delete_sure"), key="sure"):
            if st.button(t("run.delete"), icon=":material/delete:", key="delete", width="stretch"):
                ui.must_own(run.owner)
                run.remove()
                ui.note("audit.run.remove", run.name)
                ui.go("training")


def start_again(run: Run, settings=None) -> None:
    """A new run of the same rows, shown in place of this one."""
    copy = records.again(run, settings=settings, owner=ui.begin("run").name)
    state.launcher().submit(copy)
    ui.note("audit.run.start", copy.name)
    ui.go("run", run=copy.id)


def resume(run: Run) -> None:
    ui.must_own(run.owner)
    state.launcher().resume(run)
    ui.note("audit.run.start", run.name)
    st.rerun()


def draw_next(watch: Watch) -> None:
    """After the end: one primary button for what is most likely wanted, and the other ways on."""
    run, offers = watch.run, {}
    better = wording.better(run, watch.status, watch.memory)
    if run.adapter():
        offers = {"compare": lambda: ui.go("compare", run=run.id), "report": lambda: ui.go("report", run=run.id),
                  "chat": lambda: ui.go("chat", model=run.id)}  # fmt: skip
    elif better:
        st.markdown(wording.proposal(run, watch.status, better, watch.memory))
        offers["retry"] = lambda: start_again(run, better)
    if watch.status.state != "finished" and not run.damaged:
        if run.checkpoints():
            offers["resume"] = lambda: resume(run)
        offers["again"] = lambda: start_again(run)
    with st.container(horizontal=True), ui.guarded():
        for place, (name, act) in enumerate(offers.items()):
            if st.button(t(f"run.{name}"), type="secondary" if place else "primary", key=f"next-{name}"):
                act()


def draw_state(watch: Watch) -> None:
    """One line on where the run is: a bar while it moves, a sentence when it has ended."""
    status = watch.status
    if status.active:
        st.progress(*wording.progress(watch.run, status, state.launcher().queue()))
    elif status.state == "failed":
        st.error(status.why or t("run.failed"), icon=":material/error:")
    else:
        st.markdown(wording.outcome(status, watch.curves))
    if status.alarm:
        st.warning(status.alarm, icon=":material/warning:")


def draw_tiles(watch: Watch) -> None:
    """Four figures with their spark lines."""
    with st.container(key="tiles", horizontal=True):
        for tile in wording.tiles(watch.status, watch.curves, watch.memory):
            st.metric(
                t(f"run.tile.{tile.name}"), tile.value, tile.note, delta_color="off", delta_arrow="off", border=True,
                height=TILE_HEIGHT, chart_data=tile.line or None, help=t(f"run.tile.{tile.name}_help"),
            )  # fmt: skip


def draw_curves(watch: Watch) -> None:
    """The chosen curve beside the newest answers, memory beneath."""
    wide, narrow = st.columns([2, 1], gap="medium")
    with wide:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            kind = st.segmented_control(
                t("run.curve"), list(figures.KINDS), default="loss", required=True, key="kind",
                label_visibility="collapsed", format_func=lambda one: t(f"runs.figure.{one}"),
            )  # fmt: skip
            if watch.status.active:
                st.toggle(t("run.pause"), key="pause", help=t("run.pause_help"))
        total = watch.status.total_steps
        figure = watch.kept(("curve", kind), (len(watch.metrics), total), lambda: figures.series_figure(watch.curves, kind, total))
        st.plotly_chart(figure, key="curve", config=CHART)
    with narrow, st.container(height=ANSWERS_HEIGHT, border=False):
        for question, answers in watch.answers().items():
            draw_answers(question, answers, brief=True)
    draw_memory(watch)
    if not watch.status.active and watch.metrics:
        draw_downloads(watch)


def draw_answers(question: str, answers: list[dict], brief: bool = False) -> None:
    """A pinned question and its answers, each with the updates between which it was given; in brief the first and the newest."""
    with st.container(gap="xsmall"):
        st.markdown(f"**{literal(question)}**")
        if not answers:
            st.caption(t("run.no_answer_yet"))
        for answer in (answers[:1] + answers[1:][-1:]) if brief else answers:
            said = literal(answer["answer"]) or t("run.empty_answer")
            if answer is answers[-1] and answer["last"]:
                st.markdown(f":green[{wording.steps_of(answer)}] {said}")
            else:
                st.caption(f"{t('run.before_training') if brief else wording.steps_of(answer)} {said}")


def draw_memory(watch: Watch) -> None:
    """Memory over time with its limit."""
    st.markdown(f"**{t('run.tile.memory')}**")
    figure = watch.kept(("memory figure",), len(watch.resources), lambda: figures.memory_figure(watch.memory))
    st.plotly_chart(figure, key="memory", config=CHART)


def draw_samples(watch: Watch) -> None:
    """Every pinned question as a timeline of its answers."""
    for question, answers in watch.answers().items():
        with st.container(border=True):
            draw_answers(question, answers)


def draw_scores(watch: Watch) -> None:
    """The published scores on the rows set aside, before and after, and the best and worst predictions."""
    run = watch.run
    if not heldout.sets_aside(run):
        st.caption(t("run.scores.no_part"))
    elif watch.status.active or run.adapter() is None:
        st.caption(t("run.scores.later"))
    elif (job := state.reports().job(run)) is not None and job.active:
        st.fragment(draw_scoring, run_every=REFRESH_SECONDS)(run)
    elif (made := report.read(run)) is None:
        st.caption(t("run.scores.about"))
        with ui.guarded():
            if st.button(t("run.scores.start"), key="score", icon=":material/playlist_add_check:"):
                state.reports().start(run)
                ui.note("audit.report.start", run.name)
                st.rerun()
    elif (found := watch.kept(("scores",), made.made, lambda: heldout.held_out(made))) is not None:
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
        column.metric(t(f"report.measure.{name}"), f"{score:.2f}", before, delta_color="off", delta_arrow="off", border=True)
    st.caption(t("run.scores.of", count=len(found.rows)))
    for kind, rows in (("best", found.best(EXAMPLES)), ("worst", found.worst(EXAMPLES))):
        if rows:
            st.markdown(f"**{t(f'run.scores.{kind}')}**")
            names = ("question", "reference", "after", "original", "score")
            cells = [(one.question.text, one.question.reference, one.after.text, one.before.text, f"{score:.1f}") for one, score in rows]
            columns = zip(names, zip(*cells, strict=True), strict=True)
            st.table({t(f"run.scores.{name}"): [literal(cell) for cell in column] for name, column in columns})


def draw_resources(watch: Watch) -> None:
    """Memory, and how busy processor and cards were."""
    draw_memory(watch)
    drawn = watch.kept(("busy",), len(watch.resources), lambda: figures.busy_figures(watch.resources))
    for key, figure in drawn.items():
        st.markdown(f"**{t(key)}**")
        st.plotly_chart(figure, key=key, config=CHART)


def draw_log(watch: Watch) -> None:
    """The end of what the trainer printed."""
    with st.container(height=LOG_HEIGHT, border=False, autoscroll=True):
        st.code(watch.run.log_tail() or t("run.no_log"), language=None, wrap_lines=True)


def draw_settings(watch: Watch) -> None:
    """Every setting that counts, and the command that does the same without the page."""
    settings = wording.settings_of(watch.run)
    if settings is None:
        st.caption(t("run.no_settings"))
        return
    rows = str(watch.run.path / "dataset.jsonl")
    st.caption(t("train.command"))
    st.code(settings.command(watch.run.model, rows, str(records.folder() / "my-run")), language="bash", wrap_lines=True)
    st.table({wording.name_of(name): wording.value_of(name, getattr(settings, name)) for name in wording.used(settings.method)})


def draw_downloads(watch: Watch) -> None:
    """The curve as a table and as a picture to look into."""
    curves, name = watch.curves, watch.run.id
    figure = figures.loss_figure(curves, watch.status.total_steps)
    rows = (*curves.training, *curves.validation)
    with st.container(horizontal=True):
        icon = {"icon": ":material/download:", "on_click": "ignore"}
        st.download_button(t("run.csv"), lambda: figures.to_csv(rows), f"{name}.csv", "text/csv", **icon)
        st.download_button(t("run.picture"), lambda: figures.to_html(figure), f"{name}.html", "text/html", **icon)


DRAW = {
    "curves": draw_curves, "samples": draw_samples, "scores": draw_scores, "resources": draw_resources, "log": draw_log,
    "settings": draw_settings,
}  # fmt: skip


def draw_live(run: Run) -> None:
    """All that moves. Read anew every second while the run is active; one full rerun when it ends."""
    watch = watch_of(run)
    before = watch.status
    watch.refresh(rows=not (before.active and st.session_state.get("pause")))
    if before.active != watch.status.active:
        state.launcher().tick()  # it knows how the trainer's process ended, and writes it down
        st.rerun()
    with st.container():  # one place for both, so that what follows keeps its own when the run ends
        draw_state(watch)
        if not watch.status.active:
            draw_next(watch)
    draw_tiles(watch)
    for name, tab in zip(DRAW, st.tabs([t(f"run.tab.{name}") for name in DRAW], key="tab", on_change="rerun"), strict=True):
        if tab.open:
            with tab:
                DRAW[name](watch)


ui.begin("run")
try:
    chosen = records.get(st.query_params.get("run", ""))
except RunError:
    ui.empty_state("run.unknown", "run.to_training", "training")
    st.stop()
active = chosen.status().active
draw_header(chosen, active)
st.fragment(draw_live, run_every=REFRESH_SECONDS if active else None)(chosen)
