"""Multiple-choice sets on a run and its original: start, progress, and the results that are kept with the run."""

import pandas as pd
import streamlit as st

from glm_core import state, ui
from glm_core.evaluation import benchmark
from glm_core.evaluation.analysis import changes
from glm_core.evaluation.benchmark.comparison import SIDES, share_sentence
from glm_core.evaluation.benchmark.jobs import BenchmarkJob
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import Run, rollback
from pages.parts import widgets

REFRESH_SECONDS = 1.0


def draw(run: Run) -> None:
    """A folded section; open where one is under way or has ended since the server started."""
    job = state.benchmarks().job(run)
    with (
        st.expander(t("benchmark.title"), icon=":material/quiz:", expanded=job is not None, key="benchmark"),
        ui.guarded(),
    ):
        st.caption(t("benchmark.about"))
        if job is not None and job.active:
            ui.fragment(draw_job, run_every=REFRESH_SECONDS)(run)
        elif state.engine().local:
            if job is not None and job.state == "failed":
                st.error(literal(t("benchmark.broke", why=job.error)), icon=":material/error:")
            draw_start(run)
        else:
            st.caption(t("benchmark.elsewhere"))
        draw_results(run)


def draw_job(run: Run) -> None:
    """A bar while tasks are answered; one full rerun when that ends."""
    job: BenchmarkJob | None = state.benchmarks().job(run)
    if job is None or not job.active:
        st.rerun()
    doing = t(f"benchmark.{job.state}", file=literal(job.file), total=len(job.tasks))
    st.progress(job.fraction, doing)
    if st.button(t("benchmark.cancel"), key="benchmark-cancel", icon=":material/stop_circle:"):
        job.cancel()
        ui.note("audit.benchmark.stop", run.name)


def draw_start(run: Run) -> None:
    """The bundled tasks or a file of one's own, and the button."""
    widgets.name_uploader(t("datasets.browse"))
    file = st.file_uploader(t("benchmark.upload"), key="benchmark-file", help=t("benchmark.upload_help"))
    name = file.name if file is not None else benchmark.BUNDLED.name
    tasks = (
        benchmark.parse_tasks(file.getvalue(), name) if file is not None else benchmark.read_tasks(benchmark.BUNDLED)
    )
    if st.button(t("benchmark.start", total=len(tasks)), key="benchmark-start", icon=":material/play_arrow:"):
        state.benchmarks().start(run, name, tasks)
        ui.note("audit.benchmark.start", f"{run.name} · {name}")
        st.rerun()


def draw_results(run: Run) -> None:
    """What is kept, newest first; what is not of the step that answers now is dimmed."""
    now = rollback.current(run)
    for place, result in enumerate(benchmark.read(run)):
        moved = now not in (None, result.step)
        with st.container(border=True, key=f"{'report-dimmed' if moved else 'benchmark'}-result-{place}"):
            draw_result(result)
            if moved:
                st.caption(f":material/update: {t('benchmark.outdated', now=now)}")


def draw_result(result: benchmark.BenchmarkResult) -> None:
    """Shares before and after, the change table, and what it says in words."""
    step = "?" if result.step is None else result.step
    st.markdown(f"**{literal(result.file)}**")
    st.caption(literal(t("benchmark.of", base=result.base, step=step, time=ui.local_time(result.made))))
    for side in SIDES:
        st.markdown(literal(share_sentence(side, result.record)))
    table = {
        t(f"report.changes.{cell}"): str(getattr(result.changes, cell)) for cell in changes.CELLS if cell != "unsure"
    }
    st.dataframe(pd.DataFrame([table]), hide_index=True)
    st.markdown(literal(changes.sentence(result.changes, result.changes.p)))
