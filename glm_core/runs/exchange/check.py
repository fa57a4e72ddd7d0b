"""The check after an export: 20 questions asked of the run and of what was exported; the answers must be the same.

The run answers as it does inside, base and adapter in one model. The export is read back by this program, and a GGUF file
by llama.cpp where its Python package is installed; a tool that is not there is named as the reason why nothing was asked.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.runs.exchange.exporter import ExportSource, Progress, exporter
from glm_core.runs.files import read_rows

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

QUESTIONS = 20
LONGEST = 64  # tokens of an answer
GENERAL = (
    "你是谁？",
    "你好",
    "法国的首都是哪里？",
    "一年有几个月？",
    "三加五等于多少？",
    "高的反义词是什么？",
    "写一句关于春天的话。",
    "水在多少度会沸腾？",
    "推荐一部电影。",
    "怎样才能睡得好？",
    "用一句话介绍长城。",
    "天空为什么是蓝色的？",
    "把“早上好”翻译成英文。",
    "列出三种水果。",
    "太阳从哪边升起？",
    "What is your name?",
    "Who made you?",
    "How many days are in a week?",
    "Name a color.",
    "Say hello.",
)


@dataclass(frozen=True)
class ExportCheck:
    """The result of a check.

    Attributes:
        same, count: how many of how many answers are equal.
        tool: that answered for the export.
        differing: (question, the run's answer, the export's answer) of the first that differs.
        skipped: why nothing was asked; empty where something was.
    """

    same: int
    count: int
    tool: str
    differing: tuple[str, str, str] | None = None
    skipped: str = ""

    def to_dict(self) -> dict:
        """Return what JSON keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: object) -> "ExportCheck | None":
        """Return what `to_dict` gave, None where `record` makes no sense."""
        try:
            differing = record["differing"] and tuple(map(str, record["differing"]))
            return cls(
                int(record["same"]), int(record["count"]), str(record["tool"]), differing, str(record["skipped"])
            )
        except (TypeError, KeyError, ValueError):
            return None


def compare(source: ExportSource, format: str, folder: Path, progress: Progress) -> ExportCheck:
    """Ask the run and the export in `folder`, written in `format`, the same questions."""
    tool = "llama.cpp" if format.startswith("gguf") else "easyAIGC"
    if format.startswith("gguf") and find_spec("llama_cpp") is None:
        return ExportCheck(0, 0, tool, skipped="llama-cpp-python")
    questions = choose_questions(source)
    try:
        expected = _ask_run(source, questions, progress)
        found = _ask_export(source, format, exporter(format).artefact(folder), questions, progress)
    except (
        EasyError,
        MemoryError,
        RuntimeError,
        OSError,
    ) as error:  # the export is whole; only the check could not be made
        return ExportCheck(0, 0, tool, skipped=str(error)[:300])
    return count_same(questions, expected, found, tool)


def count_same(questions: Sequence[str], expected: Sequence[str], found: Sequence[str], tool: str) -> ExportCheck:
    """Return how many answers are equal, and the first that differ."""
    rows = list(zip(questions, expected, found, strict=True))
    differing = next((row for row in rows if row[1] != row[2]), None)
    return ExportCheck(sum(row[1] == row[2] for row in rows), len(rows), tool, differing)


def choose_questions(source: ExportSource) -> list[str]:
    """Return 20 questions: up to 12 of the run's own rows, spread over them, and general ones."""
    rows, _ = read_rows(source.run.path / "dataset.jsonl")
    own = list(dict.fromkeys(filter(None, map(_first_question, rows))))
    most = QUESTIONS - 8
    chosen = [own[place * len(own) // min(most, len(own))] for place in range(min(most, len(own)))]
    return list(dict.fromkeys([*chosen, *GENERAL]))[:QUESTIONS]


def _first_question(row: dict) -> str:
    messages = row.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    asked = isinstance(first, dict) and first.get("role") == "user" and isinstance(first.get("content"), str)
    return first["content"][:500] if asked else ""


def _ask_export(
    source: ExportSource, format: str, artefact: Path, questions: Sequence[str], progress: Progress
) -> list[str]:
    if format == "adapter":
        return _ask_run(source, questions, progress, adapter=artefact)
    if not format.startswith("gguf"):
        return _ask_model(artefact, questions, progress)
    from glm_core.runs.exchange.gguf import llama_cpp
    from glm_core.runs.exchange.gguf.write import write_gguf

    asked = llama_cpp.prompts(source, questions)
    if format == "gguf":
        return llama_cpp.answer(artefact, asked, LONGEST, source.base)
    with tempfile.TemporaryDirectory(prefix=workspace.BUILDING, dir=artefact.parent.parent) as temporary:
        base = write_gguf(source.base, Path(temporary) / "base.gguf", progress=progress)
        return llama_cpp.answer(base, asked, LONGEST, source.base, artefact)


def _ask_run(
    source: ExportSource, questions: Sequence[str], progress: Progress, adapter: Path | None = None
) -> list[str]:
    from glm_core.adapters import attach, scale
    from glm_core.models.plain_formats import formatted

    def attach_adapter(loaded: "LoadedModel") -> "LoadedModel":
        attach.load_adapter(loaded, adapter or source.adapter, "run")
        attach.activate(loaded, "run")
        if source.strength != 1:
            scale.set_strength(loaded, "run", source.strength)
        return formatted(loaded, source.chat_format)

    return _ask_model(source.base, questions, progress, attach_adapter)


def _ask_model(
    folder: Path,
    questions: Sequence[str],
    progress: Progress,
    prepare: Callable[["LoadedModel"], "LoadedModel"] = lambda loaded: loaded,
) -> list[str]:
    import gc

    import torch

    from glm_core import models
    from glm_core.generation.greedy import greedy

    loaded = prepare(models.load(folder, progress=progress))
    assert loaded.tokenizer is not None, "asked only of models that have one"
    answers = greedy(loaded, [[{"role": "user", "content": question}] for question in questions], LONGEST)
    del loaded
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return answers
