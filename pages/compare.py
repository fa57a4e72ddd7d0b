"""Compare: what changed? One question to the original and up to four tuned models at the same time, the differences marked.

All answers are rows of one batch on one copy of the weights, with the same seed. Below: the runs' meters, and all
questions at once. The panes and tables are in pages/parts.
"""

import streamlit as st

from glm_core import state, ui
from glm_core.i18n import t
from glm_core.runs import store
from glm_core.serving.served_models import ServedModel
from pages.parts import compared_runs, share, step_in_use, widgets
from pages.parts.compare import panes, question_set
from pages.parts.compare.answer_settings import draw_sampling, draw_strength, must_have_seed
from pages.parts.compare.ask_question import choose_question, question_sets
from pages.parts.compare.choose_runs import choose_others, choose_run


def draw_buttons(main: ServedModel) -> None:
    """Ask, and the ways to the chat and to the report."""
    with st.container(horizontal=True):
        if st.button(t("compare.go"), type="primary", key="go", icon=":material/compare_arrows:"):
            st.session_state.comparing = True
        if st.button(t("compare.chat"), key="chat", icon=":material/chat:"):
            ui.go("chat", model=main.name)
        if st.button(t("compare.report"), key="report", icon=":material/fact_check:"):
            ui.go("report", run=main.name)


user = ui.begin("compare")
st.title(t("page.compare"), anchor=False)
if not state.engine().local:
    st.info(t("serving.remote_only", url=state.engine().loaded.name), icon=":material/cloud:")
    st.stop()
choices = [choice for choice in state.engine().catalogue() if choice.tuned]
if not choices:
    widgets.empty_state("compare.empty", "compare.empty_go", "training")
    st.stop()
with st.container(horizontal=True, key="compare-top"):
    main = choose_run(choices)
    others = choose_others(choices, main)
    with st.popover(t("chat.tune"), icon=":material/tune:", help=t("compare.settings"), key="settings"):
        fields = draw_sampling(main.base)
    share.draw("compare", user.account, main.name, run=main.name)
runs = [main, *others]
for run in runs:
    step_in_use.draw(store.get(run.name))
questions = question_sets(main.name, main.created)
asked = choose_question(questions)
draw_buttons(main)
fields["strength"] = draw_strength()

shown = st.session_state.get("panes")
with st.container():  # always there, as below: what follows keeps its place, and an open expander stays open
    if st.session_state.pop("comparing", False) and asked.strip():
        with ui.guarded():
            must_have_seed(fields)
            panes.ask(asked.strip(), runs, fields, user.name)
            st.rerun()
    elif shown and shown.runs == tuple(run.name for run in runs):
        panes.draw(shown, runs)

if others:
    st.subheader(t("compare.meters"), anchor=False)
    with ui.guarded():
        compared_runs.draw([store.get(run.name) for run in runs])
st.subheader(t("compare.set"), anchor=False)
st.markdown(t("compare.set_about"))
pressed = st.button(t("compare.set_go"), key="set", icon=":material/playlist_play:")
with st.container():
    if pressed:
        with ui.guarded():
            question_set.ask(runs, questions, fields["strength"], user.name)
question_set.draw(runs, fields["strength"])
