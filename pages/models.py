"""Models: what do I have? Installed bases with their state and memory; adapters to bring in and to take away.

Getting further bases is the download page. Everything here goes by names: no path is ever taken from the browser.
"""

from pathlib import Path

import psutil
import streamlit as st

from glm_core import state, text, ui, workspace
from glm_core.errors import EasyError
from glm_core.models import describe, downloads, installed
from glm_core.runs import exporting, importing, records, resources
from glm_core.serving import catalogue
from glm_core.serving.display import literal
from glm_core.text import say as t

LARGEST_DOWNLOAD = 256_000_000  # bytes that a browser is given; larger results stay on this machine
REFRESH_SECONDS = 1.0


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


def memory_now() -> tuple[int, int | None]:
    """Bytes of memory this server uses, and of its cards together, None without one."""
    cards = resources.cards()
    return psutil.Process().memory_info().rss, sum(card.memory_used for card in cards) if cards else None


def load(folder: Path) -> None:
    """Load `folder`, naming the stages while it goes on."""
    place = st.empty()
    with ui.guarded():
        try:
            with place.status(t("models.loading", name=literal(folder.name)), expanded=False) as status:
                state.engine().load(folder, lambda stage, fraction: status.update(label=t(stage)))
        finally:
            place.empty()
        st.session_state.pop("returned", None)
        st.rerun()


def unload() -> None:
    """Unload, and keep what was measured before and after for the line on memory."""
    before = memory_now()
    with st.spinner(t("models.unloading")):
        state.engine().unload()
    st.session_state.returned = before, memory_now()


def draw_memory() -> None:
    """What this machine has, what this server takes of it, and what the last unloading gave back."""
    st.markdown(ui.machine_sentence(resources.machine()))
    parts = [t("models.memory", used=text.size(memory_now()[0]))]
    if "returned" in st.session_state:
        (before, card_before), (after, card_after) = st.session_state.returned
        parts.append(t("models.returned", before=text.size(before), after=text.size(after)))
        if card_before is not None and card_after is not None:
            parts.append(t("models.returned_card", before=text.size(card_before), after=text.size(card_after)))
    st.caption(" · ".join(parts))


def draw_model(choice: catalogue.Choice) -> None:
    """One installed base: what it is, whether it is loaded, and what can be done with it."""
    loaded = state.loaded()
    here = loaded is not None and loaded.path == choice.base
    wanted = False
    with st.container(border=True, key=f"model-{choice.name}", gap="xsmall"):
        left, right = st.columns([3, 1], vertical_alignment="center")
        with left, st.container(gap="xsmall"):
            line, licence = facts(choice.base, choice.created, text.current())
            st.markdown(f"**{literal(choice.name)}**" + (f" :green-badge[{t('models.loaded')}]" if here else ""))
            st.caption("  \n".join([literal(line), licence]))
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            if here and st.button(t("models.unload"), key=f"unload-{choice.name}"):
                unload()
                st.rerun()
            wanted = not here and bool(licence) and st.button(t("models.load"), key=f"load-{choice.name}")
            if choice.base.parent != workspace.ASSETS / "models":
                with (
                    st.popover("", icon=":material/more_horiz:", help=t("run.more"), key=f"more-{choice.name}"),
                    ui.guarded(),
                ):
                    draw_more(choice, here)
        if wanted:
            load(choice.base)


def draw_more(choice: catalogue.Choice, here: bool) -> None:
    """Check the files, delete the folder."""
    folder = installed.own_folder(choice.name)
    digests = installed.expected_digests(folder)
    if not digests:
        st.caption(t("models.no_digests", name=literal(choice.name)))
    elif st.button(t("models.verify"), icon=":material/verified:", key=f"verify-{choice.name}", width="stretch"):
        bar = st.progress(0.0, t("models.verifying"))
        found = installed.verify(
            folder, digests, lambda fraction: bar.progress(min(fraction, 1.0), t("models.verifying"))
        )
        bar.empty()
        wrong = [f"{file.name}：{t(f'models.verdict.{file.verdict}')}" for file in found if file.verdict != "right"]
        st.markdown(literal("; ".join(wrong)) if wrong else t("models.verified", count=len(found)))
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


def draw_broken() -> None:
    """Folders among the models that are none, each with the reason."""
    for folder in sorted((workspace.home() / "models").glob("[!.]*")):
        if not (folder / "config.json").is_file():
            st.caption(literal(facts(folder, 0.0, text.current())[0]))


def draw_adapter(choice: catalogue.Choice, bases: list[catalogue.Choice]) -> None:
    """One adapter: where it comes from, and the ways to take it away."""
    run = records.get(choice.name)
    with st.container(border=True, key=f"adapter-{choice.name}"):
        left, right = st.columns([3, 1], vertical_alignment="center")
        with left, st.container(gap="xsmall"):
            ui.link("run", literal(choice.title), run=choice.name)
            size = text.size(disk_size(choice.adapter))
            st.caption(literal(t("models.adapter_facts", base=choice.base.name, step=choice.step or 0, size=size)))
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            with st.popover(t("models.export"), icon=":material/download:", key=f"export-{choice.name}"), ui.guarded():
                draw_export(run, choice, bases)


