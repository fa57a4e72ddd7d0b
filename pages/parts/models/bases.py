"""The models page's installed bases: what each is, loading and unloading it, checking and deleting its files."""

from pathlib import Path

import streamlit as st

from glm_core import i18n, state, ui, workspace
from glm_core.hub import local_models
from glm_core.i18n import t
from glm_core.machine import machine
from glm_core.markdown import literal
from glm_core.serving import load_job, served_models
from pages.parts import widgets

REFRESH_SECONDS = 0.5
SOON = 0.6  # seconds in which a small model is there: its progress would only flicker


@st.cache_data(max_entries=64, show_spinner=False)
def facts(folder: Path, changed: float, language: str) -> tuple[str, str]:
    """`wording.facts` of `folder`; the others only tell cache entries apart."""
    return local_models.model_facts(folder)


def draw_memory() -> None:
    """Memory of this machine, the share this server takes, and what the last unloading gave back."""
    st.markdown(machine.sentence(machine.machine()))
    widgets.draw_idle_gpus()
    parts = [t("models.memory", used=i18n.size(load_job.memory_now().used))]
    if "returned" in st.session_state:
        parts += load_job.returned_sentences(*st.session_state.returned)
    st.caption(" · ".join(parts))


def load(folder: Path) -> None:
    """Begin to load `folder`; a small model is there before the page is drawn again."""
    with ui.guarded():
        job = load_job.start(state.engine(), folder)
        ui.note("audit.model.load", folder.name)
        job.wait(SOON)
        st.session_state.pop("returned", None)
        st.rerun()


def unload(name: str) -> None:
    """Unload, and keep what was measured before and after for the line on memory."""
    before = load_job.memory_now()
    with st.spinner(t("models.unloading")):
        state.engine().unload()
    ui.note("audit.model.unload", name)
    st.session_state.returned = before, load_job.memory_now()
    st.rerun()


def draw_loading() -> None:
    """The loading under way, redrawn by itself, or how the last one ended; the bases are drawn below it."""
    job = load_job.current(state.engine())
    if job is not None and job.state == "done":
        load_job.forget(state.engine())
    elif job is not None:
        running = job.state == "running"
        ui.fragment(draw_load, run_every=REFRESH_SECONDS if running else None)(job, running)
    elif (folder := state.engine().loading) is not None:
        ui.fragment(draw_elsewhere, run_every=REFRESH_SECONDS)(folder)


def draw_load(job: load_job.Load, was_running: bool) -> None:
    """Stage, share and the way to stop; or the sentence it ended with."""
    if was_running and job.state != "running":
        st.rerun()
    with st.container(border=True, key="loading"):
        if job.state == "running":
            stage = t("models.stopping" if job.stopping else job.stage)
            st.progress(job.fraction or 0.0, t("models.loading", name=literal(job.folder.name)) + " · " + stage)
            stop = {
                "on_click": ui.checked(ui.run_audited),
                "args": (job.cancel, "audit.model.load_stop", job.folder.name),
            }
            st.button(t("models.cancel"), **stop, disabled=job.stopping, key="cancel-loading")
            return
        if job.error is not None:
            ui.show_error(job.error)
        elif job.before is not None and job.after is not None:
            st.markdown(t("models.load_cancelled", before=i18n.size(job.before.used), after=i18n.size(job.after.used)))
        st.button(t("models.dismiss"), on_click=ui.checked(load_job.forget), args=(job.engine,), key="dismiss-loading")


def draw_elsewhere(folder: Path) -> None:
    """A loading that a question asked for."""
    progress = state.engine().progress
    if state.engine().loading != folder or progress is None:
        st.rerun()
    with st.container(border=True, key="loading"):
        st.progress(progress[1] or 0.0, t("models.loading_elsewhere", name=literal(folder.name), stage=t(progress[0])))
        args = (state.engine().cancel_loading, "audit.model.load_stop", folder.name)
        st.button(t("models.cancel"), on_click=ui.checked(ui.run_audited), args=args, key="cancel-loading")


def draw_model(choice: served_models.ServedModel) -> None:
    """One installed base: what it is, whether it is loaded, and what can be done with it."""
    loaded = state.loaded()
    here = loaded is not None and loaded.path == choice.base
    with st.container(border=True, key=f"model-{choice.name}", gap="xsmall"):
        left, right = st.columns([3, 1], vertical_alignment="center")
        with left, st.container(gap="xsmall"):
            line, licence = facts(choice.base, choice.created, i18n.current())
            st.markdown(f"**{literal(choice.name)}**" + (f" :green-badge[{t('models.loaded')}]" if here else ""))
            st.caption("  \n".join([literal(line), licence]))
        with right, st.container(horizontal=True, horizontal_alignment="right"), ui.guarded():
            if here and st.button(t("models.unload"), key=f"unload-{choice.name}"):
                unload(choice.name)
            busy = state.engine().loading is not None
            if not here and licence and st.button(t("models.load"), key=f"load-{choice.name}", disabled=busy):
                load(choice.base)
            if choice.base.parent != workspace.ASSETS / "models":
                with st.popover("", icon=":material/more_horiz:", help=t("run.more"), key=f"more-{choice.name}"):
                    draw_more(choice, here)


def draw_more(choice: served_models.ServedModel, here: bool) -> None:
    """Check the files, delete the folder."""
    draw_check(local_models.own_folder(choice.name), choice.name)
    users = served_models.trained_on(choice)
    if users:
        st.caption(t("models.used_by", count=len(users)))
    if any(run.status().active for run in users):
        return
    if st.checkbox(t("models.delete_sure"), key=f"sure-{choice.name}"):
        if st.button(t("models.delete"), icon=":material/delete:", key=f"delete-{choice.name}", width="stretch"):
            if here:
                state.engine().unload()
            local_models.remove(choice.name)
            ui.note("audit.model.remove", choice.name)
            st.rerun()


def draw_check(folder: Path, name: str) -> None:
    """Hold the files of `folder` against their digests, where some are known."""
    digests = local_models.expected_digests(folder)
    if not digests:
        st.caption(t("models.no_digests", name=literal(name)))
    elif st.button(t("models.verify"), icon=":material/verified:", key=f"verify-{name}", width="stretch"):
        bar = st.progress(0.0, t("models.verifying"))
        found = local_models.verify(folder, digests, lambda share: bar.progress(min(share, 1.0), t("models.verifying")))
        bar.empty()
        st.markdown(literal(local_models.check_verdict(found)))


def draw_broken() -> None:
    """Folders among the models that are none, each with the reason."""
    for folder in local_models.broken():
        st.caption(literal(local_models.model_facts(folder)[0]))
