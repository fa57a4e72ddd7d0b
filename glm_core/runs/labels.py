"""A run in words: what a setting's value reads like, what came of it, what to change after it ran out of memory."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from glm_core import charts, i18n
from glm_core.data.analysis import Statistics
from glm_core.data.bundled import BUNDLED
from glm_core.i18n import t
from glm_core.models import describe
from glm_core.models.thinking import find_template
from glm_core.models.tokenizer_files import read_template
from glm_core.runs.cluster.jobs import is_on_cluster, waits_for_stop
from glm_core.runs.figures import Curves, MemoryCurve
from glm_core.runs.forecast import Forecast, most_rows
from glm_core.runs.run import processes_of
from glm_core.runs.store import Run, Status
from glm_core.training import memory_estimate as estimates
from glm_core.training.plan import Plan, plan
from glm_core.training.run_writer import STAGES
from glm_core.training.settings import SettingsError, TrainingSettings, choice_label, counts, label

CHOICES = {one.name: one.metadata["choices"] for one in fields(TrainingSettings) if one.metadata["choices"]}
UNITS = {one.name: one.metadata["unit"] for one in fields(TrainingSettings)}
COUNTED = ("tokens", "rows")
NONE = ("max_steps", "early_stopping")
"Where 0 means that there is none."
SPARK_POINTS = 60
OTHERS = 0.1  # of a GPU, that other programs have when it is worth saying
ROOMY = 0.5  # of the memory there is; a run that never took so much did not run out of it
NAMES = [one.name for one in fields(TrainingSettings)]


def name_of(setting: str) -> str:
    """Return what a setting is called; a name that only the record knows is itself."""
    return (
        label(setting)
        if setting in NAMES
        else t(f"runs.differs.{setting}")
        if setting in ("model", "dataset")
        else setting
    )


def titled(setting: str) -> str:
    """Return what a setting is called over its field, with the unit of what it counts where the name does not say it: `问题最长（token）`."""
    unit = UNITS[setting]
    return (
        t("settings.with_unit", label=label(setting), unit=t(f"settings.unit.{unit}"))
        if unit in COUNTED
        else label(setting)
    )


def used(method: str) -> list[str]:
    """The settings that count with `method`, in the order of the form."""
    return [name for name in NAMES if counts(name, method)]


def roughly(seconds: float) -> str:
    """An estimated length of time, no more exact than it can be: tens of seconds, minutes from ten on, then hours."""
    unit = 5 if seconds < 120 else 10 if seconds < 600 else 60 if seconds < 36_000 else 3600
    return i18n.duration(max(unit, round(seconds / unit) * unit))


def value_of(setting: str, value: object) -> str:
    """A setting's value as a person reads it: `P-Tuning v2`, `0.001`, `是`."""
    if isinstance(value, bool):
        return t("runs.yes" if value else "runs.no")
    if value in CHOICES.get(setting, ()):
        return choice_label(setting, str(value))
    if value in ("", None):
        return t("runs.unset")
    if value == 0 and setting in NONE:
        return t(f"runs.none.{setting}")
    return f"{value:g}" if isinstance(value, float) else str(value)


def measured(setting: str, value: object) -> str:
    """`value_of` with the unit that the setting's name does not say: `128 token`."""
    unit = UNITS.get(setting)
    return value_of(setting, value) + (f" {t(f'settings.unit.{unit}')}" if unit in COUNTED else "")


def changes(before: Mapping, after: Mapping) -> str:
    """Return what `after` sets otherwise than `before`: `每批行数 4 → 2，累积 1 → 2`."""
    changed = [name for name in NAMES if before.get(name) != after.get(name)]
    words = [
        f"{name_of(name)} {value_of(name, before.get(name))} → {value_of(name, after.get(name))}" for name in changed
    ]
    return i18n.join(words)


def settings_of(run: Run) -> TrainingSettings | None:
    """The run's settings; None where its record holds none that can be used."""
    try:
        return TrainingSettings.from_dict(run.settings)
    except (SettingsError, TypeError):
        return None


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
    except (SettingsError, TypeError, estimates.MemoryEstimateError):
        return None


def _smaller(run: Run, settings: TrainingSettings, memory: MemoryCurve) -> TrainingSettings | None:
    """Settings that learn the same in less memory than there was.

    The estimate proposes first; where it held the settings to fit and was wrong, the micro-batch is halved, or activations
    are recomputed.
    """
    found = estimates.fit(run.model, settings, int(memory.limit * estimates.GPU_SHARE)) if memory.limit else settings
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
    others = memory.peak - (status.peak_memory or memory.peak)
    if status.reason == "training.failed.memory" and memory.on_gpu and others > OTHERS * memory.limit:
        said.append(t("run.others_had", own=i18n.size(status.peak_memory), others=i18n.size(others)))
    return i18n.join(said, "sentence")


@dataclass(frozen=True)
class Tile:
    """One of the four figures over a run's page; its title and meaning are the texts `run.tile.<name>` and `..._help`."""

    name: str
    value: str = "–"
    note: str = ""
    line: tuple[float, ...] = ()


