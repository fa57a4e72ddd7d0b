"""Training: what will happen? Data, model and method on the left; updates, time and memory on the right, before anything starts."""

import streamlit as st

from glm_core import state, ui
from glm_core.data import library
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import bases, store
from glm_core.runs.labels import captions, run_names
from glm_core.serving import served_models
from glm_core.training.settings import TrainingSettings
from pages.parts import widgets
from pages.parts.datasets.actions import keep_imprint
from pages.parts.training import fields, outlook, place
from pages.parts.training.form import Form


def draw_command(settings: TrainingSettings, pinned: list[str]) -> None:
    """The line that does the same in a terminal. The imprint's rows are written when it starts; its run shows the line."""
    if st.session_state.dataset == "imprint":
        st.caption(t("train.command_later"))
        return
    base, rows = form.models[st.session_state.model].base, library.rows_file(st.session_state.dataset)
    line = settings.command(str(base), str(rows), str(store.folder() / "my-run"), pinned)
    st.code(line, language="bash", wrap_lines=True)


def draw_start(settings: TrainingSettings) -> TrainingSettings:
    """Whose adapter is gone on from, and the way back to beginning anew. Returns the settings as the adapter has them."""
    run = form.start
    if run is None:
        return settings
    fits = bases.name_of(run) == st.session_state.model
    word = t("train.from" if fits else "train.from_other_model", name=literal(run.name), model=literal(run.model_name))
    st.caption(word)
    st.button(t("train.from_drop"), key="drop-start", on_click=ui.checked(form.drop_start))
    return store.continue_settings(run, settings) if fits else settings


def start(settings: TrainingSettings, pinned: list[str], expected: dict[str, float], at: dict) -> None:
    """Make the run, queue it, show it.

    Args:
        at: where it trains, see `Run.place`.
    """
    dataset = st.session_state.dataset
    if dataset == "imprint":
        typed = (st.session_state.assistant.strip(), st.session_state.author.strip())
        dataset = keep_imprint(*(one or usual for one, usual in zip(typed, library.IMPRINT, strict=True)))
    title = library.get(dataset).name
    run = store.create(
        form.models[st.session_state.model].base,
        dataset,
        settings,
        pinned,
        user.name,
        run_names.propose_name(title, st.session_state.model, settings, earlier),
        expected=expected,
        identifier="" if at else state.launcher().claim(),
        start=form.start if form.start and bases.name_of(form.start) == st.session_state.model else None,
        place=at,
    )
    state.launcher().submit(run)
    ui.note("audit.run.start", run.name)
    ui.go("run", run=run.id)


user = ui.begin("training")
data = {dataset.id: dataset for dataset in library.datasets()}
models = {choice.name: choice for choice in served_models.catalogue() if not choice.tuned}
machine = state.machine()
title, history = st.columns([3, 1], vertical_alignment="bottom")
title.title(t("page.training"), anchor=False)
earlier = store.runs()
with history, st.container(horizontal=True, horizontal_alignment="right"):
    ui.link("runs", t("train.history", count=len(earlier)), icon=":material/history:")
for run in earlier:
    if (status := run.status()).active:
        ui.link("run", literal(captions.going_on(run, status)), icon=":material/monitoring:", run=run.id)
widgets.draw_idle_gpus()
if not data or not models:
    widgets.empty_state(
        "train.no_data" if models else "train.no_model", "train.to_there", "datasets" if models else "models"
    )
    st.stop()
form = Form(data, models)
if form.begin():
    ui.begin_anew(t("train.gone"))
ui.draw_told()
fixed: frozenset[str] = frozenset()
with ui.guarded():
    fixed = form.hold()
left, right = st.columns([3, 2], gap="large")
with left:
    fields.draw_presets(form)
    fields.draw_choices(form, fixed)
    at = place.draw()
    if not at:
        fields.draw_cards(machine)
    pinned = fields.draw_questions()
    with st.expander(t("train.settings"), icon=":material/tune:"):
        fields.draw_fields("basic", machine, fixed)
    with st.expander(t("train.expert"), icon=":material/science:"):
        fields.draw_fields("expert", machine, fixed)
form.keep_draft()
with right, st.container(border=True, key="forecast"), ui.guarded():
    settings = place.placed(draw_start(form.read()), at)
    found = outlook.draw_forecast(form, settings, machine, len(pinned), earlier)
    word = "train.enqueue" if not at and any(run.status().active for run in earlier) else "train.start"
    if st.button(t(word), type="primary", icon=":material/play_arrow:", key="start", width="stretch"):
        start(settings, pinned, {} if at else {"seconds": found.seconds, "peak_bytes": found.memory.peak_bytes}, at)
    with st.expander(t("train.by_card"), icon=":material/memory:"):
        outlook.draw_cards(found)
    with st.expander(t("train.command"), icon=":material/terminal:"):
        draw_command(settings, pinned)
    if settings.processes == 1 and not at:
        state.launcher().prepare()
