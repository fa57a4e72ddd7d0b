"""Settings of a run in words: what each is called, what its value reads like, what differs between two."""

from collections.abc import Mapping
from dataclasses import fields

from glm_core import i18n
from glm_core.i18n import t
from glm_core.runs.run import Run
from glm_core.training.settings import SettingsError, TrainingSettings, choice_label, counts, label

CHOICES = {one.name: one.metadata["choices"] for one in fields(TrainingSettings) if one.metadata["choices"]}
UNITS = {one.name: one.metadata["unit"] for one in fields(TrainingSettings)}
COUNTED = ("tokens", "rows")
NONE = ("max_steps", "early_stopping")
"Where 0 means that there is none."
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
