"""What will happen: updates, time and memory of the run that the training page's form describes, before it starts."""

from collections.abc import Sequence

import streamlit as st

from glm_core import i18n, state, ui
from glm_core.data import library
from glm_core.data.examples import notices_from
from glm_core.i18n import t
from glm_core.machine.machine import Machine
from glm_core.markdown import literal
from glm_core.runs import Run, forecast
from glm_core.runs.labels import forecast_notes, setting_values
from glm_core.training.settings import TrainingSettings
from pages.parts.training import cut_rows
from pages.parts.training.form import Form


def draw_forecast(
    form: Form, settings: TrainingSettings, machine: Machine, asked: int, earlier: Sequence[Run]
) -> forecast.Forecast:
    """Forecast of the run, what becomes of its rows, and proposals for better settings.

    Args:
        asked: questions that are asked at every evaluation.
        earlier: runs whose times are known.
    """
    dataset = form.data[st.session_state.dataset]
    base = form.models[st.session_state.model].base
    longest = cut_rows.longest(dataset.id, base, settings)
    found = forecast.forecast(base, library.statistics(dataset.id), settings, machine, asked, earlier, longest)
    st.caption(literal(t("train.on", data=dataset.name, model=st.session_state.model)))
    draw_figures(found)
    draw_rows(form, dataset, settings)
    for warning in found.plan.warnings:
        st.warning(str(warning), icon=":material/warning:")
    draw_proposals(form, settings, found)
    return found


def draw_figures(found: forecast.Forecast) -> None:
    """Updates, time, memory, and what has to be unloaded for it."""
    st.markdown(f"**{found.plan.sentence}**")
    for note in forecast_notes.plan_notes(found.plan):
        st.caption(note)
    left, right = st.columns(2)
    basis = "measured" if found.measured else "guessed"
    left.metric(t("train.time"), forecast_notes.roughly(found.seconds), help=t(f"train.time_{basis}"))
    place = "train.memory_card" if found.memory.device == "cuda" else "train.memory"
    right.metric(t(place), i18n.size(found.memory.peak_bytes), help=forecast_notes.parts_of(found.memory))
    st.caption(forecast_notes.fits_on(found))
    if state.chat_model_gpu_bytes() and (loaded := state.loaded()):
        st.caption(t("train.unloads", model=literal(loaded.name)))


def draw_rows(form: Form, dataset: library.Dataset, settings: TrainingSettings) -> None:
    """Which answers are learned, in what format, what is cut, and what the data set's file had besides."""
    base, counts = form.models[st.session_state.model].base, library.statistics(dataset.id)
    if counts.targets != counts.rows:
        key, count = ("train.answers", counts.targets) if settings.answers == "all" else ("train.last", counts.rows)
        st.caption(t(key, count=f"{count:,}", rows=f"{counts.rows:,}", all=f"{counts.targets:,}"))
    for note in forecast_notes.format_notes(base, settings) + forecast_notes.thought_notes(base, counts):
        st.caption(note)
    cut_rows.draw(dataset.id, base, settings)
    for notice in notices_from(dataset.notices):
        if notice.kind != "reasoning_kept":  # said above for the chosen model
            st.caption(literal(notice.message))


def draw_proposals(form: Form, settings: TrainingSettings, found: forecast.Forecast) -> None:
    """Better settings, one press away."""
    if found.plan.better:
        st.button(
            t("train.better"),
            on_click=ui.checked(form.fill),
            args=(found.plan.better,),
            key="better",
            help=setting_values.changes(settings.to_dict(), found.plan.better.to_dict()),
        )
    if found.advice:
        st.caption(forecast_notes.advice(found.advice, settings))
        if found.advice.settings:
            st.button(t("train.advice"), on_click=ui.checked(form.fill), args=(found.advice.settings,), key="advice")


def draw_cards(found: forecast.Forecast) -> None:
    """Table of the consumer GPUs and what each could do with these settings."""
    names = [t(f"train.by_card.{name}") for name in ("card", "memory", "batch")]
    most = forecast.most_rows(found.plan.settings)
    cells = [
        (
            one.name,
            f"{one.gib} GB",
            f"≥ {most}" if one.largest_batch == most else str(one.largest_batch or t("train.by_card.none")),
        )
        for one in forecast.by_gpu(found)
    ]
    st.dataframe(
        [dict(zip(names, row, strict=True)) for row in cells], hide_index=True, key="by-card", height="content"
    )
