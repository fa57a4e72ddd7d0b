"""The training page's sentence about rows that lose text to the limits of the form."""

from pathlib import Path

import streamlit as st

from glm_core.data import lengths, library
from glm_core.i18n import t
from glm_core.training.settings import TrainingSettings


def draw(id: str, base: Path, settings: TrainingSettings) -> None:
    """Count with the model's tokenizer, on at most `lengths.SAMPLE` rows, and say it where any row is cut."""
    limits = settings.max_source_length, settings.max_target_length
    with st.spinner(t("data.stage.encoding")):
        cut = lengths.count_cut(id, base, *limits, settings.answers)
    measured = min(library.get(id).rows, lengths.SAMPLE)
    if cut:
        key = "train.cut" if measured == library.get(id).rows else "train.cut_sample"
        st.caption(t(key, cut=f"{cut:,}", rows=f"{measured:,}", share=f"{cut / measured:.0%}"))
