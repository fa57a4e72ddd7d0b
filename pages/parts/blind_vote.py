"""Blind votes as their owner sees them: open one, send the link, watch the tally, close it. Voters' own page is pages/vote.py."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from glm_core import ui
from glm_core.auth.network import addresses
from glm_core.evaluation import blind_votes
from glm_core.evaluation.analysis import vote_tally
from glm_core.evaluation.analysis.vote_tally import Tally
from glm_core.evaluation.blind_votes import Pair, Vote, VoteSide
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run

OUTCOMES = {"one": 0, "other": 1}


def draw_start(run: Run, sides: tuple[VoteSide, VoteSide], pairs: Sequence[Pair], key: str) -> None:
    """Explanation of a vote, and the button that opens one on `pairs`; only for the owner of the run."""
    if not ui.owns(run.owner):
        return
    st.caption(t("vote.start_about", limit=blind_votes.MOST_QUESTIONS))
    about = st.text_input(
        t("vote.ask"), placeholder=t("vote.ask_hint"), max_chars=blind_votes.LONGEST_ABOUT, key=f"{key}-about"
    )
    with ui.guarded():
        if st.button(t("vote.start"), key=f"{key}-start", icon=":material/how_to_vote:"):
            ui.must_own(run.owner)
            vote = blind_votes.start(run.id, run.owner, sides, pairs, about)
            ui.note("audit.vote.open", vote.id)
            ui.go("vote", vote=vote.id)


def draw_list(run: Run) -> None:
    """The votes on a run, a link each."""
    for vote in blind_votes.votes():
        if vote.run == run.id:
            said = t(f"vote.state.{'open' if vote.open else 'closed'}")
            label = t(
                "vote.listed", when=ui.local_time(vote.created), name=vote.sides[1], count=len(vote.pairs), state=said
            )
            ui.link("vote", literal(label), icon=":material/how_to_vote:", vote=vote.id)


def draw_desk(vote: Vote) -> None:
    """The owner's controls beside the questions: the link, the tally so far, the switch."""
    with st.expander(
        t("vote.result_now" if vote.open else "vote.result"), icon=":material/bar_chart:", expanded=not vote.open
    ):
        draw_tally(vote)
    if vote.open:
        draw_link(vote)
    word = "close" if vote.open else "reopen"
    with ui.guarded():
        if st.button(t(f"vote.{word}"), key="switch", icon=":material/lock:" if vote.open else ":material/lock_open:"):
            ui.must_own(vote.owner)
            blind_votes.set_open(vote, not vote.open)
            ui.note("audit.vote.close" if vote.open else "audit.vote.reopen", vote.id)
            st.rerun()


def draw_tally(vote: Vote) -> None:
    """Number of voters; once the vote is closed also the result."""
    counted = blind_votes.tally(vote)
    names = [literal(str(side)) for side in vote.sides]
    if vote.open:
        st.markdown(t("vote.outcome.waiting"))
    else:
        draw_result(vote, counted, names)
    st.caption(t("vote.counted", voters=counted.voters, total=counted.total))


def draw_result(vote: Vote, counted: Tally, names: Sequence[str]) -> None:
    """The result of a closed vote in words, then the counts."""
    outcome = counted.outcome
    st.markdown(t(f"vote.outcome.{outcome}", name=names[OUTCOMES.get(outcome, 0)]))
    if counted.share is not None and counted.blind and counted.voters >= vote_tally.FEWEST_VOTERS:
        low, high = counted.interval
        values = {"decided": counted.decided, "share": counted.share, "low": low, "high": high}
        said = t("vote.share", name=names[1], **values, chance=counted.chance)
        st.caption(said, help=t("vote.share_help"))
    if counted.judged:
        st.caption(t("vote.judge", judged=counted.judged, agreed=counted.agreed), help=t("vote.judge_help"))
    rows = [*map(str, vote.sides), t("vote.choice.equal"), t("vote.choice.bad")]
    times = [counted.one, counted.other, counted.equal, counted.bad]
    table = pd.DataFrame({t("vote.column.answer"): map(literal, rows), t("vote.column.times"): times})
    st.table(table.set_index(t("vote.column.answer")))


def draw_link(vote: Vote) -> None:
    """The address for colleagues, as text and as a picture for their phones."""
    bases = ui.shared_addresses()
    url = f"{(bases or [ui.address()])[0]}/vote?vote={vote.id}"
    st.markdown(t("vote.link"))
    st.code(url, language=None, wrap_lines=True)
    if bases:
        st.image(addresses.qr_code(url), width=160, alt=t("share.qr"))
    else:
        st.caption(t("vote.link_here"))
