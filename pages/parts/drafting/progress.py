"""The documents page's writing: how far it is, what the sample of three says about the model, and how it goes on."""

import streamlit as st

from glm_core import state, ui
from glm_core.drafting import drafts, jobs, make
from glm_core.drafting.drafts import Draft
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts import widgets
from pages.parts.drafting import begin

REFRESH_SECONDS = 1.0


def draw(draft: Draft) -> None:
    """Source and model, then the state of the writing."""
    where = " @ ".join(filter(None, (draft.model, draft.server)))
    st.caption(t(f"drafting.of.{draft.kind}", source=literal(draft.source), model=literal(where)))
    job = state.drafting().job(draft)
    with st.container(border=True, key="writing"), ui.guarded():
        if job is not None and job.state == "running":
            ui.fragment(draw_running, run_every=REFRESH_SECONDS)(draft)
        elif job is not None and job.error is not None:
            st.error(str(job.error), icon=":material/error:")
            draw_continue(draft)
        elif jobs.missing(draft):
            st.markdown(t("drafting.stopped", done=f"{len(drafts.answers(draft)):,}", all=f"{draft.items:,}"))
            draw_continue(draft)
        elif draft.stage == "sample":
            draw_sample(draft)
        else:
            st.markdown(t("drafting.all_written", count=f"{draft.items:,}"))


def draw_running(draft: Draft) -> None:
    """The share that is done and the way out; redrawn by itself."""
    job = state.drafting().job(draft)
    if job is None or job.state != "running":
        st.rerun()
    progress = state.engine().progress if not draft.server else None
    word = t(progress[0]) if progress else t("drafting.running", done=f"{job.done:,}", all=f"{job.total:,}")
    st.progress(job.done / job.total, word)
    args = (job.cancel, "audit.draft.stop", draft.source)
    st.button(t("datasets.cancel"), on_click=ui.checked(ui.run_audited), args=args, key="stop-writing")


def draw_continue(draft: Draft) -> None:
    """Go on where it stopped; a server's key is asked for where this session does not know it."""
    key = known_key(draft)
    if draft.server and not key:
        key = widgets.secret_input(t("drafting.key"), key="key-again", help=t("drafting.key_help"))
    if st.button(t("drafting.continue"), icon=":material/play_arrow:", key="continue"):
        begin.start(draft, key)


def known_key(draft: Draft) -> str:
    """The key of the draft's server, kept in this session only."""
    return st.session_state.get(f"key-{draft.id}", "")


def draw_sample(draft: Draft) -> None:
    """The verdict on the first three, and what can be done."""
    found = jobs.sample_result(draft)
    rest = draft.items - found.tried
    if found.good:
        st.success(t("drafting.sample_good", usable=found.usable, tried=found.tried), icon=":material/check:")
    else:
        st.warning(t("drafting.sample_bad", usable=found.usable, tried=found.tried), icon=":material/warning:")
        for problem in {one.problem for one in drafts.answers(draft).values() if one.problem}:
            st.caption(literal(t(problem) if problem.startswith("drafting.") else problem))
    with st.container(horizontal=True):
        if rest and st.button(
            t("drafting.go_on" if found.good else "drafting.go_on_anyway", count=f"{rest:,}"),
            type="primary" if found.good else "secondary",
            icon=":material/play_arrow:",
            key="go-on",
        ):
            begin.start(drafts.change(draft, stage="all"), known_key(draft))
        if st.button(t("drafting.other_model"), icon=":material/swap_horiz:", key="other-model", type="tertiary"):
            ui.go("documents", **_form_of(draft))
    draw_retry(draft)


def _form_of(draft: Draft) -> dict[str, str]:
    return {"set": draft.dataset} if draft.dataset else {}


def draw_retry(draft: Draft) -> None:
    """Other words for the model, tried on the same three."""
    with st.expander(t("drafting.retry"), icon=":material/edit:"):
        said = st.text_area(
            t("drafting.instruction"),
            draft.instruction,
            key=f"again-{draft.id}",
            height=240,
            max_chars=make.LONGEST_INSTRUCTION,
            label_visibility="collapsed",
        )
        if st.button(t("drafting.retry_now"), key="retry", disabled=not said.strip()):
            drafts.forget_answers(draft)
            begin.start(drafts.change(draft, instruction=said.strip()), known_key(draft))
