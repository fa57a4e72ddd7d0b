"""The run page's name and buttons: stop, rename, delete, and what to do after the end."""

import streamlit as st

from glm_core import i18n, state, ui
from glm_core.errors import EasyError
from glm_core.evaluation import verdict
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, bases, store
from glm_core.runs.labels import captions, forecast_notes, outcome, run_names, setting_values
from glm_core.runs.reader import RunReader
from glm_core.training.settings import TrainingSettings
from pages.parts import stored_value


def draw_header(run: Run, active: bool) -> None:
    """Name and state, what is trained on what, and what can be done about it."""
    ui.link("training", t("run.back"), icon=":material/arrow_back:")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        st.title(literal(run.name), anchor=False)
        st.caption(literal(captions.about(run)))
        st.caption(forecast_notes.promise(run))
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
    """The same again; for whom it belongs to also name, note and deletion."""
    mine = ui.owns(run.owner)
    if not mine and not setting_values.settings_of(run):
        return
    with st.popover(t("run.more"), icon=":material/more_horiz:", key="more"), ui.guarded():
        if mine:
            draw_names(run)
        elif run.note:
            st.caption(literal(run.note))
        if setting_values.settings_of(run) and st.button(
            t("run.like"), icon=":material/tune:", key="like", width="stretch"
        ):
            ui.go("training", like=run.id)
        if mine and not active and st.checkbox(t("run.delete_sure"), key="sure"):
            if st.button(t("run.delete"), icon=":material/delete:", key="delete", width="stretch"):
                ui.must_own(run.owner)
                run.remove()
                ui.note("audit.run.remove", run.name)
                ui.go("training")


def draw_names(run: Run) -> None:
    """Name and note, kept as they are changed; each run has fields of its own, or the next run shown would get this one's."""
    stored_value.show(f"name-{run.id}", run.name)
    stored_value.show(f"note-{run.id}", run.note)
    name = st.text_input(t("run.name"), max_chars=store.LONGEST_NAME, key=f"name-{run.id}")
    note = st.text_area(t("run.note"), max_chars=store.LONGEST_NOTE, key=f"note-{run.id}")
    if (name, note) != (run.name, run.note):
        ui.must_own(run.owner)
        run.rename(name)
        run.annotate(note)
        ui.note("audit.run.rename", name)
        st.rerun()


def draw_next(reader: RunReader) -> None:
    """After the end: one primary button for what is most likely wanted, and the other ways on."""
    run, offers = reader.run, {}
    learning = learning_of(reader)
    better = outcome.better(run, reader.status, reader.memory)
    if run.adapter() and bases.of(run) is None:
        st.caption(f":material/link_off: {literal(t('models.base_gone', base=run.model_name))}")
        offers["models"] = lambda: ui.go("models")
    elif run.adapter():
        offers = mend(run, learning) | {
            "compare": lambda: ui.go("compare", run=run.id),
            "report": lambda: ui.go("report", run=run.id),
            "chat": lambda: ui.go("chat", model=run.id),
            "continue": lambda: ui.go("training", **{"from": run.id}),
        }
    elif better:
        st.markdown(outcome.proposal(run, reader.status, better, reader.memory))
        offers["retry"] = lambda: start_again(run, better)
    elif outcome.had_free_memory(reader.status, reader.memory):
        peak, limit = i18n.size(reader.memory.peak), i18n.size(reader.memory.limit)
        st.markdown(t("run.had_room", peak=peak, limit=limit))
    if reader.status.state != "finished" and not run.damaged:
        if run.checkpoints():
            offers["resume"] = lambda: resume(run)
        offers["again"] = lambda: start_again(run)
    with st.container(horizontal=True), ui.guarded():
        for place, (name, act) in enumerate(offers.items()):
            if st.button(t(f"run.{name}"), type="secondary" if place else "primary", key=f"next-{name}"):
                act()


def learning_of(reader: RunReader) -> verdict.Learning | None:
    """The judge's verdict on the run once it has ended, made once."""
    if reader.status.state != "finished":
        return None
    losses = reader.curves.series("loss")[1]
    return reader.cached(("learning",), reader.status.step, lambda: verdict.read(reader.run, losses))


def mend(run: Run, learning: verdict.Learning | None) -> dict:
    """The one press that mends a run which has not learned; none where it has, or where nobody knows."""
    remedy = learning.remedy if learning else None
    if remedy is None:
        return {}
    if remedy.kind == "data":
        return {"mend_data": lambda: ui.go("datasets", dataset=run.dataset["id"])}
    start, before, settings = run if remedy.kind == "continue" else None, run.settings, remedy.settings
    try:
        if start:  # what the adapter fixes is no change, in whatever words the settings had it
            settings = store.continue_settings(run, settings)
            before = store.continue_settings(run, TrainingSettings.from_dict(run.settings)).to_dict()
    except EasyError:  # a damaged adapter, or a base that is gone: nothing to go on from
        return {}
    changed = setting_values.changes(before, settings.to_dict())
    st.caption(t(f"run.mend_{remedy.kind}_about", changes=changed) if changed else t("run.mend_same"))
    return {f"mend_{remedy.kind}": lambda: start_again(run, settings, start)}


def start_again(run: Run, settings=None, start: Run | None = None) -> None:
    """A new run of the same rows, named by what differs, shown in place of this one; it goes on from the adapter of `start`."""
    used = settings or setting_values.settings_of(run)
    name = run_names.propose_name(captions.dataset_name(run), run.model_name, used, store.runs()) if used else ""
    copy = store.clone(run, settings=settings, owner=ui.begin("run").name, start=start, name=name)
    state.launcher().submit(copy)
    ui.note("audit.run.start", copy.name)
    ui.go("run", run=copy.id)


def resume(run: Run) -> None:
    ui.must_own(run.owner)
    state.launcher().resume(run)
    ui.note("audit.run.start", run.name)
    st.rerun()
