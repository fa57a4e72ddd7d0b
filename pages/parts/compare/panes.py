"""The panes of the compare page: the original and up to four runs answer one question at the same time, differences marked."""

import time
from collections.abc import Sequence

import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import divergence, question_sets, scoring
from glm_core.evaluation.side_by_side import Panes, fitting, requests
from glm_core.i18n import t
from glm_core.markdown import Piece, differences, literal, marked, numbered
from glm_core.runs import store
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from pages.parts import thinking_control

DRAW_SECONDS = 0.06
LONGEST_SHOWN = 200
"Characters of the question above the panes; the box has the rest."
ACROSS = 3
"Panes beside each other; more would leave too few words a line."


def draw_places(runs: Sequence[ServedModel], question: str) -> list:
    """The question, and under it bordered panes with their headings; returns the places of the answers."""
    st.markdown(f"**{literal(question[:LONGEST_SHOWN])}**" + ("…" if len(question) > LONGEST_SHOWN else ""))
    titles = [f":gray[**{t('compare.original')}**]"]
    titles += [f":green[**{t('compare.tuned', name=literal(name))}**]" for name in names_of(runs)]
    across = len(titles) if len(titles) <= ACROSS else -(-len(titles) // 2)
    places = []
    for start in range(0, len(titles), across):
        columns = st.columns(across, gap="medium")
        for number, (column, title) in enumerate(zip(columns, titles[start : start + across], strict=False), start):
            with column.container(border=True, height="stretch", key=f"pane-{number}"):
                st.markdown(title)
                places.append(st.empty())
    return places


def names_of(runs: Sequence[ServedModel]) -> list[str]:
    """Unique labels of the runs beside each other."""
    return numbered([run.title for run in runs])


def ask(question: str, runs: Sequence[ServedModel], fields: dict, owner: str) -> None:
    """Stream all answers side by side and keep them, whatever ends this script."""
    places = draw_places(runs, question)
    st.button(t("compare.stop"), key="stop", icon=":material/stop_circle:")
    panes = Panes(tuple(run.name for run in runs), question)
    engine = state.engine()
    panes.start(requests(engine, question, runs, owner, **fields), engine)
    st.session_state.panes = panes
    try:
        while not panes.done:
            for handle, place in zip(panes.handles, places, strict=True):
                draw_growing(handle, place)
            time.sleep(DRAW_SECONDS)
    finally:
        panes.cancel()
    panes.raise_error()


def draw_growing(handle: RequestHandle, place) -> None:
    """The answer so far, or one line that says what it waits for."""
    stage = state.engine().progress
    if handle.reasoning and not handle.text:
        thinking_control.draw_growing(handle.reasoning, handle.reasoning_seconds, place)
    elif handle.text:
        place.markdown(literal(scoring.without_loop(handle.text)))
    elif handle.state == "waiting" and handle.position and stage is None:
        place.caption(t("chat.queue", place=handle.position))
    else:
        place.caption(t(stage[0] if stage else "chat.thinking"))


def draw(panes: Panes, runs: Sequence[ServedModel]) -> None:
    """The finished answers, each with its provenance; what differs from the original marked."""
    shown = [scoring.without_loop(text) for text in panes.texts]
    places = draw_places(runs, panes.question)
    for place, handle, text, words in zip(places, panes.handles, shown, _marked(shown), strict=True):
        with place.container():
            if handle.reasoning:
                thinking_control.draw_folded(handle.reasoning, handle.reasoning_seconds)
            st.markdown(words or f":gray[{t('chat.nothing')}]")
            notes = [t("chat.ended.cancelled")] if handle.cancelled and not panes.whole else []
            notes += [t("compare.looping")] if text != handle.text else []
            notes += [literal(handle.provenance.sentence())] if handle.provenance else []
            st.caption("  \n".join(notes))
    if panes.whole:
        for run, name, text in zip(runs, names_of(runs), panes.texts[1:], strict=True):
            draw_divergence(run, same=text == panes.texts[0], name=f"{literal(name)} · " if len(runs) > 1 else "")


def _marked(texts: Sequence[str]) -> list[str]:
    """Every answer as Markdown; the original's words are marked only where there is one other to lack them."""
    sides = [differences(texts[0], text) for text in texts[1:]]
    original = sides[0][0] if len(sides) == 1 else [Piece(texts[0], False)]
    return [marked(original, "gray"), *(marked(new, "green") for _old, new in sides)]


def draw_divergence(run: ServedModel, same: bool, name: str) -> None:
    """Measurement of the difference between a run and its base; done once for each saved adapter."""
    key = (run.name, run.step)
    divergences = st.session_state.setdefault("divergences", {})
    if key not in divergences:
        with ui.guarded(), st.spinner(t("compare.proving")):
            divergences[key] = divergence.differ(state.engine(), run, asked_of(run))
    measured = divergences.get(key)
    if measured is not None and not measured.differs:
        st.warning(name + "\n\n".join(map(literal, measured.sentences())), icon=":material/warning:")
    elif measured is not None:
        changed = sum(distance >= divergence.SLIGHT for _question, distance in measured.distances)
        how = {"changed": changed, "count": len(measured.distances), "largest": 100 * measured.largest}
        said = name + (t("compare.same_here") if same else "") + t("compare.differs")
        st.caption(said, help=t("compare.differs_how", **how))


def asked_of(run: ServedModel) -> list[str]:
    """Questions that the run was tuned on, which tell most."""
    return [question.text for question in fitting(state.engine(), run, question_sets.seen(store.get(run.name)))]
