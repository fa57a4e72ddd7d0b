"""The models page's installed bases: what each is, loading and unloading it, checking and deleting its files."""

from pathlib import Path

import streamlit as st

from glm_core import state, text, ui, workspace
from glm_core.errors import EasyError
from glm_core.models import describe, installed
from glm_core.runs import records, resources
from glm_core.serving import catalogue, loads
from glm_core.serving.display import literal
from glm_core.text import say as t

REFRESH_SECONDS = 0.5
SOON = 0.6  # seconds in which a small model is there: its progress would only flicker


def disk_size(folder: Path) -> int:
    """Bytes of the files directly in `folder`."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


@st.cache_data(max_entries=64, show_spinner=False)
def facts(folder: Path, changed: float, language: str) -> tuple[str, str]:
    """What the model in `folder` is, and its licence; or what is wrong with it. The others only tell cache entries apart."""
    try:
        model = describe(folder)
        size = text.size(disk_size(folder))
    except (EasyError, OSError) as error:
        return str(error), ""
    parameters = f"{model.parameters / 1e9:.1f} B" if model.parameters >= 1e9 else f"{model.parameters / 1e6:.1f} M"
    context = f"{model.context_length:,}"
    line = t("models.facts", family=model.family.title, parameters=parameters, context=context, size=size)
    bits = f" · int{model.bits}" if model.bits else ""
    bundled = folder.parent == workspace.ASSETS / "models"
    return line + bits, t("models.licence.bundled" if bundled else model.family.licence)


def draw_memory() -> None:
    """What this machine has, what this server takes of it, and what the last unloading gave back."""
    st.markdown(ui.machine_sentence(resources.machine()))
    parts = [t("models.memory", used=text.size(loads.memory_now().used))]
    if "returned" in st.session_state:
        before, after = st.session_state.returned
        parts.append(t("models.returned", before=text.size(before.used), after=text.size(after.used)))
        if before.on_cards is not None and after.on_cards is not None:
            parts.append(t("models.returned_card", before=text.size(before.on_cards), after=text.size(after.on_cards)))
    st.caption(" · ".join(parts))


def load(folder: Path) -> None:
    """Begin to load `folder`; a small model is there before the page is drawn again."""
    with ui.guarded():
        job = loads.start(state.engine(), folder)
        ui.note("audit.model.load", folder.name)
        job.wait(SOON)
        st.session_state.pop("returned", None)
        st.rerun()


def unload(name: str) -> None:
    """Unload, and keep what was measured before and after for the line on memory."""
    before = loads.memory_now()
    with st.spinner(t("models.unloading")):
        state.engine().unload()
    ui.note("audit.model.unload", name)
    st.session_state.returned = before, loads.memory_now()
    st.rerun()


def draw_loading() -> None:
    """The loading under way, redrawn by itself, or how the last one ended; the bases are drawn below it."""
    job = loads.current(state.engine())
    if job is not None and job.state == "done":
        loads.forget(state.engine())
    elif job is not None:
        running = job.state == "running"
        st.fragment(draw_load, run_every=REFRESH_SECONDS if running else None)(job, running)
    elif (folder := state.engine().loading) is not None:
        st.fragment(draw_elsewhere, run_every=REFRESH_SECONDS)(folder)


def draw_load(job: loads.Load, was_running: bool) -> None:
    """Stage, share and the way to stop; or the sentence it ended with."""
    if was_running and job.state != "running":
        st.rerun()
    with st.container(border=True, key="loading"):
        if job.state == "running":
            stage = t("models.stopping" if job.stopping else job.stage)
            st.progress(job.fraction or 0.0, t("models.loading", name=literal(job.folder.name)) + " · " + stage)
            stop = {"on_click": ui.carry_out, "args": (job.cancel, "audit.model.load_stop", job.folder.name)}
            st.button(t("models.cancel"), **stop, disabled=job.stopping, key="cancel-loading")
            return
        if job.error is not None:
            ui.show_error(job.error)
        elif job.before is not None and job.after is not None:
            st.markdown(t("models.load_cancelled", before=text.size(job.before.used), after=text.size(job.after.used)))
        st.button(t("models.dismiss"), on_click=loads.forget, args=(job.engine,), key="dismiss-loading")


def draw_elsewhere(folder: Path) -> None:
    """A loading that a question asked for."""
    progress = state.engine().progress
    if state.engine().loading != folder or progress is None:
        st.rerun()
    with st.container(border=True, key="loading"):
        st.progress(progress[1] or 0.0, t("models.loading_elsewhere", name=literal(folder.name), stage=t(progress[0])))
        args = (state.engine().cancel_loading, "audit.model.load_stop", folder.name)
        st.button(t("models.cancel"), on_click=ui.carry_out, args=args, key="cancel-loading")


def draw_model(choice: catalogue.Choice) -> None:
    """One installed base: what it is, whether it is loaded, and what can be done with it."""
    loaded = state.loaded()
    here = loaded is not None and loaded.path == choice.base
    with st.container(border=True, key=f"model-{choice.name}", gap="xsmall"):
        left, right = st.columns([3, 1], vertical_alignment="center")
        with left, st.container(gap="xsmall"):
            line, licence = facts(choice.base, choice.created, text.current())
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


def draw_more(choice: catalogue.Choice, here: bool) -> None:
    """Check the files, delete the folder."""
    draw_check(installed.own_folder(choice.name), choice.name)
    users = [run for run in records.runs() if Path(run.model).name == choice.name]
    if users:
        st.caption(t("models.used_by", count=len(users)))
    if any(run.status().active for run in users):
        return
    if st.checkbox(t("models.delete_sure"), key=f"sure-{choice.name}"):
        if st.button(t("models.delete"), icon=":material/delete:", key=f"delete-{choice.name}", width="stretch"):
            if here:
                state.engine().unload()
            installed.remove(choice.name)
            ui.note("audit.model.remove", choice.name)
            st.rerun()


def draw_check(folder: Path, name: str) -> None:
    """Hold the files of `folder` against their digests, where some are known."""
    digests = installed.expected_digests(folder)
    if not digests:
        st.caption(t("models.no_digests", name=literal(name)))
    elif st.button(t("models.verify"), icon=":material/verified:", key=f"verify-{name}", width="stretch"):
        bar = st.progress(0.0, t("models.verifying"))
        found = installed.verify(
            folder, digests, lambda fraction: bar.progress(min(fraction, 1.0), t("models.verifying"))
        )
        bar.empty()
        wrong = [f"{file.name}：{t(f'models.verdict.{file.verdict}')}" for file in found if file.verdict != "right"]
        st.markdown(literal("; ".join(wrong)) if wrong else t("models.verified", count=len(found)))


def draw_broken() -> None:
    """Folders among the models that are none, each with the reason."""
    for folder in sorted((workspace.home() / "models").glob("[!.]*")):
        if not (folder / "config.json").is_file():
            st.caption(literal(facts(folder, 0.0, text.current())[0]))
