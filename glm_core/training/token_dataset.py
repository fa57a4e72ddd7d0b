"""Encoded rows kept small: four bytes a token where lists of integers take forty; 115,000 rows are 100 MB, not 600."""

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from glm_core import i18n
from glm_core.data import Example
from glm_core.data.tokenize import IGNORED, Encoded, encode_answers
from glm_core.models import LoadedModel
from glm_core.training import plan, rehearsal, split
from glm_core.training.errors import TrainingError
from glm_core.training.run_writer import RunWriter
from glm_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from glm_core.training.process.task import Task

CHUNK = 2000  # rows between two reports of progress
_NAMED = 12  # row numbers in one sentence


class Rows(Sequence[Encoded]):
    """Encoded examples; reading one gives it as lists."""

    def __init__(self, rows: Iterable[Encoded] = ()):
        self._ids: list[array] = []
        self._labels: list[array] = []
        for row in rows:
            self.append(row)

    def append(self, row: Encoded) -> None:
        """Add a row at the end."""
        self._ids.append(array("i", row.input_ids))
        self._labels.append(array("i", row.labels))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Encoded(self._ids[index].tolist(), self._labels[index].tolist(), False)

    def lengths(self) -> list[int]:
        """Tokens of every row."""
        return [len(ids) for ids in self._ids]


@dataclass(frozen=True)
class EncodedRows:
    """Rows of a data set in tokens.

    Attributes:
        rows: in tokens; several of one example where a family needs one for every answer.
        numbers: of the example of each row (`Example.line`).
        unlearnable: numbers of the examples that have nothing to learn.
        refused: number -> why, of those among them that the model cannot be taught (one of `split.REASONS`).
        cut: numbers of the examples that were cut to fit.
        answers: how many answers are learned.
    """

    rows: Rows
    numbers: list[int]
    unlearnable: list[int]
    cut: list[int]
    answers: int
    refused: dict[int, str] = field(default_factory=dict)


def encode_rows(
    examples: Sequence[Example], loaded: LoadedModel, settings: TrainingSettings, progress: Callable[[float], None]
) -> EncodedRows:
    """Encode every learned answer of the examples."""
    rows, answers = Rows(), 0
    numbers: list[int] = []
    unlearnable: list[int] = []
    cut: list[int] = []
    refused: dict[int, str] = {}
    separate, only_last = loaded.family.separates(loaded.tokenizer), settings.answers == "last"
    for done, example in enumerate(examples, 1):
        found, why = encode_answers(example, loaded, settings.max_source_length, settings.max_target_length, only_last)
        usable = [row for row in found if any(label != IGNORED for label in row.labels[1:])]
        for row in usable:
            rows.append(row)
            numbers.append(example.line)
        if not usable:
            unlearnable.append(example.line)
        if why:
            refused[example.line] = why
        if any(row.cut for row in usable):
            cut.append(example.line)
        if usable:
            answers += len(usable) if separate else 1 if only_last else _count_learned(example.messages)
        if done % CHUNK == 0 or done == len(examples):
            progress(done / len(examples))
    return EncodedRows(rows, numbers, unlearnable, cut, answers, refused)


def _explain_refusal(refused: dict[int, str], loaded: LoadedModel) -> None:
    """Raise the error that names why the model refuses every row, where that is why none is left.

    Raises:
        TrainingError: it is.
    """
    for reason in ("no_tools", "refused"):
        count = list(refused.values()).count(reason)
        if count:
            raise TrainingError(f"training.error.{reason}", count=count, name=loaded.name)


def _count_learned(messages: list[dict]) -> int:
    return sum(one["role"] == "assistant" and one.get("learn", True) for one in messages)


