"""What is said before a run starts: its plan, time and memory, and what becomes of the rows."""

from pathlib import Path

from glm_core import i18n
from glm_core.data.analysis import Statistics
from glm_core.i18n import t
from glm_core.models import describe
from glm_core.models.thinking import find_template
from glm_core.models.tokenizers.tokenizer_files import read_template
from glm_core.runs.forecast import Forecast, most_rows
from glm_core.runs.labels.setting_values import changes, settings_of
from glm_core.runs.run import Run
from glm_core.training.memory import memory_advice
from glm_core.training.memory import memory_estimate as estimates
from glm_core.training.plan import Plan, plan
from glm_core.training.settings import TrainingSettings, choice_label


def roughly(seconds: float) -> str:
    """An estimated length of time, no more exact than it can be: tens of seconds, minutes from ten on, then hours."""
    unit = 5 if seconds < 120 else 10 if seconds < 600 else 60 if seconds < 36_000 else 3600
    return i18n.duration(max(unit, round(seconds / unit) * unit))


def plan_notes(found: Plan) -> list[str]:
    """Return what the arithmetic of a plan does not say: rows held out, rehearsed rows, an end before the last update."""
    counts = {"train.held_out": found.held_out, "train.rehearsal": found.rehearsed}
    notes = [t(key, count=f"{count:,}") for key, count in counts.items() if count]
    return notes + ([t("train.stops_when_learned")] if found.settings.stop_when_learned else [])


def format_notes(base: Path, settings: TrainingSettings) -> list[str]:
    """Return how conversations are written for the model in folder `base`, where it brings no chat template."""
    if not describe(base).family.templated or read_template(base) is not None:
        return []
    return [t("train.no_template", format=choice_label("chat_format", settings.chat_format))]


def thought_notes(base: Path, counts_of: Statistics) -> list[str]:
    """Return what becomes of the chains of thought in a data set with the model in folder `base`."""
    thoughts, others = counts_of.thoughts, counts_of.targets - counts_of.thoughts
    if find_template(base) is None:
        return [t("train.thoughts_unused", count=f"{thoughts:,}")] if thoughts else []
    known = {"train.thoughts": thoughts, "train.thoughts_none": others}
    return [t(key, count=f"{count:,}") for key, count in known.items() if count]


def promise(run: Run) -> str:
    """Return what was said before it started: `20 条 × 12 轮 ÷ 4 = 60 步，约 50 秒，需要 640 MB`."""
    settings = settings_of(run)
    if settings is None or not run.dataset["rows"]:
        return ""
    parts = [plan(run.dataset["rows"], settings).sentence]
    if run.expected.get("seconds"):
        parts.append(t("train.about", time=roughly(run.expected["seconds"])))
    if run.expected.get("peak_bytes"):
        parts.append(t("run.needs", size=i18n.size(run.expected["peak_bytes"])))
    return i18n.join(parts)


def parts_of(found: estimates.MemoryEstimate) -> str:
    """The estimate's parts, the largest first."""
    parts = sorted(found.parts.items(), key=lambda part: -part[1])
    return i18n.join(f"{t(f'memory.part.{name}')} {i18n.size(size)}" for name, size in parts)


def fits_on(found: Forecast) -> str:
    """Return whether the run fits here now, with how many rows a batch it would, and on which consumer GPUs."""
    here = t("train.fits" if found.fits else "train.fits_not", free=i18n.size(found.free))
    if found.largest_batch:
        more = "train.largest_or_more" if found.largest_batch == most_rows(found.plan.settings) else "train.largest"
        here += t(more, rows=found.largest_batch)
    if not found.gpus:
        return here + t("train.no_card")
    if len(found.gpus) == len(memory_advice.CONSUMER_GPUS):
        return here + t("train.every_card", smallest=found.gpus[0])
    return here + t("train.cards", gpus=i18n.join(found.gpus))


def advice(found: memory_advice.Advice, settings: TrainingSettings) -> str:
    """Return what to change about memory, in words."""
    values = {name: i18n.size(value) if name in ("need", "free") else value for name, value in found.values.items()}
    if found.settings is not None:
        values["changes"] = changes(settings.to_dict(), found.settings.to_dict())
    return t(found.key, **values)
