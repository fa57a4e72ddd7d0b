"""Settings of a training run: one frozen dataclass that is the form, the command line and the run's record.

Each field carries its range, unit and choices as metadata; its words are in the text tables under
`settings.<field>.label` and `.help`. Not here: what the choices cost in memory (memory/) and whether they will teach
anything (plan.py).
"""

import argparse
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, cast

from glm_core import i18n
from glm_core.errors import EasyError


class SettingsError(EasyError):
    """A setting that cannot be used. `field` names it, so that a form can point at it."""

    def __init__(self, key: str, field: str, **values):
        super().__init__(key, label=label(field) if field in _NAMES else field, **values)
        self.field = field


def _setting(
    default, group: str, minimum=None, maximum=None, unit: str = "", choices: tuple[str, ...] = (), proposed=()
) -> Any:
    metadata = {"group": group, "minimum": minimum, "maximum": maximum, "unit": unit}
    metadata |= {"choices": choices, "proposed": proposed}
    return field(default=default, metadata=metadata)


ROLES = ("", "attention", "mlp", "attention, mlp")
"Modules by what they do, which every architecture has: query, key and value, all of attention, the MLP, both."
PISSA_EXCLUDES = ("rslora", "dora")
"What changes how a LoRA of twice the rank acts, as which PiSSA is trained and saved."
PISSA_LIMITS = {"lora_rank": 512, "lora_alpha": 2048}
"What may be doubled: a run that goes on from what PiSSA saved has twice as much."


@dataclass(frozen=True)
class TrainingSettings:
    """All a run needs besides model, examples and questions. The defaults are the imprint's: few rows, LoRA.

    Raises:
        SettingsError: a value has the wrong type, is out of its range, or contradicts another.
    """

    method: str = _setting("lora", "basic", choices=("lora", "ptuning"))
    epochs: int = _setting(12, "basic", 1, 10_000, "epochs")
    micro_batch: int = _setting(4, "basic", 1, 1024, "rows")
    learning_rate: float = _setting(1e-3, "basic", 1e-7, 1.0)
    max_source_length: int = _setting(128, "basic", 4, 131_072, "tokens")
    max_target_length: int = _setting(128, "basic", 4, 131_072, "tokens")
    quantization: str = _setting("none", "basic", choices=("none", "int8", "nf4"))
    evaluations: int = _setting(6, "basic", 0, 1000, "times")
    validation_ratio: float = _setting(0.0, "basic", 0.0, 0.5, "share")
    answers: str = _setting("all", "expert", choices=("all", "last"))
    rehearsal: float = _setting(0.0, "basic", 0.0, 10.0, "per_row")
    distillation: float = _setting(0.0, "expert", 0.0, 1000.0)
    stop_when_learned: bool = _setting(False, "basic")
    chat_format: str = _setting("question", "expert", choices=("question", "chatml", "alpaca", "human"))
    max_steps: int = _setting(0, "expert", 0, 10_000_000, "updates")
    accumulation: int = _setting(1, "expert", 1, 4096, "batches")
    lora_rank: int = _setting(8, "expert", 1, 1024)
    lora_alpha: int = _setting(32, "expert", 1, 4096)
    lora_dropout: float = _setting(0.1, "expert", 0.0, 0.9, "share")
    lora_targets: str = _setting("", "expert", proposed=ROLES)
    lora_plus: float = _setting(1.0, "expert", 1.0, 64.0)
    rslora: bool = _setting(False, "expert")
    dora: bool = _setting(False, "expert")
    pissa: bool = _setting(False, "expert")
    prefix_length: int = _setting(128, "expert", 1, 2048, "tokens")
    prefix_projection: bool = _setting(False, "expert")
    precision: str = _setting("auto", "expert", choices=("auto", "float32", "bfloat16", "float16"))
    gradient_checkpointing: str = _setting("auto", "expert", choices=("auto", "on", "off"))
    scheduler: str = _setting("linear", "expert", choices=("linear", "cosine", "constant"))
    warmup_ratio: float = _setting(0.0, "expert", 0.0, 0.9, "share")
    weight_decay: float = _setting(0.0, "expert", 0.0, 1.0)
    average: float = _setting(0.0, "expert", 0.0, 0.9, "share")
    neftune: float = _setting(0.0, "expert", 0.0, 100.0)
    max_grad_norm: float = _setting(1.0, "expert", 0.0, 1000.0)
    early_stopping: int = _setting(0, "expert", 0, 100, "times")
    seed: int = _setting(42, "expert", 0, 2**31 - 1)
    processes: int = _setting(1, "expert", 1, 64, "processes")

    def __post_init__(self):
        for one in fields(self):
            object.__setattr__(self, one.name, _checked(one, getattr(self, one.name)))
        if self.early_stopping and not (self.validation_ratio and self.evaluations):
            raise SettingsError("settings.error.early_stopping", "early_stopping")
        if self.pissa and self.method == "lora":
            for other in PISSA_EXCLUDES:
                if getattr(self, other):
                    raise SettingsError("settings.error.together", "pissa", other=label(other))
            for name, high in PISSA_LIMITS.items():
                if getattr(self, name) > high:
                    value = getattr(self, name)
                    raise SettingsError("settings.error.range", name, value=value, minimum=1, maximum=high)

    def to_dict(self) -> dict[str, Any]:
        """Every field by name, as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "TrainingSettings":
        """The settings in `record`; fields it lacks have their defaults.

        Raises:
            SettingsError: an unknown field, a wrong type, a value out of range.
        """
        for name in record:
            if name not in _NAMES:
                raise SettingsError("settings.error.unknown", str(name))
        return cls(**record)

    def changed(self, **values) -> "TrainingSettings":
        """A copy with some fields replaced, checked again."""
        return replace(self, **values)

    def arguments(self) -> list[str]:
        """The command-line arguments that give these settings: only what differs from the defaults."""
        found = []
        for one in fields(self):
            value = getattr(self, one.name)
            if value == one.default:
                continue
            option = one.name.replace("_", "-")
            if isinstance(value, bool):
                found.append(f"--{option}" if value else f"--no-{option}")
            else:
                found += [f"--{option}", str(value)]
        return found

    def command(self, model: str, data: str, out: str, questions: Sequence[str] = ()) -> str:
        """The line to type for the same training without the page, the pinned `questions` too, quoted for a POSIX shell."""
        parts = ["python", "-m", "glm_core.training", "--model", model, "--data", data, "--out", out]
        asked = [f"--question={question}" for question in questions]  # in one piece: a question may begin with a dash
        return shlex.join(parts + self.arguments() + asked)

    @property
    def lengths(self) -> int:
        """Most tokens of one row: question and answer with their control tokens."""
        return self.max_source_length + self.max_target_length

    @property
    def distills(self) -> bool:
        """Return whether rehearsed rows teach the base's probabilities, not its answers as labels."""
        return self.rehearsal > 0 and self.distillation > 0

    @property
    def rows_per_update(self) -> int:
        """Rows whose gradients one update averages, over all processes."""
        return self.micro_batch * self.accumulation * self.processes


