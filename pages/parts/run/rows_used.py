"""The run page's account of its rows: how many are trained on, held out, dropped or cut, and what their file left out."""

import streamlit as st

from glm_core.data.examples import notices_from
from glm_core.i18n import join, t
from glm_core.runs import Run
from pages.parts.datasets.reading_notices import draw_notices

LISTED = 12  # row numbers in one sentence


def draw_rows_used(run: Run) -> None:
    """A sentence a part of the rows, by the trainer's own record; then the notices of the data set as it was read."""
    split = run.split()
    if split is not None:
        said = [t("run.rows_trained", count=f"{len(split.training):,}")]
        said += [t("run.rows_held_out", count=f"{len(split.held_out):,}")] if split.held_out else []
        said += [t(f"training.log.dropped.{reason}", count=f"{count:,}") for reason, count in split.counts().items()]
        if split.cut:
            said.append(t("run.rows_cut", count=f"{len(split.cut):,}", rows=numbers(split.cut)))
        st.markdown("\n".join(f"- {one}" for one in said))
    draw_notices(notices_from(run.dataset.get("notices")))


def numbers(rows: tuple[int, ...]) -> str:
    """The first row numbers, for a sentence."""
    return join([*(f"{row:,}" for row in rows[:LISTED]), *(["…"] if len(rows) > LISTED else [])], "item")
