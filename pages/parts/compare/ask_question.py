"""The question box of the compare page, with the runs' own questions to pick from."""

import streamlit as st

from glm_core import ui
from glm_core.evaluation import question_sets as evaluation_question_sets
from glm_core.evaluation.answer_pairs import Question
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import store
from pages.parts.compare import question_set

LONGEST_LABEL = 28
KINDS = ("own", *question_set.KINDS)


@st.cache_data(max_entries=16, show_spinner=False)
def question_sets(run: str, changed: float) -> dict[str, list[Question]]:
    """The run's questions by kind; they never change after it was made."""
    return evaluation_question_sets.of(store.get(run))


def choose_question(questions: dict[str, list[Question]]) -> str:
    """The question box, with the run's own questions to pick from."""
    kinds = [kind for kind in KINDS if kind == "own" or questions.get(kind)]
    kind = st.segmented_control(
        t("compare.kind"),
        kinds,
        default="own",
        format_func=lambda key: t(f"compare.kind.{key}"),
        key="kind",
        required=True,
        label_visibility="collapsed",
    )
    if kind != "own":
        st.pills(
            t(f"compare.kind.{kind}"),
            [question.text for question in questions[kind]],
            format_func=short,
            key=f"pick-{kind}",
            label_visibility="collapsed",
            on_change=ui.checked(take_pick),
            args=(f"pick-{kind}",),
        )
    return st.text_area(
        t("compare.question"),
        key="asked",
        placeholder=t("compare.placeholder"),
        height=80,
        label_visibility="collapsed",
    )


def short(question: str) -> str:
    """A question as a label: one line, cut, nothing in it live."""
    line = " ".join(question.split())
    return literal(line[:LONGEST_LABEL] + ("…" if len(line) > LONGEST_LABEL else ""))


def take_pick(key: str) -> None:
    """Put the picked question into the box and ask it."""
    if st.session_state[key]:
        st.session_state.asked = st.session_state[key]
        st.session_state.comparing = True
