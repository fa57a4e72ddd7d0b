"""The documents page's reader: one pair at a time with its passage in sight, accepted, edited or thrown away; then the set."""

from pathlib import PurePath

import streamlit as st

from glm_core import ui
from glm_core.data import library
from glm_core.drafting import DraftPair, Item, drafts, make
from glm_core.drafting.drafts import Draft
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.datasets import conversation
from pages.parts.drafting.document_passages import draw_passage

PASSAGE_HEIGHT = 420  # pixels; a longer passage scrolls by itself
VIEWS = ("open", "accepted", "discarded")


def draw(draft: Draft) -> None:
    """The pair in turn, and what becomes of the accepted ones."""
    found = drafts.pairs(draft)
    if not found:
        return
    shown = draw_views(found)
    if shown:
        draw_pair(draft, shown)
    else:
        st.markdown(t("drafting.none_here"))
    draw_keep(draft, found)


def draw_views(found: list[DraftPair]) -> list[DraftPair]:
    """Which pairs to look at: undecided, accepted or thrown away, each with its number."""
    counts = {view: sum(one.state == view for one in found) for view in VIEWS}
    st.session_state["pairs-view"] = st.session_state.get("pairs-view") or "open"  # labels change with the counts
    view = st.segmented_control(
        t("drafting.view"),
        VIEWS,
        required=True,
        key="pairs-view",
        format_func=lambda name: t(f"drafting.view.{name}", count=f"{counts[name]:,}"),
        label_visibility="collapsed",
    )
    return [one for one in found if one.state == view]


def draw_pair(draft: Draft, shown: list[DraftPair]) -> None:
    """The passage on the left, question and answer on the right."""
    place = min(st.session_state.get("pair-place", 0), len(shown) - 1)
    pair = shown[place]
    item = next(one for one in drafts.items(draft) if one.number == pair.item)
    left, right = st.columns(2, gap="large")
    with left:
        draw_item(draft, item)
    with right:
        question = st.text_area(t("datasets.question"), pair.question, key=f"q-{pair.item}-{pair.place}", height=80)
        answer = st.text_area(t("datasets.answer"), pair.answer, key=f"a-{pair.item}-{pair.place}", height=150)
        if pair.doubt:
            st.caption(f":orange[:material/warning: {t(pair.doubt)}]")
        draw_decisions(draft, pair, question, answer)
        draw_turning(place, len(shown))


def draw_item(draft: Draft, item: Item) -> None:
    """The passage, or the row with its answer."""
    with st.container(height=PASSAGE_HEIGHT if len(item.text) > 600 else "content", border=False):
        if draft.kind == "questions":
            draw_passage(item.text, item.heading, item.page)
        else:
            conversation.draw(item.messages)


def draw_decisions(draft: Draft, pair: DraftPair, question: str, answer: str) -> None:
    """Accept as it stands in the fields, throw away, or take a decision back."""
    with st.container(horizontal=True):
        if pair.state != "accepted" or (question, answer) != (pair.question, pair.answer):
            st.button(
                t("drafting.accept"),
                type="primary",
                icon=":material/check:",
                key="accept",
                on_click=ui.checked(decide),
                args=(draft, pair, "accepted", question, answer),
            )
        for state, act, icon in (("discarded", "discard", "close"), ("open", "reopen", "undo")):
            if pair.state != state:
                st.button(
                    t(f"drafting.{act}"),
                    icon=f":material/{icon}:",
                    key=act,
                    on_click=ui.checked(decide),
                    args=(draft, pair, state, question, answer),
                )


def decide(draft: Draft, pair: DraftPair, state: str, question: str, answer: str) -> None:
    """Keep a decision; for a callback."""
    try:
        if state == "accepted" and not (question.strip() and answer.strip()):
            raise drafts.DraftError("drafting.blank", limit=f"{drafts.MOST_TEXT:,}")
        drafts.decide(draft, pair, state, question, answer)
    except EasyError as error:
        st.toast(str(error), icon=":material/error:")


def draw_turning(place: int, count: int) -> None:
    """To the pair before and the next."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for step, icon, key in ((-1, ":material/chevron_left:", "before"), (1, ":material/chevron_right:", "next")):
            st.button(
                "",
                icon=icon,
                key=f"pair-{key}",
                disabled=not 0 <= place + step < count,
                help=t(f"drafting.{key}"),
                type="tertiary",
                on_click=ui.checked(turn),
                args=(place + step,),
            )
        st.caption(t("drafting.place", place=place + 1, count=f"{count:,}"), width="content")


def turn(place: int) -> None:
    """Show the pair at `place`; for a callback."""
    st.session_state["pair-place"] = place


def draw_keep(draft: Draft, found: list[DraftPair]) -> None:
    """Make a set of the accepted pairs."""
    count = sum(one.state == "accepted" for one in found)
    saved = sum(one.state == "saved" for one in found)
    with st.container(border=True, key="keep-pairs"):
        st.markdown(t("drafting.accepted", count=f"{count:,}", saved=f"{saved:,}"))
        if not count:
            return
        usual = PurePath(draft.source).stem if draft.kind == "questions" else draft.source
        use = draw_use() if draft.kind == "rewordings" else "questions"
        if use == "apart":
            usual = t("drafting.apart_name", name=usual)
        name = ""
        if use != "mixed" and not saved:
            name = st.text_input(
                t("datasets.name"), usual[: library.MAX_NAME], max_chars=library.MAX_NAME, key="set-name"
            )
        if st.button(t("drafting.save", count=f"{count:,}"), icon=":material/save:", key="save-pairs"):
            save = {"questions": make.save, "apart": make.save_apart}.get(use)
            kept = save(draft, name) if save else make.save_mixed(draft)
            ui.note("audit.data.add", kept.name)
            st.toast(t("drafting.saved", name=literal(kept.name)))
            ui.go("datasets", set=kept.id)


def draw_use() -> str:
    """What the other wordings are for: kept apart for reports, or rows to train on."""
    return st.radio(
        t("drafting.use"),
        ("apart", "mixed"),
        key="use",
        format_func=lambda one: t(f"drafting.use.{one}"),
        captions=[t("drafting.use.apart_help"), t("drafting.use.mixed_help")],
    )
