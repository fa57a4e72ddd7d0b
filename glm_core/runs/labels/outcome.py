"""What came of an ended run, and what to change after it failed or ran out of memory, in words."""

from glm_core import i18n
from glm_core.i18n import t
from glm_core.runs.figures import Curves, MemoryCurve
from glm_core.runs.labels.setting_values import changes, settings_of
from glm_core.runs.run import Run
from glm_core.runs.status import Status
from glm_core.training.memory import memory_advice, model_dims
from glm_core.training.settings import SettingsError, TrainingSettings

OTHERS = 0.1  # of a GPU, that other programs have when it is worth saying
ROOMY = 0.5  # of the memory there is; a run that never took so much did not run out of it


def outcome(status: Status, curves: Curves) -> str:
    """Return what came of an ended run: time, updates, and how far the losses fell."""
    seconds = sum(status.stage_seconds.values())
    parts = [t(f"runs.outcome.{status.state}", steps=status.step, time=i18n.duration(seconds))]
    if status.why:
        parts = [status.why, t("runs.outcome.time", time=i18n.duration(seconds))] if seconds else [status.why]
    steps, losses = curves.series("loss")
    if len(losses) > 1:
        parts.append(t("runs.outcome.loss", first=f"{losses[0]:.3g}", last=f"{losses[-1]:.3g}"))
    if curves.best:
        parts.append(t("runs.outcome.validation", step=curves.best["step"], loss=f"{curves.best['eval_loss']:.3g}"))
    return i18n.join(parts, "sentence")


def no_curves(status: Status) -> str:
    """Reason why an ended run has no curve."""
    special = {"imports.why": "run.no_curves_imported", "runs.why.withdrawn": "run.no_curves_unstarted"}
    return t(special.get(status.reason, "run.no_curves"))


def out_of_memory(status: Status) -> bool:
    """Return whether the run ended because memory ran out, as far as is known; who is killed silently most likely had it run out."""
    return status.state == "failed" and status.reason in (
        "training.failed.memory",
        "runs.why.memory",
        "runs.why.killed",
    )


def had_free_memory(status: Status, memory: MemoryCurve) -> bool:
    """Return whether a run that was killed without a word had used little of the memory there is, by what was recorded."""
    return status.reason == "runs.why.killed" and 0 < memory.peak < ROOMY * memory.limit


def better(run: Run, status: Status, memory: MemoryCurve) -> TrainingSettings | None:
    """Settings with which a failed run should get through, None where none are known.

    What the trainer proposed comes first; a loss that was no number wants a smaller rate or more precision.
    """
    settings = settings_of(run)
    if settings is None or status.state != "failed":
        return None
    changed = dict(status.retry)
    if status.reason == "training.nan.rate":
        changed = {"learning_rate": settings.learning_rate / 10}
    elif status.reason == "training.nan.half":
        changed = {"precision": "float32"}
    try:
        if changed:
            return settings.changed(**changed)
        return (
            _smaller(run, settings, memory) if out_of_memory(status) and not had_free_memory(status, memory) else None
        )
    except (SettingsError, TypeError, model_dims.MemoryEstimateError):
        return None


def _smaller(run: Run, settings: TrainingSettings, memory: MemoryCurve) -> TrainingSettings | None:
    """Settings that learn the same in less memory than there was.

    The estimate proposes first; where it held the settings to fit and was wrong, the micro-batch is halved, or activations
    are recomputed.
    """
    found = (
        memory_advice.fit(run.model, settings, int(memory.limit * memory_advice.GPU_SHARE))
        if memory.limit
        else settings
    )
    if found != settings:
        return found
    if settings.micro_batch > 1:
        half = settings.micro_batch // 2
        return settings.changed(micro_batch=half, accumulation=settings.accumulation * -(-settings.micro_batch // half))
    return settings.changed(gradient_checkpointing="on") if settings.gradient_checkpointing != "on" else None


def proposal(run: Run, status: Status, settings: TrainingSettings, memory: MemoryCurve) -> str:
    """Return what `settings` change, and after running out of memory what was recorded of it, and whose it was."""
    changed = changes(run.settings, settings.to_dict())
    if not (out_of_memory(status) and memory.limit):
        return t("run.better_with", changes=changed)
    said = [t("run.fits_with", peak=i18n.size(memory.peak), limit=i18n.size(memory.limit), changes=changed)]
    own = status.peak_memory or memory.peak
    others = memory.peak - own
    if status.reason == "training.failed.memory" and memory.on_gpu and others > OTHERS * memory.limit:
        said.append(t("run.others_had", own=i18n.size(own), others=i18n.size(others)))
    return i18n.join(said, "sentence")
