"""Chat: is it any good? A conversation with the original or any tuned model, streaming, kept on disk.

The last answer is in the conversation before it is computed and grows there, so that whatever ends this script (stop,
another page, a closed tab) leaves the text so far; leaving the loop cancels the computation. A stopped script cannot
draw any more: `settle`, a fragment of its own, then draws the page anew.
"""

import time
from pathlib import Path

import streamlit as st

from glm_core import state, ui, workspace
from glm_core.errors import EasyError
from glm_core.serving import conversations
from glm_core.serving.catalogue import Choice, official_sampling
from glm_core.serving.conversations import Conversation, footnotes
from glm_core.serving.display import harmless, literal, told_apart
from glm_core.serving.tickets import Request, Ticket
from glm_core.text import say as t

POLL_SECONDS = 0.1
DRAW_SECONDS = 0.05
SAVE_SECONDS = 2.0
SETTLE_SECONDS = 0.5
LISTED = 50
LIST_HEIGHT = 340
EXAMPLES = ("chat.example.who", "chat.example.sum", "chat.example.film", "chat.example.advert")
IDLE = {"temperature": 0.8, "top_p": 0.8, "top_k": 0, "repetition_penalty": 1.0, "max_new_tokens": 512}
DIALS = {"temperature": 0.05, "top_p": 0.01, "top_k": 1, "repetition_penalty": 0.01, "max_new_tokens": 1}
BOUNDS = {"top_k": (0, 200), "repetition_penalty": (1.0, 2.0), "max_new_tokens": (1, 4096)}


# the conversation in view


def current(user: str) -> Conversation:
    """The one in this session, else the one in the address, else a new one."""
    if "talk" not in st.session_state:
        known = st.query_params.get("c")
        st.session_state.talk = (known and find(user, known)) or Conversation(user)
    return st.session_state.talk


def follow_address(user: str) -> None:
    """Another page sent the reader here to talk to one model: a new conversation with it, once."""
    wanted = [st.query_params.pop(name) for name in ("run", "model") if name in st.query_params]
    if wanted:
        show(Conversation(user, model=wanted[0]))


def find(user: str, identifier: str) -> Conversation | None:
    """A stored conversation by what the address says, which may be nonsense."""
    try:
        return conversations.get(user, identifier)
    except EasyError:
        return None


def show(talk: Conversation) -> None:
    """Put `talk` in view."""
    st.session_state.talk = talk
    st.session_state.pop("editing", None)
    if talk.messages:
        st.query_params["c"] = talk.id
    else:
        st.query_params.pop("c", None)
    if talk.model:
        st.session_state.model = talk.model


def act(change, *arguments) -> None:
    """Change the conversation in view, then let the page answer its open end."""
    change(*arguments)
    st.session_state.pop("editing", None)
    st.session_state.answering = True
    st.query_params["c"] = st.session_state.talk.id


# the controls


def choose_model(choices: list[Choice], talk: Conversation) -> Choice:
    """The model at the top: the conversation's, the address' run, or the first base."""
    names = {choice.name: choice for choice in choices}
    wanted = st.session_state.get("model") or talk.model
    st.session_state.model = wanted if wanted in names else choices[0].name
    labels = {
        choice.name: t("chat.tuned", name=choice.title, base=choice.base.name) if choice.tuned else choice.title
        for choice in choices
    }
    labels = told_apart(labels, {choice.name: ui.local_time(choice.created) for choice in choices})
    key = st.selectbox(t("chat.model"), list(names), format_func=labels.get, key="model", label_visibility="collapsed")
    return names[key]


@st.cache_data(max_entries=32, show_spinner=False)
def defaults(base: str) -> dict:
    """Where the dials of a base start."""
    return IDLE | official_sampling(base)


def set_dials(values: dict) -> None:
    """Turn every dial to `values`."""
    for name, value in values.items():
        st.session_state[f"dial_{name}"] = value
    st.session_state.dial_seed = ""
    st.session_state.dial_strength = 1.0


