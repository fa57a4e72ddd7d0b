"""The check after an export: 20 questions asked of the run and of what was exported; the answers must be the same.

The run answers as it does inside, base and adapter in one model (answers.py). The format knows the tools that answer for its
export: this program, and those it is meant for where they are installed; one that is not there is named as what is missing.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from glm_core.i18n import t
from glm_core.jobs import Cancelled
from glm_core.runs.exchange import answers
from glm_core.runs.exchange.exporter import ExportSource, ExportTool, Progress, exporter
from glm_core.runs.files import read_rows, string

log = logging.getLogger(__name__)

QUESTIONS = 20
LONGEST_REASON = 300
"Characters of an error that are passed on."
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
    """Result of asking one tool about an export.

    Attributes:
        same, count: how many of how many answers are equal.
        tool: that answered for the export.
        differing: (question, the run's answer, the export's answer) of the first that differs.
        skipped: why nothing was asked; empty where something was.
        missing: the package without which the tool could not be asked.
    """

    same: int
    count: int
    tool: str
    differing: tuple[str, str, str] | None = None
    skipped: str = ""
    missing: str = ""

    @property
    def sentence(self) -> str:
        """How many answers are equal, or why the tool was not asked."""
        if why := self.skipped or (self.missing and t("export.not_installed", package=self.missing)):
            return t("export.skipped", tool=self.tool, why=why)
        return t("export.checked", same=self.same, count=self.count, tool=self.tool)

    def to_dict(self) -> dict:
        """Return what JSON keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: object) -> "ExportCheck | None":
        """Return what `to_dict` gave, None where `record` makes no sense."""
        if not isinstance(record, dict):
            return None
        try:
            differing = record["differing"] and tuple(map(str, record["differing"]))
            same, count = int(record["same"]), int(record["count"])
        except (TypeError, KeyError, ValueError):
            return None
        tool, skipped, missing = (string(record.get(key)) for key in ("tool", "skipped", "missing"))
        return cls(same, count, tool, differing, skipped, missing)


def compare(source: ExportSource, format: str, folder: Path, progress: Progress) -> list[ExportCheck]:
    """Ask the run and every tool of `format`, for the export in `folder`, the same questions. Returns one result a tool."""
    one, questions = exporter(format), choose_questions(source)
    artefact, tools = one.artefact(folder), one.tools(source)
    expected: list[str] = []

    def ask(tool: ExportTool) -> ExportCheck:
        if tool.missing:
            return ExportCheck(0, 0, tool.name, missing=tool.missing)
        try:
            expected[:] = expected or answers.of_run(source, questions, progress)
            return count_same(questions, expected, tool.answer(source, artefact, questions, progress), tool.name)
        except Cancelled:
            raise
        except (
            Exception
        ) as error:  # whatever a foreign library raises: the export is whole, only this check could not be made
            log.warning("%s cannot be asked about %s: %r", tool.name, artefact, error)
            return ExportCheck(0, 0, tool.name, skipped=str(error)[:LONGEST_REASON] or type(error).__name__)

    return [ask(tool) for tool in tools]


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
