"""Will these settings teach these rows anything? The number of updates in words, and warnings with a better setting.

Small sets fail in two ways that people take for a broken program: too few or too small updates leave the model as it
was, too many or too large ones make it forget the rest. Not here: memory (memory/).
"""

import math
from dataclasses import dataclass, field
from typing import Any

from glm_core import i18n
from glm_core.training.settings import RATES, SMALL_MODEL, TrainingSettings

ENOUGH_UPDATES = 40  # fewer leave a LoRA that starts at zero where it was
GOAL_UPDATES = 60
MOST_EPOCHS = 50  # rows seen more often are learnt by heart, and little else survives
SMALL_FOR_PREFIX = 200  # rows; below, a prefix turns every answer into the few it saw
FEW_ROWS = 8
USABLE_RATES = {"lora": (5e-5, 5e-3), "ptuning": (1e-3, 5e-2)}
SMALL_FACTOR = {"lora": 2, "ptuning": 8}  # by which a small model bears larger ones; benchmarks/RESULTS.md
REHEARSED_TOKENS = 24  # of a rehearsed row on average
LONGEST_REHEARSED = 64  # tokens of a rehearsed row, where no row of the data is longer
PROJECTED_RATE = 5e-3  # a projected prefix diverges above, to NaN at the official 2e-2


@dataclass(frozen=True)
class PlanWarning:
    """One warning about the settings: a sentence of the text tables, and the settings that would answer it."""

    key: str
    values: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return i18n.t(self.key, **self.values)


@dataclass(frozen=True)
class Plan:
    """A run before it starts: `updates` over `epochs` passes (a part of one where max_steps ends it) through `rows`.

    Attributes:
        rehearsed: rows of the base's own answers beside them in each pass.
        held_out: rows of the data kept aside for the validation loss; about, since nearly equal questions are not torn apart.
    """

    rows: int
    updates: int
    epochs: float
    key: str
    values: dict[str, Any]
    warnings: tuple[PlanWarning, ...]
    settings: TrainingSettings
    tokens: int | None = None
    rehearsed: int = 0
    held_out: int = 0

    @property
    def sentence(self) -> str:
        """The arithmetic in words: `20 条 × 12 轮 ÷ 4 = 60 步`."""
        return i18n.t(self.key, **self.values)

    @property
    def better(self) -> TrainingSettings | None:
        """The settings with every warning's change made; None where there is none."""
        changes = {name: value for one in self.warnings for name, value in one.changes.items()}
        return self.settings.changed(**changes) if changes else None


def count_validation(rows: int, settings: TrainingSettings) -> int:
    """Rows kept aside for the validation loss: the ratio's share, at least one, at most all but one."""
    return (
        min(max(1, round(rows * settings.validation_ratio)), rows - 1) if settings.validation_ratio and rows > 1 else 0
    )


def count_rehearsal(rows: int, settings: TrainingSettings) -> int:
    """Rows of the base's own answers that are trained on beside `rows` training rows in one pass."""
    return math.ceil(rows * settings.rehearsal)


def updates_per_epoch(rows: int, settings: TrainingSettings) -> int:
    """Optimizer steps of one pass through `rows` training rows, rehearsal aside them; a last part of a batch counts as one."""
    batches = math.ceil((rows + count_rehearsal(rows, settings)) / (settings.micro_batch * settings.processes))
    return max(1, math.ceil(batches / settings.accumulation))


def plan(
    rows: int, settings: TrainingSettings, mean_tokens: float | None = None, parameters: int | None = None
) -> Plan:
    """Return what training `rows` rows (validation rows included) with `settings` will be.

    Args:
        mean_tokens: tokens of a row on average; gives `Plan.tokens`, all the tokens that will be trained on.
        parameters: of the model, where known; small ones bear larger learning rates.
    """
    training = rows - count_validation(rows, settings)
    rehearsed = count_rehearsal(training, settings)
    each = updates_per_epoch(training, settings)
    updates = min(settings.max_steps, 10**9) if settings.max_steps else settings.epochs * each
    epochs = updates / each
    key, values = _arithmetic(training, settings, updates, epochs)
    key = _about(key) if training < rows else key
    tokens = None if mean_tokens is None else round((mean_tokens * training + REHEARSED_TOKENS * rehearsed) * epochs)
    warnings = tuple(_doubts(training, settings, updates, epochs, parameters))
    return Plan(training, updates, epochs, key, values, warnings, settings, tokens, rehearsed, rows - training)


