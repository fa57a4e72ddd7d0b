"""Compare: what changed? One question to the original and up to four tuned models at the same time, the differences marked.

All answers are rows of one batch on one copy of the weights, with the same seed. Below: the runs' meters, and all
questions at once. The panes and tables are in pages/parts.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import question_sets as evaluation_question_sets
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.side_by_side import MOST_RUNS, SEED
from glm_core.i18n import t
from glm_core.markdown import literal, unique_labels
from glm_core.models.thinking import find_template
from glm_core.runs import store
from glm_core.serving.served_models import ServedModel
from pages.parts import compared_runs, share, step_in_use, thinking_control
from pages.parts.compare import panes, question_set

THOUGHTFUL = 2048
"Tokens of an answer with its thought."
LONGEST_LABEL = 28
STRONGEST = 1.5
KINDS = ("own", *question_set.KINDS)


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


def draw_sampling(base: Path) -> dict:
    """How all answer: the likeliest token each time, or sampled; and whether they think first, where the base can."""
    drawn = st.toggle(t("compare.sampled"), key="sampled", help=t("compare.sampled_help"))
    seed = st.number_input(
        t("chat.seed"), 0, 2**31 - 1, SEED, help=t("compare.seed_help"), key="seed", disabled=not drawn
    )
    fields = {"temperature": None if drawn else 0.0, "seed": int(seed)}
    if find_template(base) is not None:
        fields["thinking"] = thinking_control.draw("thinking")
        if fields["thinking"] is not False:
            fields["max_new_tokens"] = THOUGHTFUL
    return fields


def draw_strength() -> float:
    """The adapters' strength, over the answers, at first as the address has it; letting go of it asks again."""
    if "strength" not in st.session_state:
        st.session_state.strength = asked_strength()
    told = {"help": t("chat.strength_help"), "key": "strength", "on_change": ui.checked(ask_again)}
    return st.slider(t("chat.strength"), 0.0, STRONGEST, step=0.05, **told)


def asked_strength() -> float:
    """The strength in the address, 1 where there is none that can be set."""
    try:
        asked = float(st.query_params.get("strength", "1"))
    except ValueError:
        return 1.0
    return round(asked, 2) if 0 <= asked <= STRONGEST else 1.0


def ask_again() -> None:
    """Answer the question in view once more, with what has been changed."""
    st.session_state.comparing = "panes" in st.session_state


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
        max_chars=20000,
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
    ui.empty_state("compare.empty", "compare.empty_go", "training")
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
