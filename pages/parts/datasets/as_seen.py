"""The upload page's rows as a model sees them: its own control tokens, and which part is learned."""

import streamlit as st

from glm_core import models
from glm_core.data import Example
from glm_core.data.tokenize import encode_answers, segments
from glm_core.i18n import t
from glm_core.serving import served_models
from glm_core.training.settings import TrainingSettings


def draw(shown: list[Example]) -> None:
    """The rows in the tokens of a chosen base model, cut as training cuts them."""
    bases = {choice.name: choice.base for choice in served_models.catalogue() if not choice.tuned}
    if not bases or not st.toggle(t("datasets.as_seen"), key="as-seen", help=t("datasets.as_seen_help")):
        return
    base = bases[st.selectbox(t("datasets.model"), list(bases), key="seen-by")]
    tokenizer, family = models.load_tokenizer(base), models.describe(base).family
    usual = TrainingSettings()
    for place, example in enumerate(shown):
        rows, _ = encode_answers(example, (tokenizer, family), usual.max_source_length, usual.max_target_length)
        if not rows:
            st.caption(t("datasets.seen.refused"))
        for number, row in enumerate(rows):
            with st.container(border=True, gap="xsmall", key=f"seen-{place}-{number}"):
                for text, learned in segments(tokenizer, row):
                    st.caption(t("datasets.seen.learned" if learned else "datasets.seen.given"))
                    st.code(text, language=None, wrap_lines=True)
                if row.cut:
                    st.caption(t("datasets.seen.cut"))
