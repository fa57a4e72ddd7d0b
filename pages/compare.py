"""Compare: what changed? One question to the original and the tuned model at the same time, the differences marked.

Both answers are rows of one batch on one copy of the weights, with the same seed. Below: all of the run's questions at
once, as a table.
"""

import time

import pandas as pd
import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import sets
from glm_core.evaluation.difference import Difference, Question
from glm_core.evaluation.sides import SEED, Pair, changed, compare_all, requests
from glm_core.runs import records
from glm_core.serving import proof
from glm_core.serving.catalogue import Choice
from glm_core.serving.display import differences, literal, marked, told_apart
from glm_core.serving.tickets import Ticket
from glm_core.text import say as t

DRAW_SECONDS = 0.06
LISTED = 20
LONGEST_LABEL = 28
KINDS = ("own", "seen", "reworded", "unrelated")
SIDES = (("original", "gray"), ("tuned", "green"))


# what is compared


def choose_run(choices: list[Choice]) -> Choice:
    """The run at the top: the address' one, or the newest."""
    names = {choice.name: choice for choice in choices}
    if "compared" not in st.session_state and st.query_params.get("run") in names:
        st.session_state.compared = st.query_params["run"]
        start_with(names[st.session_state.compared])
    labels = {choice.name: t("chat.tuned", name=choice.title, base=choice.base.name) for choice in choices}
    labels = told_apart(labels, {choice.name: ui.local_time(choice.created) for choice in choices})
    key = st.selectbox(
        t("compare.run"), list(names), key="compared", label_visibility="collapsed", format_func=labels.get
    )
    st.query_params["run"] = key
    return names[key]


def start_with(choice: Choice) -> None:
    """Who comes from a run sees the two answer its first question at once."""
    pinned = records.get(choice.name).questions
    seen = question_sets(choice.name, choice.created)["seen"]
    first = next(iter(pinned), None) or next((question.text for question in seen), "")
    if first and "pair" not in st.session_state:
        st.session_state.asked = first
        st.session_state.comparing = True


def draw_settings() -> dict:
    """How both answer: greedy or drawn, and the adapter's strength."""
    drawn = st.toggle(t("compare.sampled"), key="sampled", help=t("compare.sampled_help"))
    seed = st.number_input(
        t("chat.seed"), 0, 2**31 - 1, SEED, help=t("compare.seed_help"), key="seed", disabled=not drawn
    )
    strength = st.slider(t("chat.strength"), 0.0, 1.5, 1.0, 0.05, help=t("chat.strength_help"), key="strength")
    return {"temperature": None if drawn else 0.0, "seed": int(seed), "strength": strength}


@st.cache_data(max_entries=16, show_spinner=False)
def question_sets(run: str, _changed: float) -> dict[str, list[Question]]:
    """The run's questions by kind; they never change after it was made."""
    return sets.of(records.get(run), LISTED)


