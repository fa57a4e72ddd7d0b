"""Curves of what the run has learned and forgotten, beneath the loss; and the way back to an earlier step."""

import streamlit as st

from glm_core import charts, i18n, ui
from glm_core.evaluation import retention
from glm_core.evaluation.retention import Point
from glm_core.i18n import t
from glm_core.runs import Run, figures, rollback
from glm_core.runs.reader import RunReader
from pages.parts import step_in_use

HEIGHT = 180


def points_of(reader: RunReader) -> tuple[Point, ...]:
    """The evaluations of the run as far as it has come, judged once."""
    return reader.cached(("points",), len(reader.probe_rows), lambda: retention.read(reader.run, reader.probe_rows))


def draw_balance(reader: RunReader) -> None:
    """Learned and kept over the updates, and once the run has ended the choice of the step that answers."""
    points = points_of(reader)
    if not points and not reader.status.active:
        return
    st.markdown(f"**{t('retention.title')}**", help=retention.about(points))
    total = reader.status.total_steps
    key, drawn = ("balance", i18n.current(), charts.theme()), (len(points), total)
    figure = reader.cached(key, drawn, lambda: draw_figure(points, total))
    st.plotly_chart(figure, key="balance", config=charts.CONFIG)
    if not reader.status.active:
        draw_steps(reader.run, points)


def draw_figure(points: tuple[Point, ...], total: int):
    """Both shares over the steps, with their intervals."""
    return figures.balance_figure(*retention.lines(points), total, HEIGHT, retention.bands(points))


def draw_steps(run: Run, points: tuple[Point, ...]) -> None:
    """The step whose adapter answers, and for the owner the choice of another."""
    now, steps = rollback.current(run), rollback.steps(run)
    others = [step for step in steps if step != now]
    if not others or not ui.owns(run.owner):
        return
    wanted = retention.best(points)
    first = others.index(wanted.step) if wanted and wanted.step in others else len(others) - 1
    with st.container(horizontal=True, vertical_alignment="bottom"), ui.guarded():
        step = st.selectbox(
            t("retention.step"),
            others,
            first,
            key=f"step-{now}-{i18n.current()}",
            width=360,
            format_func=lambda one: retention.label(one, points),
        )
        word = t("retention.go_forward" if now is not None and step > now else "retention.go_back", step=step)
        if st.button(word, key="promote", icon=":material/history:", help=t("retention.go_help")):
            step_in_use.go_to(run, step)
