"""Findings about a whole set: rows that repeat, contradict, hide personal data or spoil a test, each with the act that mends it.

A few seconds for 115,000 rows. Nothing is changed here; `mend.py` does what a finding proposes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median_low

import numpy as np

from glm_core.data import bundled, similar
from glm_core.data.analysis import LONG, label_counts
from glm_core.data.examples import Example
from glm_core.data.hygiene import minhash, personal, placeholders

ACTIONS = {
    "repeated": "drop",
    "near_duplicates": "drop",
    "contradicting": "keep_first",
    "same_answer": "thin_out",
    "unbalanced": "thin_out",
    "personal": "mask",
    "placeholders": "fill",
    "unknown_words": "drop",
    "contamination": "drop",
    "long": "drop",
}
"Kind of a finding -> the act that mends it, in the order in which they are shown."
PAIRED = 300_000  # rows among which near-duplicates are looked for
COMPARED = 100_000  # pairs whose texts are compared
_COMMON, _FEW = 0.3, 10  # share and number of rows with one answer from which it is worth a sentence
_UNEQUAL = 3  # times the usual number of rows of a label
_SHORT = 8  # characters of a question under which only an equal one is the same
_LOOKED = 200  # characters of a question and of an answer that are compared

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Finding:
    """Rows with one fault. Row numbers count from 0.

    Attributes:
        kind: one of `ACTIONS`.
        rows: the rows that the act changes or drops, in order.
        partners: row -> the earlier row that it repeats or contradicts.
        counts: how often each part occurs: kinds of personal data, placeholders, labels, the common answer.
        notes: row -> what it holds: the personal data, the placeholders, the bundled question.
        looked_at: rows that were looked at, where those are not all; else 0.
    """

    kind: str
    rows: tuple[int, ...]
    partners: dict[int, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[int, tuple[str, ...]] = field(default_factory=dict)
    looked_at: int = 0

    @property
    def action(self) -> str:
        """The act that mends it."""
        return ACTIONS[self.kind]


def check(examples: Sequence[Example], progress: Progress = lambda fraction: None) -> list[Finding]:
    """Return what is worth a look in `examples`, in the order of `ACTIONS`.

    Args:
        progress: called with the fraction done.
    """
    asked, last, answered = [], [], []
    held: dict[str, dict[int, tuple[str, ...]]] = {"personal": {}, "placeholders": {}, "unknown_words": {}}
    counts: dict[str, Counter] = {kind: Counter() for kind in held}
    long = []
    for row, example in enumerate(examples):
        if row % 2_000 == 0:
            progress(0.6 * row / len(examples))
        last.append(_plain(example.question))
        single = len(example.messages) == 2
        asked.append(last[-1] if single else _plain("\n".join(one["content"] for one in example.prompt)))
        answered.append(_plain(example.answer))
        _look_into(row, example, held, counts)
        if len(example.answer) > LONG:
            long.append(row)
    found = [
        *_compare(asked, answered),
        *_answers(examples, answered),
        *(Finding(kind, tuple(rows), counts=dict(counts[kind]), notes=rows) for kind, rows in held.items()),
        _contamination(last),
        Finding("long", tuple(long)),
    ]
    progress(1.0)
    order = list(ACTIONS)
    return sorted((one for one in found if one.rows), key=lambda one: order.index(one.kind))


def _plain(text: str) -> str:
    return similar.normalize(text) or text.strip()


def _look_into(row: int, example: Example, held: dict, counts: dict[str, Counter]) -> None:
    data, marks, lost = [], [], []
    for message in example.messages:
        text = message["content"]
        for one in personal.find(text):
            data.append(text[one.start : one.end])
            counts["personal"][one.kind] += 1
        marks += placeholders.all_in(text)
        lost += placeholders.lost_in(text)
    if data:
        held["personal"][row] = tuple(data)
    for kind, found in (("placeholders", marks), ("unknown_words", lost)):
        if found:
            held[kind][row] = tuple(dict.fromkeys(found))
            counts[kind].update(dict.fromkeys(found, 1))


def _compare(asked: list[str], answered: list[str]) -> Iterator[Finding]:
    """Repeated rows, near-duplicates, and one question with several answers; a row is in one of them only."""
    first: dict[tuple[str, str], int] = {}
    repeated = {}
    for row, key in enumerate(zip(asked, answered, strict=True)):
        if (earlier := first.setdefault(key, row)) != row:
            repeated[row] = earlier
    near = _near(asked, answered, repeated)
    yield Finding("repeated", tuple(repeated), repeated)
    looked_at = PAIRED if len(asked) > PAIRED else 0
    yield Finding("near_duplicates", tuple(near), near, looked_at=looked_at)
    known: dict[str, int] = {}
    contradicting = {}
    for row, question in enumerate(asked):
        if row in repeated or row in near:
            continue
        if (earlier := known.setdefault(question, row)) != row:
            contradicting[row] = earlier
    yield Finding("contradicting", tuple(contradicting), contradicting)


def _near(asked: list[str], answered: list[str], repeated: dict[int, int]) -> dict[int, int]:
    """Later row -> the earliest row of which it is nearly a copy, question and answer both."""
    rows = [row for row in range(min(len(asked), PAIRED)) if row not in repeated]
    if len(rows) < 2:
        return {}
    texts = [f"{asked[row][:_LOOKED]}\n{answered[row][:_LOOKED]}" for row in rows]
    near: dict[int, int] = {}
    for count, (left, right) in enumerate(minhash.similar_pairs(texts, similar.CLOSE)):
        if count == COMPARED:
            break
        one, other = rows[left], rows[right]
        if other not in near and _alike(asked[one], asked[other]) and _alike(answered[one], answered[other]):
            near[other] = near.get(one, one)
    return near


def _alike(left: str, right: str) -> bool:
    if left == right:
        return True
    if min(len(left), len(right)) < _SHORT and similar.likeness(left, right) < 1:
        return False
    short, long = sorted((len(left), len(right)))
    return short >= similar.CLOSE * long - 1 and similar.alike(left[:_LOOKED], right[:_LOOKED])


def _answers(examples: Sequence[Example], answered: list[str]) -> Iterator[Finding]:
    """One answer of very many rows; labels of which some have many more rows than others."""
    labels = label_counts(examples)
    if labels:
        limit = _UNEQUAL * median_low(labels.values())
        yield Finding("unbalanced", _surplus([one.answer.strip() for one in examples], limit), counts=labels)
        return
    common, count = Counter(answered).most_common(1)[0]
    if count >= max(_FEW, _COMMON * len(answered)):
        limit = max(1, (len(answered) - count) // 9)
        rows = [row for row, answer in enumerate(answered) if answer == common]
        yield Finding("same_answer", tuple(rows[limit:]), counts={examples[rows[0]].answer: count})


def _surplus(answers: list[str], limit: int) -> tuple[int, ...]:
    """The rows beyond `limit` of each answer."""
    seen: Counter = Counter()
    rows = []
    for row, answer in enumerate(answers):
        seen[answer] += 1
        if seen[answer] > limit:
            rows.append(row)
    return tuple(rows)


def _contamination(asked: list[str]) -> Finding:
    """Rows that ask what a bundled test asks, in the same words or nearly."""
    tests = {_plain(one): one for one in bundled.control_questions()}
    long = [one for one in tests if len(one) >= _SHORT]
    grams, starts = minhash.trigrams(asked)
    table = np.zeros(1 << 20, bool)  # by the low bits: the few false hits cost a comparison
    table[minhash.trigrams(long)[0] & 0xFFFFF] = True
    shared = np.add.reduceat(table[grams & 0xFFFFF].astype(np.int64), starts)
    share = shared / np.diff([*starts, len(grams)])
    notes: dict[int, tuple[str, ...]] = {
        row: (tests[question],) for row, question in enumerate(asked) if question in tests
    }
    for row in np.flatnonzero(share >= 0.5)[: COMPARED // 10].tolist():
        if row not in notes and len(asked[row]) >= _SHORT:
            near = next((one for one in long if _alike(one, asked[row])), None)
            notes |= {row: (tests[near],)} if near else {}
    return Finding("contamination", tuple(sorted(notes)), notes=notes)
