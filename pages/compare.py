"""Compare: what changed? One question to the original and the tuned model at the same time, the differences marked.

Both answers are rows of one batch on one copy of the weights, with the same seed. Below: all of the run's questions at
once, as a table.
"""

import time
from functools import partial

import pandas as pd
import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import sets
from glm_core.evaluation.difference import Difference, Question
from glm_core.evaluation.metrics import matches
from glm_core.runs import records
from glm_core.serving import proof
from glm_core.serving.asking import ask_all
from glm_core.serving.catalogue import Choice
from glm_core.serving.display import differences, literal, marked
from glm_core.serving.tickets import Request, Stamp, Ticket
from glm_core.text import say as t

POLL_SECONDS = 0.03
DRAW_SECONDS = 0.06
LISTED = 20
LONGEST_LABEL = 28
ANSWER_TOKENS = 256
SEED = 42
KINDS = ("own", "seen", "reworded", "unrelated")
SIDES = (("original", "gray"), ("tuned", "green"))


# what is compared


def choose_run(choices: list[Choice]) -> Choice:
    """The run at the top: the address' one, or the newest."""
    names = {choice.name: choice for choice in choices}
    if "compared" not in st.session_state and st.query_params.get("run") in names:
        st.session_state.compared = st.query_params["run"]
        start_with(names[st.session_state.compared])
    key = st.selectbox(
        t("compare.run"), list(names), key="compared", label_visibility="collapsed",
        format_func=lambda name: t("chat.tuned", name=names[name].title, base=names[name].base.name),
    )  # fmt: skip
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
    seed = st.number_input(t("chat.seed"), 0, 2**31 - 1, SEED, help=t("compare.seed_help"), key="seed", disabled=not drawn)
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
            t(f"compare.kind.{kind}"), [question.text for question in questions[kind]], format_func=short, key=f"pick-{kind}",
            label_visibility="collapsed", on_change=take_pick, args=(f"pick-{kind}",),
        )  # fmt: skip
    return st.text_area(t("compare.question"), key="asked", placeholder=t("compare.placeholder"), height=80, label_visibility="collapsed", max_chars=20000)


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


def requests(question: str, choice: Choice, fields: dict, owner: str) -> list[Request]:
    """The same question to the base and to the run; strength is the run's alone."""
    base = {name: value for name, value in fields.items() if name != "strength"}
    messages = [{"role": "user", "content": question}]
    ask = partial(Request, messages, owner=owner, max_new_tokens=ANSWER_TOKENS)
    return [ask(base_name(choice), **base), ask(choice.name, **fields)]


def base_name(choice: Choice) -> str:
    """The name under which the run's base answers."""
    bases = (one for one in state.engine().catalogue() if not one.tuned)
    return next((one.name for one in bases if one.base == choice.base), choice.base.name)


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
    tickets: list[Ticket] = []
    try:
        for request in requests(question, choice, fields, owner):
            tickets.append(state.engine().submit(request))
        stream(tickets, places)
    finally:
        for ticket in tickets:
            ticket.cancel()
        if len(tickets) == 2:
            st.session_state.pair = {"run": choice.name, "question": question, "answers": [kept(ticket) for ticket in tickets]}
    for ticket in tickets:
        if ticket.error is not None:
            raise ticket.error


def kept(ticket: Ticket) -> dict:
    """What stays of an answer."""
    return {"text": ticket.text, "stamp": ticket.stamp, "whole": ticket.finish_reason in ("stop", "length")}


def stream(tickets: list[Ticket], places: list) -> None:
    """Draw both answers as they grow."""
    shown = ["", ""]
    while not all(ticket.done for ticket in tickets):
        for number, (ticket, place) in enumerate(zip(tickets, places, strict=True)):
            if ticket.text and ticket.text != shown[number]:
                shown[number] = ticket.text
                place.markdown(literal(ticket.text))
            elif not ticket.text:
                draw_wait(ticket, place)
        time.sleep(DRAW_SECONDS)


def draw_wait(ticket: Ticket, place) -> None:
    """One line that says what the answer waits for."""
    stage = state.engine().progress
    if ticket.state == "waiting" and ticket.position and stage is None:
        place.caption(t("chat.queue", place=ticket.position))
    else:
        place.caption(t(stage[0] if stage else "chat.thinking"))


def draw_pair(pair: dict, choice: Choice) -> None:
    """Two finished answers, what differs marked, each with its stamp."""
    pieces = differences(*(answer["text"] for answer in pair["answers"]))
    for place, answer, side, (_name, colour) in zip(panes(choice, pair["question"]), pair["answers"], pieces, SIDES, strict=True):
        with place.container():
            st.markdown(marked(side, colour) or f":gray[{t('chat.nothing')}]")
            notes = [] if answer["whole"] else [t("chat.ended.cancelled")]
            stamp: Stamp | None = answer["stamp"]
            st.caption("  \n".join(notes + ([literal(stamp.sentence())] if stamp else [])))
    if all(answer["whole"] for answer in pair["answers"]):
        draw_proof(choice, same=pair["answers"][0]["text"] == pair["answers"][1]["text"])


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
    fields = {"temperature": 0.0, "seed": SEED, "strength": strength}
    pairs = [request for question in asked for request in requests(question.text, choice, fields, owner)]
    answers: list[str | None] = [None] * len(pairs)
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, t("compare.set_running", done=0, count=len(asked)))
        st.button(t("compare.stop"), key="stop-set", icon=":material/stop_circle:")
        for done, (number, ticket) in enumerate(ask_all(state.engine(), pairs), 1):
            if ticket.error is not None:
                raise ticket.error
            answers[number] = ticket.text
            bar.progress(done / len(pairs), t("compare.set_running", done=done // 2, count=len(asked)))
    place.empty()
    rows = [Difference(question, answers[2 * place], answers[2 * place + 1]) for place, question in enumerate(asked)]
    st.session_state.set_result = {"run": choice.name, "step": choice.step, "strength": strength, "rows": rows}


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


def changed(row: Difference) -> bool:
    """Other words count where tuning should change the answer, another meaning where it should not."""
    return row.changed if row.question.kind == "unrelated" else not matches(row.before, row.after)


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

pair = st.session_state.get("pair")
if st.session_state.pop("comparing", False) and asked.strip():
    with ui.guarded():
        compare(asked.strip(), choice, fields, user)
        st.rerun()
elif pair and pair["run"] == choice.name:
    draw_pair(pair, choice)

st.subheader(t("compare.set"), anchor=False)
st.markdown(t("compare.set_about"))
if st.button(t("compare.set_go"), key="set", icon=":material/playlist_play:"):
    with ui.guarded():
        run_set(choice, questions, fields["strength"], user)
result = st.session_state.get("set_result")
if result and (result["run"], result["step"]) == (choice.name, choice.step):
    draw_set(result["rows"])
