"""Names that are made of a run: its own, proposed, and those of files to take away."""

import re
from collections.abc import Sequence

from glm_core.i18n import t
from glm_core.runs.labels.setting_values import NAMES, name_of, value_of
from glm_core.runs.run import Run
from glm_core.training.settings import TrainingSettings, counts


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