def tiles(status: Status, curves: Curves, memory: MemoryCurve) -> list[Tile]:
    """Loss, progress, speed and memory, each with a second figure that puts it in proportion."""
    losses, speeds = curves.series("loss")[1], curves.series("tokens_per_second")[1]
    return [
        Tile("loss", f"{losses[-1]:.4f}", t("run.from", first=f"{losses[0]:.4f}"), _spark(losses))
        if losses
        else Tile("loss"),
        Tile("step", f"{status.step:,} / {status.total_steps:,}", _time(status), _pace(curves))
        if status.total_steps
        else Tile("step"),
        Tile(
            "speed",
            f"{speeds[-1]:,.0f}",
            t("run.mean", speed=f"{sum(speeds) / len(speeds):,.0f}"),
            _spark(speeds),
        )
        if speeds
        else Tile("speed"),
        Tile(kind_of(memory), i18n.size(memory.now), _peak(memory), _spark(next(iter(memory.lines.values()))))
        if memory.now
        else Tile("memory"),
    ]


def kind_of(memory: MemoryCurve) -> str:
    """The name of the tile that memory has: a GPU's, or the process's."""
    return "card" if memory.on_gpu else "memory"


def _spark(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(charts.thin(range(len(values)), list(values), SPARK_POINTS)[1]) if len(values) > 1 else ()


def _pace(curves: Curves) -> tuple[float, ...]:
    """Steps done at equally spaced times: straight while the speed stays, level where training stood still."""
    steps, times = curves.series("time")
    if len(steps) < 2:
        return ()
    return tuple(np.interp(np.linspace(times[0], times[-1], SPARK_POINTS), times, steps).tolist())


def _time(status: Status) -> str:
    if status.active:
        return "" if status.eta_seconds is None else t("run.left", time=i18n.duration(status.eta_seconds))
    seconds = sum(status.stage_seconds.values())
    return t("run.took", time=i18n.duration(seconds)) if seconds else ""


def _peak(memory: MemoryCurve) -> str:
    if not memory.limit:
        return t("run.peak", peak=i18n.size(memory.peak))
    limit = (
        f"{memory.limit / 1e9:.0f} GB" if memory.limit > 10e9 else i18n.size(memory.limit)
    )  # must fit into a phone's tile
    peak = i18n.size(memory.peak)
    return t(
        "run.peak_of",
        peak=peak.removesuffix(" GB") if limit.endswith("GB") and peak.endswith("GB") else peak,
        limit=limit,
    )


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


def propose_name(dataset: str, model: str, settings: TrainingSettings, runs: Sequence[Run]) -> str:
    """Return a name for a new run: its data's, and where earlier runs have it, what sets it apart (`店铺问答 · 40 轮`)."""
    taken = {run.name for run in runs}
    if dataset not in taken:
        return dataset
    former = next(run for run in runs if run.name == dataset or run.name.startswith(f"{dataset} · "))
    names = [] if former.model_name == model else [f"{dataset} · {model}"]
    for setting in NAMES:
        value = getattr(settings, setting)
        if counts(setting, settings.method) and former.settings.get(setting, value) != value:
            names.append(f"{dataset} · {_shown_value(setting, value)}")
    names += [f"{dataset} · {number}" for number in range(2, len(runs) + 3)]
    return next(name for name in names if name not in taken)


def file_name(run: Run, step: int | None, ending: str) -> str:
    """Return the name of a file to take away: the run's name and step, without what some system forbids in a name."""
    name = re.sub(r"[^\w（）()+-]+", " ", run.name).strip() or run.id
    return f"{name}{'' if step is None else f'-{step}'}.{ending}"


def _shown_value(setting: str, value: object) -> str:
    """A setting's value that says by itself which setting it is of: `40 轮`, `学习率 0.001`."""
    if setting == "epochs":
        return t("runs.named.epochs", epochs=value)
    said = value_of(setting, value)
    return said if setting in ("method", "quantization") else f"{name_of(setting)} {said}"


def about(run: Run) -> str:
    """Return what is trained on what, for one line of small print."""
    method = value_of("method", run.settings.get("method"))
    rows, name = f"{run.dataset['rows']:,}", dataset_name(run)
    if not run.dataset["rows"]:
        return f"{run.model_name} · {method}"  # imported: nobody knows on what
    key = "run.about_same" if name == run.name else "run.about"  # the name stands above the line
    said = t(key, model=run.model_name, dataset=name, rows=rows, method=method)
    return said + (t("cluster.trains", workers=processes_of(run)) if is_on_cluster(run) else "")


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
    if len(found.gpus) == len(estimates.CONSUMER_GPUS):
        return here + t("train.every_card", smallest=found.gpus[0])
    return here + t("train.cards", gpus=i18n.join(found.gpus))


def advice(found: estimates.Advice, settings: TrainingSettings) -> str:
    """Return what to change about memory, in words."""
    values = {name: i18n.size(value) if name in ("need", "free") else value for name, value in found.values.items()}
    if found.settings is not None:
        values["changes"] = changes(settings.to_dict(), found.settings.to_dict())
    return t(found.key, **values)