def encode_task(task: "Task", writer: RunWriter, loaded: LoadedModel) -> tuple[Rows, Rows, split.Split]:
    """Training and validation rows in tokens, and which rows of the file they are; the split is written down.

    Raises:
        TrainingError: the limits leave no row an answer.
    """
    settings = task.settings
    encoded = encode_rows(task.examples, loaded, settings, writer.progress)
    rows, numbers = encoded.rows, list(dict.fromkeys(encoded.numbers))
    if not rows:
        _explain_refusal(encoded.refused, loaded)
        raise TrainingError(
            "training.error.no_labels", source=settings.max_source_length, target=settings.max_target_length
        )
    dropped = dict.fromkeys(task.unreadable, "unreadable") | dict.fromkeys(encoded.unlearnable, "no_answer")
    dropped |= {number: reason for number, reason in encoded.refused.items() if number in dropped}
    asked = {example.line: _asked(example) for example in task.examples} if settings.validation_ratio else {}
    parts = split.draw(numbers, dropped, settings, [asked[number] for number in numbers] if asked else ())
    parts = replace(parts, cut=tuple(encoded.cut))
    if writer.writes:
        split.write(task.folder, parts)
    for reason, count in parts.counts().items():
        writer.log(f"training.log.dropped.{reason}", count=count)
    if encoded.answers != len(numbers):
        writer.log("training.log.answers", count=encoded.answers, rows=len(numbers))
    if settings.answers == "last":
        every = sum(_count_learned(example.messages) for example in task.examples)
        if every > encoded.answers:
            writer.log("training.log.last", count=encoded.answers, all=every)
    _tell_thoughts(task.examples, loaded, writer)
    writer.update(cut=len(encoded.cut))
    if encoded.cut:
        source, target = settings.max_source_length, settings.max_target_length
        writer.log("training.log.cut", count=len(encoded.cut), rows=_first(encoded.cut), source=source, target=target)
    if not parts.held_out:
        return rows, Rows(), parts
    training, validation, trained, choosing = Rows(), Rows(), set(parts.training), set(parts.choosing)
    for number, row in zip(encoded.numbers, rows, strict=True):
        if number in trained:
            training.append(row)
        elif number in choosing:
            validation.append(row)
    return training, validation, parts


def _first(numbers: Sequence[int]) -> str:
    """The first of some row numbers, for a sentence."""
    return i18n.join(
        [*(f"{number:,}" for number in numbers[:_NAMED]), *(["…"] if len(numbers) > _NAMED else [])], "item"
    )


def _tell_thoughts(examples: Sequence[Example], loaded: LoadedModel, writer: RunWriter) -> None:
    """Say what becomes of the chains of thought of the answers to learn, and of answers without one."""
    answers = [one for row in examples for one in row.messages if one["role"] == "assistant" and one.get("learn", True)]
    thoughts = sum("reasoning_content" in one for one in answers)
    thinks = loaded.family.thinks(loaded.tokenizer)
    writer.update(thoughts=thoughts if thinks else 0)
    if thoughts:
        writer.log(f"training.log.thoughts{'' if thinks else '_unused'}", count=thoughts)
    if thinks and thoughts < len(answers):
        writer.log("training.log.thoughts_none", count=len(answers) - thoughts)


def rehearse(task: "Task", writer: RunWriter, loaded: LoadedModel, count: int, longest: int = 0) -> Rows:
    """Rows of the base's own answers in tokens, as many as the whole run looks at; none where it rehearses nothing.

    Args:
        longest: tokens of the longest row of the data; rows of the base that are longer are cut off there.
    """
    settings = task.settings
    each = plan.count_rehearsal(count, settings)
    if not each:
        return Rows()
    passes = math.ceil(plan.plan(count, settings.changed(validation_ratio=0.0)).epochs)
    distilled = settings.distills
    examples = rehearsal.rows(loaded, each * passes, writer.progress, map(_asked, task.examples), distilled)
    encoded = encode_rows(examples, loaded, settings, lambda fraction: None).rows if examples else Rows()
    most, answer = max(plan.LONGEST_REHEARSED, longest), rehearsal.longest_answer(loaded, distilled)
    rows, stops = Rows(), set(loaded.family.stop_ids(loaded.tokenizer)) if encoded else set()
    for row in map(partial(_begin, most=most, answer=answer), encoded):
        if any(label != IGNORED for label in row.labels):
            rows.append(_keep_end(row, stops) if distilled else row)
    writer.log("training.log.distillation" if distilled else "training.log.rehearsal", count=len(rows))
    return rows


def _begin(row: Encoded, most: int, answer: int) -> Encoded:
    """The first `most` tokens of a rehearsed row, and at most `answer` ones of its answer."""
    first = next((place for place, label in enumerate(row.labels) if label != IGNORED), 0)
    end = min(most, first + answer)
    return Encoded(row.input_ids[:end], row.labels[:end], row.cut)


def _keep_end(row: Encoded, stops: set[int]) -> Encoded:
    """`row` with no label but that of its end, which a base may never have seen: its probabilities are learned elsewhere."""
    return row._replace(labels=[label if label in stops else IGNORED for label in row.labels])


def _asked(example: Example) -> str:
    """Return what a row asks, with what was said before: rows that ask the same are not torn apart."""
    return "\n".join(message["content"] for message in example.prompt)
