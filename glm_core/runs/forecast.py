"""Forecast of a run before it starts: steps, time and memory.

The time comes from this machine's own last run of the same kind, else from arithmetic on its processor or GPU. How many
updates are worth it is training/plan.py's business, how memory is counted that of training/memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glm_core import i18n
from glm_core.data.analysis import Statistics
from glm_core.machine.machine import Machine
from glm_core.models import describe
from glm_core.models.thinking import find_template
from glm_core.runs.files import number
from glm_core.runs.run import Run
from glm_core.training import plan as training_plan
from glm_core.training.memory import memory_advice, memory_estimate
from glm_core.training.settings import TrainingSettings

# Work of a token with frozen weights: forward and the gradient of the inputs, 2 operations a parameter each.
OPERATIONS = 4
CPU_OPERATIONS = (
    48e9  # a second and core, measured with the embedded model: 1,100 tokens/s for 22 M parameters on two cores
)
USABLE = 0.3  # of a GPU's peak that small batches reach
# Peak of dense half-precision products with float32 sums, 1e12 operations a second, from the makers' data sheets.
PEAKS = {
    "1080 Ti": 11,
    "2080 Ti": 54,
    "3060 Ti": 32,
    "3060": 25,
    "3070": 40,
    "3080": 59,
    "3090": 71,
    "4060 Ti": 44,
    "4060": 30,
    "4070": 58,
    "4080": 97,
    "4090": 165,
    "5080": 112,
    "5090": 209,
    "A100": 312,
    "H100": 989,
    "H200": 989,
}
DEFAULT_PEAK = 25
CHARACTERS_A_TOKEN = 1.3  # of Chinese text in the families' tokenizers; a guess that only the time rests on
CONTROL_TOKENS = 6
START_SECONDS, LOAD_BYTES_A_SECOND = 8.0, 1.5e9
UPDATE_SECONDS = {"cpu": 0.12, "cuda": 0.13}  # what an update costs however small its batch is
ANSWER_SECONDS = {"cpu": 0.4, "cuda": 1.0}  # a pinned question at an evaluation
MOST_ROWS = 256  # of a micro-batch that the page counts up to
LONG_RUN_SECONDS = 900.0  # seconds that a run without a GPU may take before a shorter one is offered
SHORT_RUN_SECONDS = 300.0  # seconds of that one


@dataclass(frozen=True)
class Forecast:
    """The steps, time and memory that a run will take.

    Attributes:
        plan: its updates, with warnings about them.
        memory: its peak by part, on the GPU where there is one.
        free: bytes that are free there now.
        advice: what to change so that it fits, or to use what is left; None where all is well.
        gpus: the consumer GPUs on which it fits, smallest first.
        largest_batch: the largest micro-batch that fits here now, counted up to `most_rows`; 0 where not even one row does.
        seconds: from click to adapter saved.
        tokens_per_second: of training.
        measured: whether the speed comes from a run on this machine.
    """

    plan: training_plan.Plan
    memory: memory_estimate.MemoryEstimate
    free: int
    advice: memory_advice.Advice | None
    gpus: list[str]
    largest_batch: int
    seconds: float
    tokens_per_second: float
    measured: bool

    @property
    def fits(self) -> bool:
        """Return whether it fits into what is free now."""
        return self.memory.peak_bytes <= self.free


def forecast(
    model: Path,
    statistics: Statistics,
    settings: TrainingSettings,
    machine: Machine,
    questions: int,
    runs: Sequence[Run] = (),
    longest: int | None = None,
) -> Forecast:
    """Return what training will take.

    Args:
        model: the base model's folder; only its config.json is read.
        statistics: of the data set.
        questions: how many are answered before training and at every evaluation.
        runs: earlier ones, newest first, whose speed is believed before any arithmetic.
        longest: tokens of the longest row where they were counted; guessed from its characters otherwise.

    Raises:
        MemoryEstimateError: the folder's configuration is missing or of no known family.
    """
    device = "cuda" if machine.gpus else "cpu"
    free = max((gpu.memory_total - gpu.memory_used for gpu in machine.gpus), default=machine.memory_free)
    mean, guessed = row_tokens(statistics, settings)
    longest = longest or guessed
    rows, share = training_rows(model, statistics, settings)
    if settings.rehearsal:
        longest = max(longest, training_plan.LONGEST_REHEARSED)
    found = memory_estimate.estimate(model, settings, longest=longest, device=device, limit=free)
    plan = training_plan.plan(rows, settings, mean * share, found.shape.dims.parameters())
    measured = measured_speed(runs, model.name, settings)
    speed = measured or arithmetic_speed(found.shape.dims.parameters(), machine)
    fixed = START_SECONDS + found.parts["weights"] / LOAD_BYTES_A_SECOND
    fixed += ANSWER_SECONDS[device] * questions * (1 + settings.evaluations)
    working = plan.tokens / speed
    if measured is None:
        working += UPDATE_SECONDS[device] * plan.updates + _base_tokens(plan, found) / speed
    seconds = fixed + working
    if device == "cpu" and seconds > LONG_RUN_SECONDS:
        plan = replace(plan, warnings=(*plan.warnings, _warn_slow(plan, fixed, working)))
    if 0 < len(machine.gpus) < settings.processes:
        plan = replace(plan, warnings=(*plan.warnings, _warn_few_gpus(settings.processes, len(machine.gpus))))
    advice = memory_advice.advise(found, free)
    most = most_rows(settings)
    largest = memory_advice.largest_micro_batch(found.shape, settings, free, longest=longest, device=device, most=most)
    gpus = memory_advice.gpus_that_fit(found)
    return Forecast(plan, found, free, advice, gpus, largest, seconds, speed, measured is not None)


def _base_tokens(plan: training_plan.Plan, found: memory_estimate.MemoryEstimate) -> float:
    """Tokens of training that take as long as the base's own logits, where a run learns from these."""
    if not plan.settings.distills:
        return 0.0
    head = 2 * found.shape.dims.hidden * found.shape.dims.vocabulary  # operations of a token
    operations = OPERATIONS * found.shape.dims.parameters()
    return training_plan.REHEARSED_TOKENS * plan.rehearsed * plan.epochs * head / operations


