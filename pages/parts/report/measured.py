"""Parts of a report that were measured of one state of the adapter: dimmed and labelled once another one answers."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from glm_core import ui
from glm_core.evaluation.report import Report
from glm_core.i18n import t


@contextmanager
def place(found: Report, current: bool, name: str, label: bool = True) -> Iterator[None]:
    """The container of one part.

    Args:
        current: whether the adapter that answers now is the one of the report.
        label: whether to say above it what it was measured of; not where the banner stands right above.
    """
    with st.container(key=f"report-{'current' if current else 'dimmed'}-{name}"), ui.guarded():
        if label:
            say(found, current)
        yield


def say(found: Report, current: bool) -> None:
    """What a part was measured of, where that is no longer what answers."""
    if not current:
        st.caption(f":material/update: {t('report.measured_at', step=found.step or 0)}")