def draw_dials(choice: Choice) -> dict:
    """The sampling controls; returns the fields of a `Request`."""
    official = defaults(str(choice.base))
    if st.session_state.get("dials_of") != official or "dial_temperature" not in st.session_state:
        st.session_state.dials_of = official
        set_dials(official)
    ranges = {"temperature": (0.0, 2.0), "top_p": (0.0, 1.0)} | BOUNDS
    values = {}
    for name, step in DIALS.items():
        low, high = ranges[name]
        label, help = t(f"chat.{name}"), t(f"chat.{name}_help")
        values[name] = st.slider(label, low, high, step=step, help=help, key=f"dial_{name}", persist_state="session")
    if choice.tuned:
        values["strength"] = st.slider(
            t("chat.strength"),
            0.0,
            1.5,
            step=0.05,
            help=t("chat.strength_help"),
            key="dial_strength",
            persist_state="session",
        )
    seed = st.text_input(
        t("chat.seed"), help=t("chat.seed_help"), key="dial_seed", max_chars=10, persist_state="session"
    )
    values["seed"] = int(seed) if seed.strip().isdecimal() else None
    st.button(t("chat.defaults"), on_click=set_dials, args=(official,), key="defaults", width="stretch")
    return values


def draw_history(user: str, talk: Conversation) -> None:
    """Earlier conversations: search, open, export and delete."""
    search = st.text_input(t("chat.search"), key="search", placeholder=t("chat.search"), label_visibility="collapsed")
    found = conversations.conversations(user, search)
    with st.container(height=LIST_HEIGHT if len(found) > 6 else "content", border=False):
        for one in found[:LISTED]:
            draw_past(one, here=one.id == talk.id)
    if not found:
        st.caption(t("chat.no_history"))
    if talk.messages:
        st.divider()
        st.download_button(
            t("chat.export"),
            talk.to_markdown,
            f"{talk.id}.md",
            icon=":material/download:",
            key="export",
            on_click="ignore",
        )


def draw_past(one: Conversation, here: bool) -> None:
    """One line of the history."""
    with st.container(horizontal=True, horizontal_alignment="distribute", key=f"past-{one.id}"):
        label, help = literal(one.name), t("chat.delete")
        st.button(label, on_click=show, args=(one,), key=f"open-{one.id}", type="tertiary", disabled=here)
        act = {"on_click": delete, "args": (one, here)}
        st.button("", icon=":material/delete:", help=help, key=f"delete-{one.id}", type="tertiary", **act)


def delete(one: Conversation, here: bool) -> None:
    """Delete a stored conversation; the one in view makes room for a new one."""
    one.remove()
    if here:
        show(Conversation(one.user, model=one.model))


# the messages


def draw_message(talk: Conversation, place: int) -> None:
    """One message with what can be done to it."""
    message = talk.messages[place]
    with st.chat_message(message["role"], avatar=avatar(message)):
        if message["role"] == "user":
            draw_question(talk, place)
        else:
            draw_answer(talk, place)


def avatar(message: dict) -> str | Path:
    """The reader, the original, or the seal of a tuned model."""
    if message["role"] == "user":
        return ":material/person:"
    stamp = message.get("stamp") or {}
    return workspace.ASSETS / "seal.svg" if stamp.get("adapter") else ":material/smart_toy:"


def draw_question(talk: Conversation, place: int) -> None:
    content = talk.messages[place]["content"]
    if st.session_state.get("editing") == place:
        with st.form(f"edit-{place}", border=False):
            new = st.text_area(t("chat.edit"), content, key=f"edited-{place}", label_visibility="collapsed")
            with st.container(horizontal=True):
                sent = st.form_submit_button(t("chat.resend"), type="primary")
                closed = st.form_submit_button(t("chat.cancel"))
        if sent and new.strip():
            act(talk.revise, place, new.strip())
        elif closed:
            st.session_state.pop("editing")
        if sent or closed:
            st.rerun()
        return
    with st.container(horizontal=True, vertical_alignment="top"):
        st.markdown(literal(content))
        st.button("", icon=":material/edit:", help=t("chat.edit"), key=f"edit-{place}", type="tertiary",
                  on_click=lambda: st.session_state.update(editing=place))  # fmt: skip


