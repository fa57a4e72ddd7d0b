"""A run in one line: what it trains on what, how far it is."""

from collections.abc import Mapping, Sequence

from glm_core.data.bundled import BUNDLED
from glm_core.i18n import t
from glm_core.runs.cluster.jobs import is_on_cluster, waits_for_stop
from glm_core.runs.labels.setting_values import value_of
from glm_core.runs.run import Run, processes_of
from glm_core.runs.status import Status
from glm_core.training.run_writer import STAGES


def progress(run: Run, status: Status, queue: Sequence[str]) -> tuple[float, str]:
    """Progress of a run that has not ended, 0 to 1, and its present stage."""
    if status.state == "queued" and run.place.get("submitted"):
        return 0.0, t("cluster.waiting" if waits_for_stop(run) is None else "cluster.withdrawing")
    if status.state == "queued":
        before = queue.index(run.id) if run.id in queue else 0
        return 0.0, t("run.waiting", before=before) if before else t("run.waiting_first")
    training = status.stage == "training" and status.total_steps > 0
    done = status.step / status.total_steps if training else status.fraction or 0.0
    if status.state == "stopping":
        return _share(done), t("run.stopping")
    stage = t(f"training.stage.{status.stage}") if status.stage in STAGES else t("training.stage.starting")
    return _share(done), stage


def going_on(run: Run, status: Status) -> str:
    """A run that has not ended in one line: `小印：训练中，28/60`."""
    words = t("run.going_on", name=run.name, state=t(f"ui.state.{status.state}"))
    return f"{words} {status.step:,}/{status.total_steps:,}" if status.total_steps else words


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def steps_of(answer: Mapping) -> str:
    """The updates between which an answer stayed the same."""
    if answer["last"] == 0:
        return t("run.before_training")
    if answer["first"] == 0:
        return t("run.until_step", step=answer["last"])
    if answer["first"] == answer["last"]:
        return t("run.at_step", step=answer["last"])
    return t("run.at_steps", first=answer["first"], last=answer["last"])


def dataset_name(run: Run) -> str:
    """Return what its data set is called; a bundled one in the reader's language, whatever that of who began the run."""
    id = run.dataset["id"]
    return t(f"data.bundled.{id}") if id in BUNDLED else run.dataset["name"]


def about(run: Run) -> str:
    """Return what is trained on what, for one line of small print."""
    method = value_of("method", run.settings.get("method"))
    rows, name = f"{run.dataset['rows']:,}", dataset_name(run)
    if not run.dataset["rows"]:
        return f"{run.model_name} · {method}"  # imported: nobody knows on what
    key = "run.about_same" if name == run.name else "run.about"  # the name stands above the line
    said = t(key, model=run.model_name, dataset=name, rows=rows, method=method)
    return said + (t("cluster.trains", workers=processes_of(run)) if is_on_cluster(run) else "")