def draw_export(run: records.Run, choice: catalogue.Choice, bases: list[catalogue.Choice]) -> None:
    """The adapter alone, or worked into a base that is not quantised."""
    if disk_size(choice.adapter) <= LARGEST_DOWNLOAD:
        st.download_button(t("models.export_adapter"), lambda: exporting.zip_folder(choice.adapter), f"{run.id}.zip",
                           "application/zip", key=f"zip-{run.id}", on_click="ignore", width="stretch")  # fmt: skip
    else:
        st.caption(t("models.lies_in", folder=choice.adapter))
    fitting = fitting_bases(choice, bases)
    if not fitting:
        st.caption(t("models.no_full_base"))
        return
    base = st.selectbox(t("models.merge_into"), fitting, format_func=lambda one: one.name, key=f"into-{run.id}")
    st.caption(t("models.merge_about"))
    if st.button(t("models.merge"), icon=":material/merge:", key=f"merge-{run.id}", width="stretch"):
        exporting.start_merge(run, base.base)
        st.rerun()


def fitting_bases(choice: catalogue.Choice, bases: list[catalogue.Choice]) -> list[catalogue.Choice]:
    """Bases without quantisation of the adapter's family and size, its own first."""
    own, found = describe(choice.base), []
    for base in bases:
        try:
            model = describe(base.base)
        except EasyError:
            continue
        if not model.bits and (model.family, model.parameters) == (own.family, own.parameters):
            found.append(base)
    return sorted(found, key=lambda base: base.base != choice.base)


def draw_jobs() -> None:
    """Merges under way and ended ones, redrawn by themselves while one runs."""
    running = any(job.state == "running" for job in exporting.jobs())
    st.fragment(draw_each_job, run_every=REFRESH_SECONDS if running else None)(running)


def draw_each_job(was_running: bool) -> None:
    """Every merge with its progress, or what came of it."""
    jobs = exporting.jobs()
    if was_running and not any(job.state == "running" for job in jobs):
        st.rerun()
    for job in jobs:
        with st.container(border=True, key=f"job-{job.run.id}-{job.base.name}"), ui.guarded():
            st.markdown(literal(job.title))
            if job.state == "running":
                st.progress(job.fraction or 0.0, t(job.stage))
                st.button(t("models.cancel"), on_click=job.cancel, key=f"cancel-{job.run.id}-{job.base.name}")
            else:
                draw_outcome(job)


def draw_outcome(job: exporting.Export) -> None:
    """What came of a merge, and the ways on."""
    if job.state == "failed":
        ui.show_error(job.error)
    else:
        st.caption(t(f"exports.{job.state}", folder=job.path))
    with st.container(horizontal=True):
        if job.state == "done" and job.path.is_dir():
            if disk_size(job.path) <= LARGEST_DOWNLOAD:
                st.download_button(t("models.export_zip"), lambda: exporting.zip_folder(job.path), f"{job.path.name}.zip",
                                   "application/zip", key=f"zip-{job.path.name}", on_click="ignore")  # fmt: skip
            if st.button(t("models.use_here"), key=f"use-{job.path.name}"):
                exporting.keep_as_model(job)
                st.rerun()
        st.button(t("models.dismiss"), on_click=lambda: exporting.forget(job), key=f"dismiss-{job.path.name}")


def draw_import(bases: list[catalogue.Choice], owner: str) -> None:
    """Bring in an adapter that was made elsewhere."""
    with st.expander(t("models.import"), icon=":material/upload:"), ui.guarded():
        ui.name_uploader(t("datasets.browse"))
        given = st.file_uploader(t("models.import_what"), ["zip", "safetensors", "json", "bin"], key="adapter",
                                 accept_multiple_files=True, help=t("models.import_help"))  # fmt: skip
        if not given:
            return
        files = [(one.name, one) for one in given]
        named = importing.base_named_in(files)
        place = next((place for place, base in enumerate(bases) if base.name == named), None)
        base = st.selectbox(t("models.import_base"), bases, place, format_func=lambda one: one.name, key="adapter_base",
                            placeholder=t("models.choose_base"))  # fmt: skip
        name = st.text_input(t("run.name"), Path(files[0][0]).stem, max_chars=records.LONGEST_NAME, key="adapter_name")
        if st.button(t("models.import_now"), key="import", disabled=base is None):
            with st.spinner(t("models.checking")):
                run = importing.import_adapter(files, base.base, name=name, owner=owner)
            ui.note("audit.model.import", run.name)
            ui.go("chat", model=run.id)


user = ui.begin("models")
choices = catalogue.catalogue()
bases = [choice for choice in choices if not choice.tuned]
left, right = st.columns([3, 1], vertical_alignment="bottom")
left.title(t("page.models"), anchor=False)
with right, st.container(horizontal=True, horizontal_alignment="right"):
    if st.button(t("models.get"), type="primary", icon=":material/download:", key="get"):
        ui.go("download")
draw_memory()
running = [one for one in downloads.downloads() if one.state == "running"]
if running:
    names = t("runs.comma").join(f"{literal(one.name)} {one.progress().fraction:.0%}" for one in running)
    ui.link("download", t("models.downloading", names=names), icon=":material/downloading:")
for choice in bases:
    draw_model(choice)
if not bases:
    st.markdown(t("models.none"))
draw_broken()
st.subheader(t("models.adapters"), anchor=False)
draw_jobs()
tuned = [choice for choice in choices if choice.tuned]
for choice in tuned:
    draw_adapter(choice, bases)
if not tuned:
    st.caption(t("models.no_adapters"))
draw_import(bases, user.name)
