"""Training: what will happen? Data, model and method on the left; updates, time and memory on the right, before anything starts."""

from dataclasses import fields

import streamlit as st

from glm_core import state, text, ui
from glm_core.data import library
from glm_core.models import describe as describe_model
from glm_core.runs import RunError, forecast, questions, records, resources, wording
from glm_core.serving import catalogue
from glm_core.serving.display import literal, told_apart
from glm_core.text import say as t
from glm_core.training.settings import PRESETS, TrainingSettings, describe, label, preset, say_choice

PRESET_DATA = {"imprint": "imprint", "advertisement": "advertisement", "domain": "appliance"}
PRESET_MODEL = {"imprint": "chatglm-demo", "advertisement": "chatglm-demo", "domain": "bloom-demo"}
RATE_STEPS = {"learning_rate": 1e-4}


def fill(settings: TrainingSettings) -> None:
    """Put `settings` into the form."""
    st.session_state.filled = settings.to_dict()
    st.session_state.update({f"set_{name}": value for name, value in settings.to_dict().items()})


def choose_preset(name: str) -> None:
    """Fill the form with one of the three jobs, as far as its data and model are here."""
    st.session_state.preset = name
    if PRESET_DATA[name] in data:
        st.session_state.dataset = PRESET_DATA[name]
    if PRESET_MODEL[name] in models:
        st.session_state.model = PRESET_MODEL[name]
    fill(suit(name))


def suit(name: str, method: str | None = None) -> TrainingSettings:
    """A preset's settings for the size of the chosen model; the published ones while none is chosen."""
    chosen = models.get(st.session_state.get("model"))
    return preset(name, describe_model(chosen.base).parameters if chosen else None, method)


def refill() -> None:
    """After another model or method was chosen: what still is as the preset had it follows."""
    former = {name: value for name, value in st.session_state.get("filled", {}).items() if name != "method"}
    untouched = all(st.session_state.get(f"set_{name}") == value for name, value in former.items())
    if former and untouched and st.session_state.preset:
        fill(suit(st.session_state.preset, st.session_state.set_method))


def imitate(identifier: str) -> None:
    """Fill the form as the run `identifier` was; a run that is gone changes nothing."""
    try:
        run = records.get(identifier)
    except RunError:
        return
    st.session_state.update(preset="", dataset=run.dataset["id"], model=run.model_name)
    if settings := wording.settings_of(run):
        fill(settings)


def begin_form() -> None:
    """Fill the form at the first visit or as the address asks: `preset`, `dataset`, `model`, or a run to be `like`."""
    asked = {name: st.query_params[name] for name in ("preset", "dataset", "model", "like") if name in st.query_params}
    if st.session_state.get("asked") != asked or "draft" not in st.session_state:
        choose_preset(asked["preset"] if asked.get("preset") in PRESETS else "imprint")
        if "like" in asked:
            imitate(asked["like"])
        st.session_state.update({name: asked[name] for name in ("dataset", "model") if name in asked})
        st.session_state.asked = asked
    elif "set_method" not in st.session_state:  # back from another page, where the form's values are forgotten
        st.session_state.update(st.session_state.draft)
    for name, known in (("dataset", data), ("model", models)):
        if st.session_state.get(name) not in known:
            st.session_state[name] = next(iter(known))


def keep_draft() -> None:
    """Remember the form for the way back from another page."""
    names = ("preset", "dataset", "model", "assistant", "author", *(f"set_{one.name}" for one in fields(TrainingSettings)))
    st.session_state.draft = {name: st.session_state[name] for name in names if name in st.session_state}


def about_preset(name: str) -> str:
    """The text that says what a preset does, with the chosen model or with the usual large one."""
    chosen = st.session_state.preset == name
    adapted = chosen and suit(name).method != PRESETS[name].method
    return f"train.preset.{name}_small" if adapted else f"train.preset.{name}_about"


def draw_presets() -> None:
    """The three jobs as cards; choosing one fills the rest."""
    for column, name in zip(st.columns(3), PRESETS, strict=True):
        with column, st.container(border=True, height="stretch", key=f"preset-{name}"):
            st.markdown(f"**{t(f'train.preset.{name}')}**")
            st.caption(t(about_preset(name)))
            chosen = st.session_state.preset == name
            word = t("train.chosen") if chosen else t("train.choose")
            icon = ":material/check:" if chosen else None
            st.button(word, key=f"choose-{name}", icon=icon, disabled=chosen, on_click=choose_preset, args=(name,), width="stretch")


def draw_choices() -> None:
    """Data set, model and method."""
    labels = {id: t("train.rows", name=one.name, rows=one.rows) for id, one in data.items()}
    labels = told_apart(labels, {id: ui.local_time(one.created) for id, one in data.items()})
    st.selectbox(t("train.dataset"), list(data), key="dataset", help=t("train.dataset_help"), format_func=labels.get)
    if st.session_state.dataset == "imprint":
        left, right = st.columns(2)
        left.text_input(t("train.assistant"), library.IMPRINT[0], key="assistant", max_chars=40)
        right.text_input(t("train.author"), library.IMPRINT[1], key="author", max_chars=40)
    st.selectbox(t("train.model"), list(models), key="model", help=t("train.model_help"), on_change=refill)
    st.segmented_control(label("method"), ("lora", "ptuning"), key="set_method", required=True, help=describe("method"),
                         format_func=lambda choice: say_choice("method", choice), on_change=refill)  # fmt: skip


