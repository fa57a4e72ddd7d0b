"""The runs that the compare page asks: the one at the top, and up to three more of the same base."""

from collections.abc import Callable, Sequence

import streamlit as st

from glm_core import ui
from glm_core.evaluation.side_by_side import MOST_RUNS
from glm_core.i18n import t
from glm_core.markdown import unique_labels
from glm_core.runs import store
from glm_core.serving.served_models import ServedModel
from pages.parts.compare.ask_question import question_sets


def labels_of(choices: Sequence[ServedModel], says: Callable[[ServedModel], str]) -> dict[str, str]:
    """Label of every run in a chooser: the text of `says`, and its date where that is not unique."""
    labels = {choice.name: says(choice) for choice in choices}
    return unique_labels(labels, {choice.name: ui.local_time(choice.created) for choice in choices})


def choose_run(choices: Sequence[ServedModel]) -> ServedModel:
    """The run at the top: the address' one, or the newest."""
    names = {choice.name: choice for choice in choices}
    labels = labels_of(choices, lambda one: t("chat.tuned", name=one.title, base=one.base.name))
    if st.session_state.get("compared", st.query_params.get("run", "")) not in ("", *names):
        st.session_state.pop("compared", None)
        st.query_params.pop("run", None)
        ui.begin_anew(t("compare.gone"))
    ui.draw_told()
    if "compared" not in st.session_state and st.query_params.get("run") in names:
        st.session_state.compared = st.query_params["run"]
        start_with(names[st.session_state.compared])
    ui.keep_widget("compared")
    key = st.selectbox(
        t("compare.run"), list(names), key="compared", label_visibility="collapsed", format_func=labels.get
    )
    st.query_params["run"] = key
    return names[key]


def choose_others(choices: Sequence[ServedModel], main: ServedModel) -> list[ServedModel]:
    """Up to three more runs of the same base; kept in the address, so that a link shows the same panes."""
    names = {one.name: one for one in choices if one.base == main.base and one.name != main.name}
    if not names:
        return []
    labels = labels_of(list(names.values()), lambda one: one.title)
    wanted = st.session_state.get("beside", st.query_params.get_all("also"))
    st.session_state.beside = [name for name in dict.fromkeys(wanted) if name in names][: MOST_RUNS - 1]
    chosen = st.multiselect(
        t("compare.others"),
        list(names),
        key="beside",
        format_func=labels.get,
        max_selections=MOST_RUNS - 1,
        select_all=False,
        placeholder=t("compare.others_hint"),
        label_visibility="collapsed",
    )
    st.query_params["also"] = chosen
    return [names[name] for name in chosen]


def start_with(choice: ServedModel) -> None:
    """Ask the run's first question at once where the page is opened from a run."""
    pinned = store.get(choice.name).questions
    seen = question_sets(choice.name, choice.created)["seen"]
    first = next(iter(pinned), None) or next((question.text for question in seen), "")
    if first and "panes" not in st.session_state:
        st.session_state.asked = first
        st.session_state.comparing = True