def _warn_slow(plan: training_plan.Plan, fixed: float, working: float) -> training_plan.PlanWarning:
    """Warn that a run without a GPU takes very long, with as many steps as fit into some minutes."""
    updates = int(plan.updates * (SHORT_RUN_SECONDS - fixed) / working) // 10 * 10
    time = i18n.duration(round((fixed + working) / 60) * 60)
    if updates < training_plan.GOAL_UPDATES:
        return training_plan.PlanWarning("guard.no_card", {"time": time})
    values = {"time": time, "updates": updates, "shorter": i18n.duration(SHORT_RUN_SECONDS)}
    return training_plan.PlanWarning("guard.long", values, {"max_steps": updates})


def _warn_few_gpus(wanted: int, have: int) -> training_plan.PlanWarning:
    """Warn that there are fewer GPUs than processes were asked for: the run would fail at once."""
    return training_plan.PlanWarning("runs.why.too_few_cards", {"wanted": wanted, "have": have}, {"processes": have})


def most_rows(settings: TrainingSettings) -> int:
    """Limit to which the rows of a micro-batch are counted: more than anybody needs, and what is asked for."""
    return max(MOST_ROWS, settings.micro_batch)


@dataclass(frozen=True)
class GpuFit:
    """A consumer GPU with `gib` of memory, and the largest micro-batch with which the run fits on it; 0 where not one row does."""

    name: str
    gib: int
    largest_batch: int


def by_gpu(found: Forecast) -> list[GpuFit]:
    """Return what every consumer GPU could train with these settings, the smallest GPU first."""
    shape, settings, longest = found.memory.shape, found.plan.settings, found.memory.longest
    most = most_rows(settings)
    limits = {name: int(gib * 2**30 * memory_advice.GPU_SHARE) for name, gib in memory_advice.CONSUMER_GPUS.items()}
    return [
        GpuFit(
            name,
            memory_advice.CONSUMER_GPUS[name],
            memory_advice.largest_micro_batch(shape, settings, limit, longest=longest, device="cuda", most=most),
        )
        for name, limit in limits.items()
    ]


def training_rows(model: Path, statistics: Statistics, settings: TrainingSettings) -> tuple[int, float]:
    """Rows that are trained on, and how long one is, as a share of a whole conversation.

    A family whose prompt ends with one question has a row for every answer, on average half a conversation long.
    """
    separate = describe(model).family.separate_answers or find_template(model) is not None
    if not separate or settings.answers == "last" or statistics.targets <= statistics.rows:
        return statistics.rows, 1.0
    return statistics.targets, (1 + statistics.rows / statistics.targets) / 2


def row_tokens(statistics: Statistics, settings: TrainingSettings) -> tuple[float, int]:
    """Tokens of a row on average, and at most, guessed from its characters and cut by the limits."""
    cut = [
        min(question / CHARACTERS_A_TOKEN, settings.max_source_length)
        + min(answer / CHARACTERS_A_TOKEN, settings.max_target_length)
        + CONTROL_TOKENS
        for question, answer in zip(statistics.question_lengths, statistics.answer_lengths, strict=True)
    ]
    # The longest is for memory, where a guess must not be too low: a character has at most about one token.
    longest = max(
        (a + b for a, b in zip(statistics.question_lengths, statistics.answer_lengths, strict=True)), default=0
    )
    return sum(cut) / max(1, len(cut)), longest + CONTROL_TOKENS


def arithmetic_speed(parameters: int, machine: Machine) -> float:
    """Tokens a second that this machine should train, from its peak."""
    if not machine.gpus:
        return max(1.0, CPU_OPERATIONS * machine.cores / (OPERATIONS * parameters))
    name = machine.gpus[0].name
    peak = next((value for gpu, value in PEAKS.items() if gpu in name), DEFAULT_PEAK)
    return peak * 1e12 * USABLE / (OPERATIONS * parameters)


def measured_speed(runs: Sequence[Run], model_name: str, settings: TrainingSettings) -> float | None:
    """Tokens a second of the newest complete run with this model, method and batch; None where there was none."""
    for run in runs:
        same = (run.settings.get("method"), run.settings.get("micro_batch"), run.settings.get("quantization"))
        if run.model_name != model_name or same != (settings.method, settings.micro_batch, settings.quantization):
            continue
        if run.status().state == "finished":
            rows, _ = run.metrics()
            speeds = sorted(speed for row in rows if (speed := number(row.get("tokens_per_second"))))
            if speeds:
                return speeds[len(speeds) // 2]
    return None
