"""The step of a run that answers, on every page that speaks of the run, and one press to a clearly better one."""

import streamlit as st

from glm_core import ui
from glm_core.evaluation import report, step_choice
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, rollback


def draw(run: Run) -> None:
    """The step in use; where another is clearly better, a banner with the button that switches."""
    choice = step_choice.read(run)
    if choice.better is None:
        if choice.sentence:
            st.caption(literal(choice.sentence))
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"step-of-{run.id}"), ui.guarded():
        st.markdown(f":material/history: {literal(choice.offer)} {literal(choice.sentence)}")
        if ui.owns(run.owner):
            word = t("step.switch", step=choice.better)
            if st.button(word, key=f"switch-{run.id}", help=t("retention.go_help")):
                go_to(run, choice.better)


def go_to(run: Run, step: int) -> None:
    """Let another step answer; where it has a report, that comes back with it."""
    ui.must_own(run.owner)
    rollback.promote(run, step)
    report.bring_back(run)
    ui.note("audit.run.promote", f"{run.name} → {step}")
    st.rerun()
