"""The task of a run: what `run.json` and `dataset.jsonl` of its directory ask for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glm_core import workspace
from glm_core.data import Example, row_file
from glm_core.training.errors import TrainingError
from glm_core.training.settings import TrainingSettings

DEFAULT_QUESTIONS = 3


@dataclass(frozen=True)
class Task:
    """The job that `run.json` and `dataset.jsonl` ask for; `unreadable` are the numbers of lines that are no row."""

    folder: Path
    model: Path
    settings: TrainingSettings
    questions: tuple[str, ...]
    examples: Sequence[Example]
    name: str
    unreadable: tuple[int, ...] = ()


def read_task(folder: Path) -> Task:
    """The task of run directory `folder`.

    Raises:
        TrainingError: `run.json` is missing or makes no sense, or there are no examples.
        SettingsError: a setting in it cannot be used.
        DataError: `dataset.jsonl` cannot be read.
    """
    try:
        record = workspace.read_json(folder / "run.json")
    except (OSError, ValueError) as error:
        raise TrainingError(
            "training.error.run_file", path=str(folder / "run.json"), reason=str(error)[:200]
        ) from error
    if not isinstance(record, dict) or not isinstance(record.get("model"), str):
        raise TrainingError("training.error.run_file", path=str(folder / "run.json"), reason="model")
    settings = record.get("settings", {})
    if not isinstance(settings, dict):
        raise TrainingError("training.error.run_file", path=str(folder / "run.json"), reason="settings")
    lines = list(row_file.read_lines(folder / "dataset.jsonl"))
    examples = [example for _, example in lines if example is not None]
    if not examples:
        raise TrainingError("training.error.no_rows", path=str(folder / "dataset.jsonl"))
    questions = [q for q in record.get("questions") or () if isinstance(q, str) and q.strip()]
    if not questions:
        questions = list(dict.fromkeys(example.question for example in examples if not example.has_tools))[
            :DEFAULT_QUESTIONS
        ]
    chosen = TrainingSettings.from_dict(settings)
    unreadable = tuple(number for number, example in lines if example is None)
    name = str(record.get("name", folder.name))
    model = os.environ.get("EASYAIGC_MODEL_FOLDER") or record["model"]  # a node may see the storage elsewhere
    return Task(folder, Path(model), chosen, tuple(questions), examples, name, unreadable)