def draw_fields(group: str) -> None:
    """The settings of one group that the chosen method has, from the fields' own words, ranges and choices."""
    used = wording.used(st.session_state.set_method)
    shown = [one for one in fields(TrainingSettings) if one.metadata["group"] == group and one.name in used]
    columns = st.columns(2)
    for place, one in enumerate(one for one in shown if one.name != "method"):
        with columns[place % 2]:
            draw_field(one)


def draw_field(one) -> None:
    """The widget that a setting's type and range ask for."""
    words = {"label": label(one.name), "help": describe(one.name), "key": f"set_{one.name}"}
    if one.metadata["choices"]:
        st.selectbox(options=one.metadata["choices"], format_func=lambda choice: say_choice(one.name, choice), **words)
    elif isinstance(one.default, bool):
        st.toggle(**words)
    elif isinstance(one.default, str):
        st.text_input(**words)
    else:
        real = isinstance(one.default, float)
        step = RATE_STEPS.get(one.name, 0.01) if real else 1
        limits = {"min_value": one.metadata["minimum"], "max_value": one.metadata["maximum"]}
        st.number_input(**words, **limits, step=step, format="%g" if real else "%d")


def draw_questions() -> list[str]:
    """The pinned questions, one a line."""
    dataset = st.session_state.dataset
    with st.expander(t("train.questions"), icon=":material/push_pin:"):
        proposed = "\n".join(questions.propose(dataset))
        lines = st.text_area(t("train.questions_about"), proposed, key=f"questions-{dataset}", height=120)
    return [line for line in lines.splitlines() if line.strip()][: records.MOST_QUESTIONS]


def read_form() -> TrainingSettings:
    """The settings in the form; those that its widgets do not show keep the values they were filled with."""
    names = [one.name for one in fields(TrainingSettings)]
    return TrainingSettings(**{name: st.session_state[f"set_{name}"] for name in names})


def draw_forecast(settings: TrainingSettings, asked: int) -> dict[str, float]:
    """What it will take, and what would be better; the time and memory that the run is said to need."""
    base = models[st.session_state.model].base
    found = forecast.forecast(base, library.statistics(st.session_state.dataset), settings, machine, asked, earlier)
    st.markdown(f"**{found.plan.sentence}**")
    left, right = st.columns(2)
    basis = "measured" if found.measured else "guessed"
    left.metric(t("train.time"), wording.roughly(found.seconds), help=t(f"train.time_{basis}"))
    right.metric(t("train.memory"), text.size(found.memory.peak_bytes), help=wording.parts_of(found.memory))
    st.caption(wording.fits_on(found))
    if found.memory.device == "cuda" and state.loaded():
        st.caption(t("train.unloads", model=literal(state.loaded().name)))
    for doubt in found.plan.warnings:
        st.warning(str(doubt), icon=":material/warning:")
    if found.plan.better:
        st.button(t("train.better"), on_click=fill, args=(found.plan.better,), key="better", help=wording.changes(settings.to_dict(), found.plan.better.to_dict()))
    if found.advice:
        st.caption(wording.advice(found.advice, settings))
        if found.advice.settings:
            st.button(t("train.advice"), on_click=fill, args=(found.advice.settings,), key="advice")
    return {"seconds": found.seconds, "peak_bytes": found.memory.peak_bytes}


def draw_command(settings: TrainingSettings) -> None:
    """The line that does the same in a terminal. The imprint's rows are written when it starts; its run shows the line."""
    if st.session_state.dataset == "imprint":
        st.caption(t("train.command_later"))
        return
    base, rows = models[st.session_state.model].base, library.rows_file(st.session_state.dataset)
    st.code(settings.command(str(base), str(rows), str(records.folder() / "my-run")), language="bash", wrap_lines=True)


def start(settings: TrainingSettings, pinned: list[str], expected: dict[str, float]) -> None:
    """Make the run, queue it, show it."""
    dataset = st.session_state.dataset
    if dataset == "imprint":
        dataset = library.keep_imprint(st.session_state.assistant, st.session_state.author).id
    run = records.create(models[st.session_state.model].base, dataset, settings, pinned, user.name, expected=expected)
    state.launcher().submit(run)
    ui.note("audit.run.start", run.name)
    ui.go("run", run=run.id)


user = ui.begin("training")
data = {dataset.id: dataset for dataset in library.datasets()}
models = {choice.name: choice for choice in catalogue.catalogue() if not choice.tuned}
machine = resources.machine()
title, history = st.columns([3, 1], vertical_alignment="bottom")
title.title(t("page.training"), anchor=False)
earlier = records.runs()
with history:
    ui.link("runs", t("train.history", count=len(earlier)), icon=":material/history:")
for run in earlier:
    if (status := run.status()).active:
        ui.link("run", literal(wording.going_on(run, status)), icon=":material/monitoring:", run=run.id)
if not data or not models:
    ui.empty_state("train.no_data" if models else "train.no_model", "train.to_there", "datasets" if models else "models")
    st.stop()
begin_form()
form, outlook = st.columns([3, 2], gap="large")
with form:
    draw_presets()
    draw_choices()
    pinned = draw_questions()
    with st.expander(t("train.settings"), icon=":material/tune:"):
        draw_fields("basic")
    with st.expander(t("train.expert"), icon=":material/science:"):
        draw_fields("expert")
keep_draft()
with outlook, st.container(border=True, key="forecast"), ui.guarded():
    settings = read_form()
    expected = draw_forecast(settings, len(pinned))
    if st.button(t("train.start"), type="primary", icon=":material/play_arrow:", key="start", width="stretch"):
        start(settings, pinned, expected)
    with st.expander(t("train.command"), icon=":material/terminal:"):
        draw_command(settings)
