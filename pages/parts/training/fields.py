"""The training page's left side: the three jobs, data, model and method, the settings, the pinned questions."""

from collections.abc import Collection
from dataclasses import fields

import streamlit as st

from glm_core import ui
from glm_core.data import library
from glm_core.i18n import t
from glm_core.machine import machine as this_machine
from glm_core.markdown import unique_labels
from glm_core.runs import pinned_questions, store
from glm_core.runs.labels import setting_values
from glm_core.training.settings import PRESETS, TrainingSettings, choice_label, describe, label
from pages.parts import widgets
from pages.parts.training.form import Form

RATE_STEPS = {"learning_rate": 1e-4}


def draw_presets(form: Form) -> None:
    """The three jobs as bordered cards; choosing one fills the rest."""
    for column, name in zip(st.columns(3), PRESETS, strict=True):
        with column, st.container(border=True, height="stretch", vertical_alignment="distribute", key=f"preset-{name}"):
            st.markdown(f"**{t(f'train.preset.{name}')}**")
            st.caption(t(form.about(name)))
            chosen = st.session_state.preset == name
            word = t("train.chosen") if chosen else t("train.choose")
            icon = ":material/check:" if chosen else None
            st.button(
                word,
                key=f"choose-{name}",
                icon=icon,
                disabled=chosen,
                on_click=ui.checked(form.choose_preset),
                args=(name,),
                width="stretch",
            )


def draw_choices(form: Form, fixed: Collection[str]) -> None:
    """Data set, model and method.

    Args:
        fixed: the settings that are not to be changed, as `Form.hold` returns them.
    """
    labels = {id: t("train.rows", name=one.name, rows=one.rows) for id, one in form.data.items()}
    labels = unique_labels(labels, {id: ui.local_time(one.created) for id, one in form.data.items()})
    ui.keep_widget("dataset")
    st.selectbox(
        t("train.dataset"),
        list(form.data),
        key="dataset",
        help=t("train.dataset_help"),
        format_func=labels.get,
        on_change=ui.checked(form.follow_data),
    )
    if st.session_state.dataset == "imprint":
        left, right = st.columns(2)
        left.text_input(t("train.assistant"), placeholder=library.IMPRINT[0], key="assistant", max_chars=40)
        right.text_input(t("train.author"), placeholder=library.IMPRINT[1], key="author", max_chars=40)
    st.selectbox(
        t("train.model"), list(form.models), key="model", help=t("train.model_help"), on_change=ui.checked(form.refill)
    )
    st.segmented_control(
        label("method"),
        ("lora", "ptuning"),
        key="set_method",
        required=True,
        help=describe("method"),
        format_func=lambda choice: choice_label("method", choice),
        disabled="method" in fixed,
        on_change=ui.checked(form.refill),
    )


def draw_cards(machine: this_machine.Machine) -> None:
    """Choice of the number of GPUs that share the work, where there are several."""
    count = len(machine.gpus)
    if count < 2:
        return
    st.session_state.set_processes = min(st.session_state.set_processes, count)
    st.segmented_control(
        t("train.cards_used"), range(1, count + 1), key="set_processes", required=True, help=t("train.cards_used_help")
    )


def draw_fields(group: str, machine: this_machine.Machine, fixed: Collection[str]) -> None:
    """The settings of one group that the chosen method has, from the fields' own words, ranges and choices; those `fixed` are grey."""
    elsewhere = ("method", "processes") if len(machine.gpus) > 1 else ("method",)
    used = setting_values.used(st.session_state.set_method)
    shown = [one for one in fields(TrainingSettings) if one.metadata["group"] == group and one.name in used]
    drawn = [one for one in shown if one.name not in elsewhere]
    for pair in (
        drawn[place : place + 2] for place in range(0, len(drawn), 2)
    ):  # row by row: so they follow each other on a phone
        for column, one in zip(st.columns(2), pair, strict=False):
            with column:
                draw_field(one, one.name in fixed)


def draw_field(one, fixed: bool) -> None:
    """The widget that a setting's type and range ask for."""
    words = {"label": setting_values.titled(one.name), "help": describe(one.name), "key": f"set_{one.name}"}
    words["disabled"] = fixed
    if one.metadata["choices"]:
        ui.keep_widget(words["key"])
        st.selectbox(
            options=one.metadata["choices"], format_func=lambda choice: choice_label(one.name, choice), **words
        )
    elif one.metadata["proposed"]:
        draw_proposed(one, words)
    elif isinstance(one.default, bool):
        st.toggle(**words)
    elif isinstance(one.default, str):
        st.text_input(**words)
    else:
        real = isinstance(one.default, float)
        step = RATE_STEPS.get(one.name, 0.01) if real else 1
        limits = {"low": one.metadata["minimum"], "high": one.metadata["maximum"]}
        widgets.number_input(**words, **limits, step=step, format="%g" if real else "%d")


def draw_proposed(one, words: dict) -> None:
    """Usual texts to choose from, each with its word, or one's own."""
    ui.keep_widget(words["key"])
    names = {text: (text or "qkv").replace(", ", "_") for text in one.metadata["proposed"]}
    known = {text: t(f"settings.{one.name}.proposed.{name}") for text, name in names.items()}
    own = st.session_state[words["key"]]
    options = [*known, *([own] if own not in known else [])]
    st.selectbox(options=options, format_func=lambda text: known.get(text, text), accept_new_options=True, **words)


def draw_questions() -> list[str]:
    """The pinned questions, one a line."""
    dataset = st.session_state.dataset
    with st.expander(t("train.questions"), icon=":material/push_pin:"):
        proposed = "\n".join(pinned_questions.propose(dataset))
        lines = st.text_area(t("train.questions_about"), proposed, key=f"questions-{dataset}", height=120)
    return [line for line in lines.splitlines() if line.strip()][: store.MOST_QUESTIONS]
