"""The run page's curves beside the newest answers, its figures over them, memory and processor beneath."""

import streamlit as st

from glm_core import charts, i18n
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import figures
from glm_core.runs.labels import captions, outcome, tiles
from glm_core.runs.reader import RunReader
from pages.parts.run import retention

ANSWERS_HEIGHT = 440  # of the curve beside them with its switch, so that a changed answer moves nothing
TILE_HEIGHT = 200  # with or without a spark line yet


def draw_tiles(reader: RunReader) -> None:
    """Four figures with their spark lines."""
    with st.container(key="tiles", horizontal=True):
        for tile in tiles.tiles(reader.status, reader.curves, reader.memory):
            st.metric(
                t(f"run.tile.{tile.name}"),
                tile.value,
                tile.note or None,
                delta_color="off",
                delta_arrow="off",
                border=True,
                height=TILE_HEIGHT,
                chart_data=tile.line or None,
                help=t(f"run.tile.{tile.name}_help"),
            )


def draw_curves(reader: RunReader) -> None:
    """The chosen curve beside the newest answers; beneath, what was learnt and kept, and memory."""
    if not reader.status.active and not reader.metrics:
        st.caption(outcome.no_curves(reader.status))
        return
    wide, narrow = st.columns([2, 1], gap="medium")
    with wide:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            kind = st.segmented_control(
                t("run.curve"),
                list(figures.KINDS),
                default="loss",
                required=True,
                key="kind",
                label_visibility="collapsed",
                format_func=lambda one: t(f"runs.figure.{one}"),
            )
            if reader.status.active:
                st.toggle(t("run.pause"), key="pause", help=t("run.pause_help"))
        total = reader.status.total_steps
        figure = reader.cached(
            ("curve", kind, i18n.current(), charts.theme()),
            (len(reader.metrics), total),
            lambda: figures.series_figure(reader.curves, kind, total),
        )
        st.plotly_chart(figure, key="curve", config=charts.CONFIG)
        retention.draw_balance(reader)
    phase = "live" if reader.status.active else "ended"
    with narrow, st.container(height=ANSWERS_HEIGHT, border=False, key=f"answers-{phase}"):
        for question, answers in reader.answers().items():
            draw_answers(question, answers, brief=True)
    draw_memory(reader)
    if not reader.status.active and reader.metrics:
        draw_downloads(reader)


def draw_answers(question: str, answers: list[dict], brief: bool = False) -> None:
    """A pinned question and its answers, each with the updates between which it was given; in brief the first and the newest."""
    with st.container(gap="xsmall"):
        st.markdown(f"**{literal(question)}**")
        if not answers:
            st.caption(t("run.no_answer_yet"))
        for answer in (answers[:1] + answers[1:][-1:]) if brief else answers:
            said = literal(answer["answer"]) or t("run.empty_answer")
            if answer is answers[-1] and answer["last"]:
                st.markdown(f":green[{captions.steps_of(answer)}] {said}")
            else:
                st.caption(f"{t('run.before_training') if brief else captions.steps_of(answer)} {said}")


def draw_memory(reader: RunReader) -> None:
    """Memory over time with its limit."""
    if not reader.status.active and not reader.resources:
        st.caption(t("run.no_resources"))
        return
    st.markdown(f"**{t(f'run.tile.{tiles.kind_of(reader.memory)}')}**")
    figure = reader.cached(
        ("memory figure", i18n.current(), charts.theme()),
        len(reader.resources),
        lambda: figures.memory_figure(reader.memory),
    )
    st.plotly_chart(figure, key="memory", config=charts.CONFIG)


def draw_resources(reader: RunReader) -> None:
    """How busy processor and GPUs were; memory is beneath the curve."""
    if not reader.resources:
        st.caption(t("run.no_resources"))
        return
    drawn = reader.cached(
        ("busy", i18n.current(), charts.theme()),
        len(reader.resources),
        lambda: figures.busy_figures(reader.resources, reader.run.devices),
    )
    for key, figure in drawn.items():
        st.markdown(f"**{t(key)}**")
        st.plotly_chart(figure, key=key, config=charts.CONFIG)


def draw_downloads(reader: RunReader) -> None:
    """The curve as a table and as a picture to look into."""
    curves, name = reader.curves, reader.run.id
    figure = figures.loss_figure(curves, reader.status.total_steps)
    rows = (*curves.training, *curves.validation)
    with st.container(horizontal=True):
        icon = {"icon": ":material/download:", "on_click": "ignore"}
        st.download_button(t("run.csv"), lambda: figures.to_csv(rows), f"{name}.csv", "text/csv", **icon)
        st.download_button(t("run.picture"), lambda: figures.to_html(figure), f"{name}.html", "text/html", **icon)