def choose_question(questions: dict[str, list[Question]]) -> str:
    """The question box, with the run's own questions to pick from."""
    kinds = [kind for kind in KINDS if kind == "own" or questions.get(kind)]
    kind = st.segmented_control(
        t("compare.kind"), kinds, default="own", format_func=lambda key: t(f"compare.kind.{key}"), key="kind",
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    if kind != "own":
        st.pills(
            t(f"compare.kind.{kind}"), [question.text for question in questions[kind]], format_func=short,
            key=f"pick-{kind}",
            label_visibility="collapsed", on_change=take_pick, args=(f"pick-{kind}",),
        )  # fmt: skip
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


# the two panes


def panes(choice: Choice, question: str) -> list:
    """The question, and under it two bordered columns with their headings; returns the places of the answers."""
    st.markdown(f"**{literal(question)}**")
    places = []
    for column, (side, colour) in zip(st.columns(2, gap="medium"), SIDES, strict=True):
        title = t(f"compare.{side}") if side == "original" else t("compare.tuned", name=literal(choice.title))
        with column.container(border=True, height="stretch", key=f"pane-{side}"):
            st.markdown(f":{colour}[**{title}**]")
            places.append(st.empty())
    return places


def compare(question: str, choice: Choice, fields: dict, owner: str) -> None:
    """Stream both answers side by side and keep them, whatever ends this script."""
    places = panes(choice, question)
    st.button(t("compare.stop"), key="stop", icon=":material/stop_circle:")
    pair = Pair(choice.name, question)
    engine = state.engine()
    pair.start(requests(engine, question, choice, owner, **fields), engine)
    st.session_state.pair = pair
    try:
        while not pair.done:
            for ticket, place in zip(pair.tickets, places, strict=True):
                draw_growing(ticket, place)
            time.sleep(DRAW_SECONDS)
    finally:
        pair.cancel()
    pair.raise_error()


def draw_growing(ticket: Ticket, place) -> None:
    """The answer so far, or what it waits for."""
    if ticket.text:
        place.markdown(literal(ticket.text))
    else:
        draw_wait(ticket, place)


def draw_wait(ticket: Ticket, place) -> None:
    """One line that says what the answer waits for."""
    stage = state.engine().progress
    if ticket.state == "waiting" and ticket.position and stage is None:
        place.caption(t("chat.queue", place=ticket.position))
    else:
        place.caption(t(stage[0] if stage else "chat.thinking"))


def draw_pair(pair: Pair, choice: Choice) -> None:
    """Two finished answers, what differs marked, each with its stamp."""
    pieces = differences(*pair.texts)
    for place, ticket, side, (_name, colour) in zip(
        panes(choice, pair.question), pair.tickets, pieces, SIDES, strict=True
    ):
        with place.container():
            st.markdown(marked(side, colour) or f":gray[{t('chat.nothing')}]")
            notes = [t("chat.ended.cancelled")] if ticket.cancelled and not pair.whole else []
            notes += [literal(ticket.stamp.sentence())] if ticket.stamp else []
            st.caption("  \n".join(notes))
    if pair.whole:
        draw_proof(choice, same=pair.texts[0] == pair.texts[1])


def draw_proof(choice: Choice, same: bool) -> None:
    """Whether the two models differ at all; measured once for each saved adapter."""
    key = (choice.name, choice.step)
    proofs = st.session_state.setdefault("proofs", {})
    if key not in proofs:
        with ui.guarded(), st.spinner(t("compare.proving")):
            seen = [question.text for question in question_sets(choice.name, choice.created)["seen"]]
            proofs[key] = proof.differ(state.engine(), choice, seen)
    measured = proofs.get(key)
    if measured is not None and not measured.differs:
        st.warning("\n\n".join(literal(sentence) for sentence in measured.sentences()), icon=":material/warning:")
    elif measured is not None:
        changed = sum(distance >= proof.SLIGHT for _question, distance in measured.distances)
        said = t("compare.differs", changed=changed, count=len(measured.distances), largest=100 * measured.largest)
        st.caption((t("compare.same_here") if same else "") + said)


# the whole set


def run_set(choice: Choice, questions: dict[str, list[Question]], strength: float, owner: str) -> None:
    """Ask both models everything, in batches, with progress."""
    asked = [question for kind in KINDS[1:] for question in questions.get(kind, [])]
    place = st.empty()
    with place.container():
        bar = st.progress(0.0)
        st.button(t("compare.stop"), key="stop-set", icon=":material/stop_circle:")

        def draw(share: float) -> None:
            bar.progress(share, t("compare.set_running", done=int(share * len(asked)), count=len(asked)))

        rows = compare_all(state.engine(), choice, asked, draw, owner, strength)
    place.empty()
    st.session_state.set_result = {"run": choice.name, "step": choice.step, "rows": rows}


def draw_set(rows: list[Difference]) -> None:
    """How many answers of each kind changed, and all of them in a table."""
    groups = {kind: [row for row in rows if row.question.kind == kind] for kind in KINDS[1:]}
    groups = {kind: group for kind, group in groups.items() if group}
    for column, (kind, group) in zip(st.columns(len(groups)), groups.items(), strict=True):
        counted = sum(changed(row) != (kind == "unrelated") for row in group)
        label, help = t(f"compare.summary.{kind}"), t(f"compare.summary.{kind}_help")
        column.metric(label, f"{counted} / {len(group)}", help=help, border=True)
    table = [
        {
            t("compare.column.kind"): t(f"compare.kind.{row.question.kind}"),
            t("compare.column.question"): row.question.text,
            t("compare.column.changed"): changed(row),
            t("compare.original"): row.before,
            t("compare.column.tuned"): row.after,
        }
        for row in rows
    ]
    wide = st.column_config.TextColumn(width="large")
    columns = {t("compare.original"): wide, t("compare.column.tuned"): wide}
    st.dataframe(pd.DataFrame(table), hide_index=True, column_config=columns)


user = ui.begin("compare").name
st.title(t("page.compare"), anchor=False)
choices = [choice for choice in state.engine().catalogue() if choice.tuned]
if not choices:
    ui.empty_state("compare.empty", "compare.empty_go", "training")
    st.stop()
with st.container(horizontal=True, key="compare-top"):
    choice = choose_run(choices)
    with st.popover("", icon=":material/tune:", help=t("compare.settings"), key="settings"):
        fields = draw_settings()
questions = question_sets(choice.name, choice.created)
asked = choose_question(questions)
with st.container(horizontal=True):
    if st.button(t("compare.go"), type="primary", key="go", icon=":material/compare_arrows:"):
        st.session_state.comparing = True
    if st.button(t("compare.chat"), key="chat", icon=":material/chat:"):
        ui.go("chat", model=choice.name)
    if st.button(t("compare.report"), key="report", icon=":material/fact_check:"):
        ui.go("report", run=choice.name)

pair = st.session_state.get("pair")
if st.session_state.pop("comparing", False) and asked.strip():
    with ui.guarded():
        compare(asked.strip(), choice, fields, user)
        st.rerun()
elif pair and pair.run == choice.name:
    draw_pair(pair, choice)

st.subheader(t("compare.set"), anchor=False)
st.markdown(t("compare.set_about"))
if st.button(t("compare.set_go"), key="set", icon=":material/playlist_play:"):
    with ui.guarded():
        run_set(choice, questions, fields["strength"], user)
result = st.session_state.get("set_result")
if result and (result["run"], result["step"]) == (choice.name, choice.step):
    draw_set(result["rows"])
