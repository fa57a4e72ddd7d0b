"""Rows in the tokens of the chosen model: the longest, and the sentence about those that lose text to the limits of the form."""

from pathlib import Path

import streamlit as st

from glm_core.data import lengths, library
from glm_core.i18n import t
from glm_core.training.settings import TrainingSettings


def longest(id: str, base: Path, settings: TrainingSettings) -> int | None:
    """Tokens of the longest row as it will be trained; None where the set is too large for all its rows to be measured."""
    with st.spinner(t("data.stage.encoding")):
        return lengths.longest_row(id, base, settings.max_source_length, settings.max_target_length, settings.answers)


def draw(id: str, base: Path, settings: TrainingSettings) -> None:
    """Count with the model's tokenizer, on at most `lengths.SAMPLE` rows, and say it where any row is cut."""
    limits = settings.max_source_length, settings.max_target_length
    with st.spinner(t("data.stage.encoding")):
        cut = lengths.count_cut(id, base, *limits, settings.answers)
    measured = min(library.get(id).rows, lengths.SAMPLE)
    if cut:
        key = "train.cut" if measured == library.get(id).rows else "train.cut_sample"
        st.caption(t(key, cut=f"{cut:,}", rows=f"{measured:,}", share=f"{cut / measured:.0%}"))