def _arithmetic(rows: int, settings: TrainingSettings, updates: int, epochs: float) -> tuple[str, dict]:
    factors = [settings.micro_batch, settings.accumulation, settings.processes]
    shown = [str(factor) for factor in factors if factor > 1] or ["1"]
    batch = shown[0] if len(shown) == 1 else f"({' × '.join(shown)})"
    rehearsed = count_rehearsal(rows, settings)
    shown_rows = f"({rows:,} + {rehearsed:,})" if rehearsed else f"{rows:,}"
    values = {"rows": shown_rows, "epochs": f"{epochs:.3g}", "batch": batch, "updates": f"{updates:,}"}
    if settings.max_steps:
        return "guard.by_steps", values | {"epochs": f"{epochs:.2g}" if epochs < 10 else f"{epochs:,.0f}"}
    exact = (rows + rehearsed) % settings.rows_per_update == 0
    return ("guard.exact" if exact else "guard.rounded"), values | {"epochs": settings.epochs}


def _about(key: str) -> str:
    """The text of an arithmetic whose rows are not certain, since how many are held out depends on what they ask."""
    return "guard.by_steps_about" if key == "guard.by_steps" else "guard.about"


def _doubts(rows: int, settings: TrainingSettings, updates: int, epochs: float, parameters: int | None):
    """Yield the warnings, the most harmful first."""
    low, high = USABLE_RATES[settings.method]
    if parameters is not None and parameters < SMALL_MODEL:
        high *= SMALL_FACTOR[settings.method]
    if rows < FEW_ROWS:
        yield PlanWarning("guard.few_rows", {"rows": rows, "wanted": FEW_ROWS})
    if updates < ENOUGH_UPDATES:
        yield PlanWarning("guard.few_updates", {"updates": updates}, _more_updates(rows, settings))
    if settings.learning_rate < low:
        yield PlanWarning(
            "guard.rate_low", {"rate": f"{settings.learning_rate:g}"}, {"learning_rate": _usual_rate(settings)}
        )
    if settings.method == "ptuning" and settings.prefix_projection and settings.learning_rate > PROJECTED_RATE:
        yield PlanWarning(
            "guard.projection_rate", {"rate": f"{settings.learning_rate:g}"}, {"learning_rate": PROJECTED_RATE}
        )
    elif settings.learning_rate > high:
        yield PlanWarning(
            "guard.rate_high", {"rate": f"{settings.learning_rate:g}"}, {"learning_rate": _usual_rate(settings)}
        )
    if epochs > MOST_EPOCHS and updates > 2 * GOAL_UPDATES:
        yield PlanWarning("guard.overfit", {"epochs": f"{epochs:,.0f}"}, _fewer_updates(rows, settings))
    if settings.method == "ptuning" and rows < SMALL_FOR_PREFIX:
        changes = {"method": "lora", "learning_rate": RATES["lora"]}
        yield PlanWarning("guard.prefix_small", {"rows": rows, "wanted": SMALL_FOR_PREFIX}, changes)


def _usual_rate(settings: TrainingSettings) -> float:
    projected = settings.method == "ptuning" and settings.prefix_projection
    return PROJECTED_RATE if projected else RATES[settings.method]


def _more_updates(rows: int, settings: TrainingSettings) -> dict[str, Any]:
    """Smaller batches first (at most four rows an update), then as many epochs as reach the goal."""
    changes: dict[str, Any] = {}
    if settings.accumulation > 1:
        changes["accumulation"] = 1
    if settings.micro_batch > 4:
        changes["micro_batch"] = 4
    smaller = settings.changed(**changes, max_steps=0)
    each = updates_per_epoch(rows, smaller)
    needed = min(MOST_EPOCHS, math.ceil(GOAL_UPDATES / each))
    if settings.max_steps:
        return changes | {"max_steps": min(GOAL_UPDATES, needed * each)}
    return changes | ({"epochs": needed} if needed > settings.epochs else {})


def _fewer_updates(rows: int, settings: TrainingSettings) -> dict[str, Any]:
    each = updates_per_epoch(rows, settings)
    wanted = max(12, math.ceil(GOAL_UPDATES / each))
    return {"max_steps": wanted * each} if settings.max_steps else {"epochs": wanted}
