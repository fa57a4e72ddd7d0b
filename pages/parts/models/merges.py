"""The models page's merges: those under way with their progress, ended ones with what came of them."""

import streamlit as st

from glm_core import i18n, ui, workspace
from glm_core.evaluation.report_files import card
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, store
from glm_core.runs.exchange import export

LARGEST_DOWNLOAD = 256_000_000  # bytes that a browser is given; larger results stay on this machine
REFRESH_SECONDS = 1.0


def begin(run: Run, base, kind: str | None = None, strength: float = 1.0, format: str = "merged") -> None:
    """Start an export and show it."""
    export.start_export(run, base, kind, strength, format=format, measured=card.sentences(run.id))
    ui.note("audit.model.merge", run.name)
    st.rerun()


def draw_jobs() -> None:
    """Merges under way and ended ones, redrawn by themselves while one runs."""
    running = any(job.state == "running" for job in export.jobs())
    ui.fragment(draw_each, run_every=REFRESH_SECONDS if running else None)(running)


def draw_each(was_running: bool) -> None:
    """Every merge with its progress, or what came of it."""
    jobs = export.jobs()
    if was_running and not any(job.state == "running" for job in jobs):
        st.rerun()
    for job in jobs:
        with st.container(border=True, key=f"job-{job.path.name}"), ui.guarded():
            st.markdown(literal(job.title))
            if job.state == "running":
                st.progress(job.fraction or 0.0, t(job.stage))
                args = (job.cancel, "audit.model.merge_stop", job.title)
                st.button(
                    t("models.cancel"), on_click=ui.checked(ui.run_audited), args=args, key=f"cancel-{job.path.name}"
                )
            else:
                draw_outcome(job)


def draw_outcome(job: export.Export) -> None:
    """Result of a merge, and the next steps."""
    here = job.state == "done" and job.path.is_dir()
    if job.error is not None:
        ui.show_error(job.error)
    elif job.state == "done" and not here:
        st.caption(t("models.merge_gone", folder=job.path))
    else:
        st.caption(t(f"exports.{job.state}", folder=job.path))
    draw_comparisons(job)
    with st.container(horizontal=True):
        if here:
            draw_result(job)
        elif job.state == "broken" and st.button(t("models.merge_again"), key=f"again-{job.path.name}"):
            begin(store.get(job.run_id), job.plan.base, job.plan.kind, job.plan.strength, job.plan.format)
        if not here:
            st.button(
                t("models.dismiss"), on_click=ui.checked(export.forget), args=(job,), key=f"dismiss-{job.path.name}"
            )


def draw_comparisons(job: export.Export) -> None:
    """Number of each tool's answers after the export that equal the run's own."""
    for found in job.comparisons:
        icon = "info" if not found.count else "check" if found.same == found.count else "warning"
        st.caption(f":material/{icon}: {literal(found.sentence)}")
        if found.differing is not None:
            question, expected, answered = map(literal, found.differing)
            st.caption(t("export.differs", question=question, expected=expected, found=answered))


def draw_result(job: export.Export) -> None:
    """Take the merged model away, keep it here, or delete it."""
    size, name = workspace.folder_size(job.path), job.path.name
    if size <= LARGEST_DOWNLOAD:
        st.download_button(
            t("models.export_zip"),
            lambda: export.zip_folder(job.path),
            f"{name}.zip",
            "application/zip",
            key=f"zip-{name}",
            on_click="ignore",
        )
    if job.plan.format == "merged" and st.button(t("models.use_here"), key=f"use-{name}"):
        export.keep_as_model(job)
        ui.note("audit.model.keep", name)
        st.rerun()
    if (command := export.serve_command(job.path, name)) is not None:
        with st.popover(t("exports.serve"), icon=":material/groups:", key=f"serve-{name}"):
            st.caption(t("exports.serve_about"))
            st.code(command, language="bash", wrap_lines=True)
            st.code("EASYAIGC_ENGINE=http://127.0.0.1:8000/v1 streamlit run app.py", language="bash", wrap_lines=True)
    with st.popover(t("exports.delete"), icon=":material/delete:", key=f"drop-{name}"):
        st.caption(t("exports.delete_about", size=i18n.size(size)))
        if st.button(t("download.discard_sure"), key=f"drop-sure-{name}"):
            export.remove(job)
            ui.note("audit.model.drop", name)
            st.rerun()
