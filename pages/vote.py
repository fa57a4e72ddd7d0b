"""Vote: which answer is better? Two answers without names, in an order of the voter's own; the page of a link for colleagues.

Nothing that tells which model gave which answer reaches the browser before the vote is closed, but for the owner's tally.
"""

import streamlit as st

from glm_core import ui
from glm_core.evaluation import blind_votes
from glm_core.evaluation.blind_votes import Vote, VoteError
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts import blind_vote

LETTERS = ("A", "B")


def place_now(vote: Vote, said: dict[int, str]) -> int:
    """The question to show: the one gone to, else the first without an answer; the number of questions when all have one."""
    open_ones = [place for place in range(len(vote.pairs)) if place not in said]
    place = st.session_state.setdefault(f"place-{vote.id}", open_ones[0] if open_ones else len(vote.pairs))
    return min(max(place, 0), len(vote.pairs))


def move(vote: Vote, place: int) -> None:
    """Show another question next."""
    st.session_state[f"place-{vote.id}"] = place


def choose(vote: Vote, voter: str, place: int, choice: str) -> None:
    """Keep a choice and go on; what went wrong is said on the next run."""
    try:
        if blind_votes.cast(vote, voter, place, choice):
            ui.note("audit.vote.cast", vote.id)
        move(vote, place + 1)
    except VoteError as error:
        st.session_state.refused = str(error)


def draw_question(vote: Vote, voter: str, place: int, said: str | None) -> None:
    """One question, both answers, the four choices."""
    st.caption(t("vote.place", place=place + 1, count=len(vote.pairs)))
    st.markdown(f"**{literal(vote.pairs[place].question)}**")
    for column, letter, answer in zip(st.columns(2, gap="medium"), LETTERS, vote.shown(voter, place), strict=True):
        with column.container(border=True, height="stretch", key=f"answer-{letter}"):
            st.caption(t("vote.answer", letter=letter))
            st.markdown(literal(answer) or f":gray[{t('chat.nothing')}]")
    with st.container(horizontal=True, key="choices"):
        for choice in blind_votes.CHOICES:
            kind = "primary" if choice == said else "secondary"
            st.button(
                t(f"vote.choice.{choice}"),
                key=choice,
                type=kind,
                on_click=ui.checked(choose),
                args=(vote, voter, place, choice),
            )


def draw_steps(vote: Vote, place: int) -> None:
    """Back and on, without a choice."""
    with st.container(horizontal=True):
        back, on = (t("vote.back"), ":material/arrow_back:"), (t("vote.skip"), ":material/arrow_forward:")
        st.button(
            back[0],
            key="back",
            icon=back[1],
            type="tertiary",
            disabled=place == 0,
            on_click=ui.checked(move),
            args=(vote, place - 1),
        )
        st.button(on[0], key="next", icon=on[1], type="tertiary", on_click=ui.checked(move), args=(vote, place + 1))


def draw_end(vote: Vote, done: int) -> None:
    """Thanks, and the way back to the first question."""
    count = len(vote.pairs)
    st.markdown(t("vote.thanks", count=count) if done == count else t("vote.thanks_some", done=done, count=count))
    st.button(t("vote.again"), key="again", icon=":material/replay:", on_click=ui.checked(move), args=(vote, 0))


def draw_ballot(vote: Vote, voter: str) -> None:
    """The question that is next, or thanks."""
    said = blind_votes.ballot(vote, voter)
    place = place_now(vote, said)
    if refused := st.session_state.pop("refused", None):
        st.error(refused, icon=":material/error:")
    if place == len(vote.pairs):
        draw_end(vote, len(said))
    else:
        draw_question(vote, voter, place, said.get(place))
        draw_steps(vote, place)


voter = ui.begin("vote").name
try:
    vote = blind_votes.get(st.query_params.get("vote", ""))
except VoteError as error:
    st.title(t("page.vote"), anchor=False)
    st.markdown(str(error))
    ui.link("chat", t("page.chat"), icon=":material/chat:")
    st.stop()
mine = ui.owns(vote.owner)
st.title(literal(vote.about) or t("vote.title"), anchor=False)
if vote.open:
    st.caption(t("vote.about"))
    draw_ballot(vote, voter)
else:
    st.info(t("vote.closed"), icon=":material/lock:")
if mine:
    st.divider()
    blind_vote.draw_desk(vote)
elif not vote.open:
    blind_vote.draw_tally(vote)
