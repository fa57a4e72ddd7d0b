"""Settings from the data: rounds, rate, batch and lengths with which rows of one's own are learned, and little else is lost.

The presets (settings.py) say what a job needs; here rows, lengths and model size decide the rest. Small sets get few rows
an update and as many updates as it takes, with rehearsal, and end early once they are learned: the number of updates is a
bound. Measured by benchmarks/defaults.py.
"""

import math
import re
from collections.abc import Iterable
from itertools import islice

from glm_core.data.analysis import Statistics
from glm_core.training.settings import SMALL_MODEL, TrainingSettings, preset

BUNDLED_JOBS = {"imprint": "imprint", "advertisement": "advertisement", "appliance": "domain"}
SMALL_SET = 1000
"Rows up to which a set is learned row by row, with rehearsal; larger ones are an epoch or three of the published recipes."
CHARACTERS_A_TOKEN = 1.0  # at least: a limit guessed too low would cut answers
LONGEST = 1024  # tokens of question or answer that are proposed
ROUND = 32  # tokens
IMPRINT_PASSES = 480  # of rows, whichever: 60 rows eight times
SMALL_PASSES = 540  # of rows of an embedded model
PRETRAINED = range(
    50_000_000, 1_000_000_000
)  # parameters of a model small enough to train without a card, and large enough to know a language
PRETRAINED_PASSES = (
    160  # of rows there: they are learned in a third of the time, and less else is lost (benchmarks/RESULTS.md)
)
DISTILLED_BASE = {"distillation": 16.0, "rehearsal": 3.0}
CHAT_PASSES = 200  # the same of a chat model beside the base's probabilities, which keep it from learning as fast
DISTILLED_CHAT = {"distillation": 16.0, "rehearsal": 2.0, "micro_batch": 12, "evaluations": 4}  # 4 own rows an update
"What keeps most of the other answers of a model of that size, which is sure of few: as text, they are learned as if it were (benchmarks/RESULTS.md)."
MOST_IDENTITY_ROWS = 200
ASKS_WHO = re.compile(
    r"你(是|到底是)谁|你叫(什么|啥)|你的(名字|作者|开发者|主人)|谁(开发|训练|创造|做|造)(出|了|的)*你|"
    r"who (are|made|built|trained) you|your name",
    re.I,
)


def job_of(dataset: str, questions: Iterable[str] = ()) -> str:
    """The preset that suits a data set: a bundled one's own job; of one's own rows the imprint where they ask who the model is.

    Args:
        questions: of its rows; of many rows the first ones do.
    """
    if dataset in BUNDLED_JOBS:
        return BUNDLED_JOBS[dataset]
    asked = list(islice(questions, MOST_IDENTITY_ROWS + 1))
    about_itself = sum(bool(ASKS_WHO.search(question)) for question in asked)
    few = 0 < len(asked) <= MOST_IDENTITY_ROWS
    return "imprint" if few and about_itself >= 2 and 5 * about_itself >= len(asked) else "domain"


def suggest(
    job: str,
    statistics: Statistics,
    parameters: int | None = None,
    method: str | None = None,
    *,
    is_base: bool = False,
) -> TrainingSettings:
    """The preset `job` fitted to the rows that `statistics` describe.

    Args:
        parameters: of the model; None takes it for one of billions.
        method: where another than the preset's is wanted.
        is_base: the model is a base model (`models.is_base`).
    """
    found = preset(job, parameters, method)
    if not statistics.rows:
        return found
    if job == "imprint":
        passes = _imprint_passes(parameters)
        if _is_pretrained(parameters):  # whose last weights change no more than their mean (benchmarks/RESULTS.md)
            found = found.changed(scheduler="linear", average=0.0)
            if found.method == "lora" and is_base:
                found = found.changed(**DISTILLED_BASE)
            elif found.method == "lora":
                found, passes = found.changed(**DISTILLED_CHAT), CHAT_PASSES
        passes = math.ceil(passes / statistics.rows)
        return found.changed(epochs=max(3, min(MOST_PASSES, passes))) if statistics.rows < SMALL_SET else found
    found = found.changed(**_lengths(statistics, found))
    if found.method != "lora" or job == "advertisement" or statistics.rows > SMALL_SET:
        return found
    return found.changed(**_small_set(statistics, parameters is not None and parameters < SMALL_MODEL))


def _is_pretrained(parameters: int | None) -> bool:
    return parameters is not None and parameters in PRETRAINED  # a range would be searched for None number by number


def _imprint_passes(parameters: int | None) -> int:
    if _is_pretrained(parameters):
        return PRETRAINED_PASSES
    return SMALL_PASSES if parameters is not None and parameters < SMALL_MODEL else IMPRINT_PASSES


def _lengths(statistics: Statistics, settings: TrainingSettings) -> dict[str, int]:
    """Limits that hold the longest question and answer, but no more than LONGEST."""
    wanted = {"max_source_length": statistics.question_lengths, "max_target_length": statistics.answer_lengths}
    return {
        name: max(getattr(settings, name), min(LONGEST, _rounded(max(lengths, default=0))))
        for name, lengths in wanted.items()
    }


def _rounded(characters: int) -> int:
    return ROUND * math.ceil((characters / CHARACTERS_A_TOKEN + 8) / ROUND)


def _small_set(statistics: Statistics, small_model: bool) -> dict:
    """Rounds, batch and rehearsal of a set that is learned row by row."""
    rows, labels = statistics.rows, bool(statistics.labels)
    held_out = 0.1 if labels and rows >= 40 else 0.05 if rows >= 200 else 0.0
    batch = 4 if rows < 100 else 8
    updates = max(MOST_UPDATES_FLOOR, rows * (LABEL_PASSES if labels else PASSES) / batch)
    epochs = max(3, min(MOST_PASSES, math.ceil(updates * batch / rows)))
    rate = (LABEL_RATE if labels else SMALL_RATE) if small_model else (5e-4 if rows < 200 else 3e-4)
    return {
        "epochs": epochs,
        "micro_batch": 2 * batch,  # half of them rehearsed
        "accumulation": 1,
        "learning_rate": rate,
        "validation_ratio": held_out,
        "rehearsal": 1.0,
        "stop_when_learned": True,
        "evaluations": 10,
        "warmup_ratio": 0.03,
        "scheduler": "cosine",
    }


PASSES, LABEL_PASSES, MOST_PASSES, MOST_UPDATES_FLOOR = 14, 5, 50, 160
SMALL_RATE, LABEL_RATE = 4e-3, 2e-3