def draw_answer(talk: Conversation, place: int) -> None:
    message = talk.messages[place]
    st.markdown(harmless(message["content"]) or f":gray[{t('chat.nothing')}]")
    st.caption("  \n".join(footnotes(message)))
    with st.container(horizontal=True):
        with st.popover("", icon=":material/content_copy:", help=t("chat.copy"), type="tertiary", key=f"copy-{place}"):
            st.code(message["content"], language=None, wrap_lines=True)
        if place == len(talk.messages) - 1:
            st.button(
                "",
                icon=":material/refresh:",
                help=t("chat.again"),
                on_click=act,
                args=(talk.again,),
                key="again",
                type="tertiary",
            )


def answer(talk: Conversation, choice: Choice, fields: dict) -> None:
    """Compute the open answer into the page and the conversation."""
    talk.model = choice.name
    talk.save()
    seal = {"role": "assistant", "stamp": {"adapter": choice.tuned}}
    with st.chat_message("assistant", avatar=avatar(seal)):
        place = st.empty()
        settle()
        ticket = state.engine().submit(Request(talk.prompt(), choice.name, owner=talk.user, **fields))
        st.session_state.computing = True
        try:
            stream(ticket, talk, place)
            st.session_state.computing = False
        except Exception:
            st.session_state.computing = False  # not stopped: the page stays as it is, with the reason
            raise
        finally:
            ticket.cancel()
            talk.note(ticket)
            talk.save()


@st.fragment(run_every=SETTLE_SECONDS)
def settle() -> None:
    """Runs only while no script does: an answer that is still marked as computing then was stopped."""
    if st.session_state.get("computing"):
        st.session_state.computing = False
        st.rerun()


def stream(ticket: Ticket, talk: Conversation, place) -> None:
    """Draw the ticket until it is done: its place in the queue, what is being loaded, then its text."""
    drawn = saved = 0.0
    for _piece in ticket.follow(POLL_SECONDS):
        now = time.monotonic()
        if ticket.text and (now - drawn > DRAW_SECONDS or ticket.done):
            talk.messages[-1]["content"] = ticket.text
            place.markdown(harmless(ticket.text))
            drawn = now
        elif not ticket.text:
            draw_wait(ticket, place)
        if now - saved > SAVE_SECONDS:
            talk.save()
            saved = now


def draw_wait(ticket: Ticket, place) -> None:
    """One line that says what the answer waits for."""
    stage = state.engine().progress
    if ticket.state == "waiting" and ticket.position:
        place.caption(t("chat.queue", place=ticket.position))
    elif stage is not None and stage[1] is not None:
        place.progress(stage[1], t(stage[0]))
    else:
        place.caption(t(stage[0] if stage else "chat.thinking"))


user = ui.begin("chat").name
follow_address(user)
talk = current(user)
choices = state.engine().catalogue()

st.title(t("page.chat"), anchor=False)
if not choices:
    ui.empty_state("chat.no_model", "chat.no_model_go", "models")
    st.stop()
with st.container(horizontal=True, key="chat-top"):
    choice = choose_model(choices, talk)
    with st.popover("", icon=":material/tune:", help=t("chat.sampling"), key="sampling"):
        fields = draw_dials(choice)
    with st.popover("", icon=":material/history:", help=t("chat.history"), key="history"):
        draw_history(user, talk)
    st.button(
        "",
        icon=":material/add_comment:",
        help=t("chat.start_new"),
        key="new",
        on_click=lambda: show(Conversation(user)),
    )

question = st.chat_input(t("chat.placeholder"), key="question", submit_mode="stop", max_chars=20000)
if question and question.strip():
    act(talk.ask, question.strip())

answering = st.session_state.pop("answering", False)
for place in range(len(talk.messages) - answering):
    draw_message(talk, place)
if not talk.messages:
    st.markdown(t("chat.hello"))
    with st.container(horizontal=True):
        for key in EXAMPLES:
            st.button(literal(t(key)), key=key, on_click=act, args=(talk.ask, t(key)))
if talk.unsaved:
    st.warning(literal(talk.unsaved), icon=":material/warning:")
if answering:
    with ui.guarded():
        answer(talk, choice, fields)
        st.rerun()
    st.button(t("chat.again"), icon=":material/refresh:", on_click=act, args=(talk.again,), key="again")