_NAMES = {one.name: one for one in fields(TrainingSettings)}
_OF_OTHERS = {"lora": ("prefix_",), "ptuning": ("lora_", "rslora", "dora", "pissa")}


def counts(name: str, method: object) -> bool:
    """Return whether the setting `name` makes a difference with `method`; what nobody knows is taken to."""
    return not name.startswith(_OF_OTHERS.get(method, ()) if isinstance(method, str) else ())


def _checked(one: Field, value: Any) -> Any:
    """`value` in the field's own type. An int may stand for a float, and 12.0 for 12, as JSON and forms write them."""
    kind = type(one.default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    low, high = one.metadata["minimum"], one.metadata["maximum"]
    if value is None and low is not None:
        raise SettingsError("settings.error.empty", one.name, minimum=low, maximum=high)
    if type(value) is not kind or (kind is float and not math.isfinite(cast(float, value))):
        raise SettingsError(
            "settings.error.type", one.name, value=repr(value)[:80], kind=i18n.t(f"settings.kind.{kind.__name__}")
        )
    choices = one.metadata["choices"]
    if choices and value not in choices:
        raise SettingsError("settings.error.choice", one.name, value=repr(value)[:80], choices=" / ".join(choices))
    if low is not None and not low <= value <= high:
        raise SettingsError("settings.error.range", one.name, value=value, minimum=low, maximum=high)
    return value


# Seed figures. Imprint: 60 rows, and as many rehearsed, x 8 epochs / 8 = 120 updates (a small model: 9 epochs) on the two layers of each MLP, where
# facts are kept: on the embedded model this disturbs fewest of the other answers (benchmarks/imprint.py compares the choices). Advertisement: the
# official script (prefix 128, 2e-2, 64/64, 16 rows an update, 3000 updates). Domain: LoRA as BELLE and the BLOOM models built
# on it publish it (r16, alpha 32, 3e-4).
PRESETS: dict[str, TrainingSettings] = {
    "imprint": TrainingSettings(lora_targets="mlp", lora_dropout=0.0, epochs=8, micro_batch=8, rehearsal=1.0),
    "advertisement": TrainingSettings(
        method="ptuning",
        max_steps=3000,
        micro_batch=16,
        learning_rate=2e-2,
        prefix_length=128,
        max_source_length=64,
        max_target_length=64,
        evaluations=10,
        validation_ratio=0.01,
    ),
    "domain": TrainingSettings(
        epochs=3,
        micro_batch=8,
        accumulation=2,
        learning_rate=3e-4,
        lora_rank=16,
        lora_alpha=32,
        lora_dropout=0.05,
        scheduler="cosine",
        warmup_ratio=0.03,
        max_source_length=256,
        max_target_length=256,
        evaluations=8,
        validation_ratio=0.05,
    ),
}

RATES = {"lora": 1e-3, "ptuning": 2e-2}  # usual for models of billions of parameters
SMALL_MODEL = 200_000_000  # parameters
# The seed figures are for models of billions. In a small one a prefix of 384 numbers has far less to say and a row costs next to
# nothing: it takes larger steps, fewer rows an update and fewer updates. Measured on the embedded model, benchmarks/RESULTS.md.
# In as few updates a prefix of a small model learns the words and not the attributes, however it begins: benchmarks/RESULTS.md.
SMALL_METHOD = {"advertisement": "lora"}
SMALL: dict[str, dict[str, dict[str, Any]]] = {
    "imprint": {"lora": {"learning_rate": 1.5e-3, "lora_rank": 4, "scheduler": "constant", "average": 0.5}},
    "advertisement": {
        "ptuning": {
            "learning_rate": 0.15,
            "warmup_ratio": 0.1,
            "scheduler": "cosine",
            "prefix_length": 384,
            "micro_batch": 8,
            "max_steps": 300,
            "evaluations": 6,
        },
        "lora": {
            "learning_rate": 5e-3,
            "lora_targets": "all-linear",
            "lora_rank": 16,
            "lora_dropout": 0.0,
            "micro_batch": 8,
            "max_steps": 300,
            "evaluations": 6,
        },
    },
    # Facts go where facts are kept, as in the imprint (benchmarks/domain.py compares the choices).
    "domain": {
        "lora": {
            "epochs": 14,
            "accumulation": 1,
            "learning_rate": 4e-3,
            "lora_targets": "mlp",
            "lora_rank": 32,
            "lora_alpha": 64,
            "lora_dropout": 0.0,
            "evaluations": 6,
        },
    },
}


def preset(name: str, parameters: int | None = None, method: str | None = None) -> TrainingSettings:
    """The preset `name` for a model of so many `parameters` (None: billions), by the method that suits it or another."""
    found, small = PRESETS[name], parameters is not None and parameters < SMALL_MODEL
    method = method or (SMALL_METHOD.get(name) if small else None) or found.method
    if method != found.method:
        found = found.changed(method=method, learning_rate=RATES[method])
    return found.changed(**SMALL.get(name, {}).get(method, {})) if small else found


def label(name: str) -> str:
    """The field's name as a person reads it, in the language in use."""
    return i18n.t(f"settings.{name}.label")


def describe(name: str) -> str:
    """One sentence on what the field means, with its unit and range: the tooltip and the `--help` line."""
    metadata = _NAMES[name].metadata
    parts = [i18n.t(f"settings.{name}.help")]
    if metadata["unit"]:
        parts.append(i18n.t("settings.unit", unit=i18n.t(f"settings.unit.{metadata['unit']}")))
    if metadata["minimum"] is not None:
        parts.append(i18n.t("settings.range", minimum=metadata["minimum"], maximum=metadata["maximum"]))
    return "".join(parts) if i18n.current() == "zh" else " ".join(parts)


def choice_label(name: str, choice: str) -> str:
    """A choice as a person reads it: `P-Tuning v2` for method "ptuning"."""
    return i18n.t(f"settings.{name}.{choice}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` one option a field; values that are not typed stay out of the parsed namespace."""
    for title in ("basic", "expert"):
        group = parser.add_argument_group(i18n.t(f"settings.group.{title}"))
        for one in fields(TrainingSettings):
            if one.metadata["group"] == title:
                _add_argument(group, one)


def _add_argument(group, one: Field) -> None:
    words = f"{label(one.name)}{i18n.t('mark.colon')}{describe(one.name)} [{one.default}]".replace("%", "%%")
    options: dict[str, Any] = {"dest": one.name, "default": argparse.SUPPRESS, "help": words}
    if isinstance(one.default, bool):
        options["action"] = argparse.BooleanOptionalAction
    else:
        options["type"] = type(one.default)
        options["choices"] = one.metadata["choices"] or None
        options["metavar"] = None if one.metadata["choices"] else type(one.default).__name__.upper()
    flag = f"--{one.name.replace('_', '-')}"
    underscored = f"--{one.name}"
    group.add_argument(*dict.fromkeys([flag, underscored]), **options)


def from_arguments(parsed: argparse.Namespace, base: TrainingSettings | None = None) -> TrainingSettings:
    """The settings that a parsed command line asks for, on top of `base` (the defaults).

    Raises:
        SettingsError: see `TrainingSettings`.
    """
    typed = {name: value for name, value in vars(parsed).items() if name in _NAMES}
    return (base or TrainingSettings()).changed(**typed)
