"""Multiple-choice sets by log-likelihood, for the original and a tuned model: did tuning cost what the model knew?"""

from glm_core.evaluation.benchmark.choices import BUNDLED, ChoiceTask, TaskError, parse_tasks, read_tasks
from glm_core.evaluation.benchmark.comparison import BenchmarkComparison, compare, pick
from glm_core.evaluation.benchmark.results import BenchmarkResult, keep, read

__all__ = [
    "BUNDLED",
    "BenchmarkComparison",
    "BenchmarkResult",
    "ChoiceTask",
    "TaskError",
    "compare",
    "keep",
    "parse_tasks",
    "pick",
    "read",
    "read_tasks",
]
