"""Will this data train well? Counts of rows, repeats, contradictions, lengths and labels; and a fair division.

Covers what follows from the text alone; lengths in tokens need a tokenizer and are `lengths.measure`.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glm_core.data.examples import DataError, Example

LONG = 2_000  # characters of an answer beyond which a row is worth a look: no usual target length holds it
_LABEL_LENGTH, _MOST_LABELS, _ROWS_A_LABEL = 20, 30, 3


@dataclass(frozen=True)
class Statistics:
    """Counts and lengths of a data set. Row numbers count from 0.

    Attributes:
        turns: answers in all rows together; more than `rows` where there are conversations.
        learned: answers that are to be learned.
        repeated: rows that equal an earlier row.
        contradicting: rows asked as an earlier row and answered differently.
        long: rows whose answer has more than `LONG` characters.
        thoughts: answers to learn that have a chain of thought.
        labels: rows by answer, most frequent first, where the answers are few and short, as in classification.
        question_lengths, answer_lengths: characters, by row; an answer's with its chain of thought.
    """

    rows: int
    turns: int
    repeated: list[int]
    contradicting: list[int]
    long: list[int]
    labels: dict[str, int]
    question_lengths: list[int]
    answer_lengths: list[int]
    learned: int = 0
    thoughts: int = 0

    @property
    def targets(self) -> int:
        """Answers to learn; one a row where nothing else is known."""
        return self.learned or self.rows


def statistics(examples: Sequence[Example]) -> Statistics:
    """The statistics of `examples`, which are looked at once: reading a row of a large set makes it anew."""
    questions: set[int] = set()  # 64-bit hashes: a million of questions and answers would take more memory than the set
    pairs: set[int] = set()
    found = Statistics(len(examples), 0, [], [], [], {}, [], [])
    turns = learned = thoughts = 0
    long: list[int] = []
    for index, example in enumerate(examples):
        answers = [one for one in example.messages if one["role"] == "assistant"]
        turns += len(answers)
        targets = [one for one in answers if one.get("learn", True)]
        learned += len(targets)
        thoughts += sum("reasoning_content" in one for one in targets)
        found.question_lengths.append(sum(len(message["content"]) for message in example.prompt))
        found.answer_lengths.append(len(example.answer) + len(example.messages[-1].get("reasoning_content", "")))
        if len(example.answer) > LONG:
            long.append(index)
        asked = _asked(example)
        question, pair = hash(asked), hash((asked, example.answer))
        if pair in pairs:
            found.repeated.append(index)
        elif question in questions:
            found.contradicting.append(index)
        questions.add(question)
        pairs.add(pair)
    labels = label_counts(examples)
    return replace(found, turns=turns, learned=learned, thoughts=thoughts, long=long, labels=labels)


def divide(examples: Sequence[Example], share: float, seed: int = 0) -> tuple[list[Example], list[Example]]:
    """Part off about `share` of the rows for validation; rows that ask the same stay together.

    The order comes from a hash of the question, so the same rows and seed always give the same parts, and rows added
    later hardly move the others.

    Raises:
        DataError: the share is not between 0 and 1, or all rows ask the same, so that no honest part can be set aside.
    """
    if not 0 < share < 1:
        raise DataError("data.share", share=share)
    groups: dict[bytes, list[int]] = {}
    for index, example in enumerate(examples):
        key = hashlib.sha256(f"{seed}\n{_asked(example)}".encode()).digest()
        groups.setdefault(key, []).append(index)
    if len(groups) < 2:
        raise DataError("data.cannot_split", rows=len(examples))
    wanted = max(1, round(share * len(examples)))
    chosen: set[int] = set()
    for key in sorted(groups)[:-1]:
        if len(chosen) >= wanted:
            break
        chosen.update(groups[key])
    train = [example for index, example in enumerate(examples) if index not in chosen]
    return train, [examples[index] for index in sorted(chosen)]


def search(examples: Sequence[Example], words: str) -> list[int]:
    """Numbers (from 0) of the rows in which `words` occur, whatever their case; all rows for no words."""
    wanted = words.strip().casefold()
    if not wanted:
        return list(range(len(examples)))
    return [
        index
        for index, example in enumerate(examples)
        if any(wanted in message["content"].casefold() for message in example.messages)
    ]


def histogram(lengths: Sequence[int], bars: int = 40) -> tuple[list[float], list[int], int]:
    """Lengths counted in at most `bars` bars of equal width: their middles, their heights, and the width."""
    top = max(lengths, default=0)
    width = max(1, -(-(top + 1) // bars))
    heights = [0] * (top // width + 1)
    for length in lengths:
        heights[length // width] += 1
    return [(place + 0.5) * width for place in range(len(heights))], heights, width


def _asked(example: Example) -> str:
    return "\x1e".join(f"{message['role']}\x1f{message['content']}" for message in example.prompt)


def label_counts(examples: Sequence[Example]) -> dict[str, int]:
    """Rows by answer, most frequent first, where the answers are few and short, as in classification; else {}."""
    counts: Counter = Counter()
    for example in examples:
        answer = example.answer.strip()
        counts[answer] += 1
        if len(answer) > _LABEL_LENGTH or len(counts) > _MOST_LABELS:
            return {}
    few = 2 <= len(counts) <= len(examples) / _ROWS_A_LABEL
    return dict(counts.most_common()) if few else {}
