"""One run, live or long finished: what is it doing, is it learning, what came of it, and what to do next."""

import pandas as pd
import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import report
from glm_core.evaluation.analysis import conclusion
from glm_core.evaluation.verdict import Learning
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, RunError, Status, rollback, silence, store
from glm_core.runs.labels import captions, outcome, setting_values
from glm_core.runs.reader import RunReader
from pages.parts import step_in_use, widgets
from pages.parts.run.actions import draw_header, draw_next, learning_of
from pages.parts.run.curves import draw_answers, draw_curves, draw_resources, draw_tiles
from pages.parts.run.rows_used import draw_rows_used
from pages.parts.run.scores import draw_scores

REFRESH_SECONDS, ENDED_SECONDS = 1.0, 3.0
"How often a run is looked at while it is active, and after its end, when another window may resume or delete it."
LOG_HEIGHT = 460


def reader_of(run: Run) -> RunReader:
    """The reader of `run` of this viewer; kept over reruns, so that only new rows are read and drawn."""
    kept = st.session_state.get("reader")
    if kept is None or kept.run != run:
        st.session_state.reader = kept = RunReader(run)
    return kept


def draw_state(reader: RunReader) -> None:
    """One line on where the run is: a bar while it moves, a sentence when it has ended."""
    status = reader.status
    if status.active:
        st.progress(*captions.progress(reader.run, status, state.launcher().queue()))
        if stuck := silence.explain(reader.run):
            st.warning(stuck, icon=":material/hourglass_disabled:")
    elif status.state == "failed":
        st.error(status.why or t("run.failed"), icon=":material/error:")
    else:
        draw_verdict(reader)
        step_in_use.draw(reader.run)
        st.markdown(outcome.outcome(status, reader.curves))
    if status.alarm:
        st.warning(status.alarm, icon=":material/warning:")


def draw_verdict(reader: RunReader) -> None:
    """The judge's first sentence and of a classification the confusions, why not where it has not learned.

    Where another step has been gone to since, the sentence of its report; without one that of the end, as what it is.
    """
    learning, now = learning_of(reader), rollback.current(reader.run)
    if learning is None:
        return
    if now not in (None, learning.step):
        draw_other_step(reader, learning, now)
        return
    st.subheader(learning.sentence, anchor=False)
    for name, table in (("unseen", learning.unseen), ("trained", learning.trained)):
        if table:
            st.markdown(
                t(f"run.accuracy_{name}", accuracy=f"{table.accuracy:.0%}", count=sum(table.confusion.values()))
            )
            st.table(confusion(table))
    if learning.because:
        st.markdown(learning.because)


def draw_other_step(reader: RunReader, learning: Learning, now: int) -> None:
    """The verdict on the step in use, and dimmed the one on the step at which training ended."""
    made = report.read(reader.run)
    if made is not None and made.step == now:
        st.subheader(literal(conclusion.headline(made)), anchor=False)
    st.caption(t("step.verdict_of", step=learning.step, sentence=learning.sentence))


def confusion(table) -> pd.DataFrame:
    """A classification table: a row for each label of the data, a column for each answer, how often it was given."""
    said = [*table.labels, *([""] if any(answered == "" for _, answered in table.confusion) else [])]
    heads = [literal(answered) or t("run.confusion_none") for answered in said]
    rows = [[table.confusion.get((label, answered), 0) for answered in said] for label in table.labels]
    index = pd.Index([literal(label) for label in table.labels], name=t("run.confusion_label"))
    return pd.DataFrame(rows, index, heads)


def draw_samples(reader: RunReader) -> None:
    """Every pinned question as a timeline of its answers."""
    if not reader.answers():
        st.caption(t("run.no_samples"))
    for question, answers in reader.answers().items():
        with st.container(border=True):
            draw_answers(question, answers)


def draw_log(reader: RunReader) -> None:
    """The end of what the trainer printed."""
    with st.container(height=LOG_HEIGHT, border=False, autoscroll=True):
        st.code(reader.run.log_tail() or t("run.no_log"), language=None, wrap_lines=True)


def draw_settings(reader: RunReader) -> None:
    """The rows used, every setting that counts, and the command that does the same without the page."""
    draw_rows_used(reader.run)
    settings = setting_values.settings_of(reader.run)
    if settings is None:
        st.caption(t("run.no_settings"))
        return
    run, out = reader.run, str(store.folder() / "my-run")
    line = settings.command(run.model, str(run.path / "dataset.jsonl"), out, run.questions)
    st.caption(t("train.command"))
    st.code(line, language="bash", wrap_lines=True)
    st.table(
        {
            setting_values.name_of(name): setting_values.measured(name, getattr(settings, name))
            for name in setting_values.used(settings.method)
        }
    )


DRAW = {
    "curves": draw_curves,
    "samples": draw_samples,
    "scores": draw_scores,
    "resources": draw_resources,
    "log": draw_log,
    "settings": draw_settings,
}


def draw_live(run: Run) -> None:
    """The live part of the page: read anew every second while the run is active; one full rerun when it ends."""
    reader = reader_of(run)
    before = reader.status
    reader.refresh(rows=not (before.active and st.session_state.get("pause")))
    if before.active != reader.status.active:
        state.launcher().tick()  # it knows how the trainer's process ended, and writes it down
        st.rerun()
    with st.container():  # one place for both, so that what follows keeps its own when the run ends
        draw_state(reader)
        if not reader.status.active:
            draw_next(reader)
    if reader.metrics or (reader.resources and not reader.status.active):
        draw_tiles(reader)
    for name, tab in zip(
        DRAW, st.tabs([t(f"run.tab.{name}") for name in DRAW], key="tab", on_change="rerun"), strict=True
    ):
        if tab.open:
            with tab:
                DRAW[name](reader)


def watch_ended(run: Run, drawn: Status) -> None:
    """Draw the page anew where a run that had ended is not as it was drawn any more."""
    now = run.status()
    if (now.state, now.step) != (drawn.state, drawn.step):
        st.rerun()


ui.begin("run")
try:
    chosen = store.get(st.query_params.get("run", ""))
except RunError:
    widgets.empty_state("run.unknown", "run.to_training", "training")
    st.stop()
status = chosen.status()
active = status.active
if chosen.adapter():
    st.session_state.last_run = chosen.id  # with which a new conversation begins
draw_header(chosen, active)
ui.fragment(draw_live, run_every=REFRESH_SECONDS if active else None)(chosen)
if not active:
    ui.fragment(watch_ended, run_every=ENDED_SECONDS)(chosen, status)
