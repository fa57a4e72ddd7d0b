"""Counts of what a file loses or has changed while it is read, and the notices that say so.

Readers count into a `Tally`; `read` turns it into `ReadResult.notices` once all rows are there.
"""

from collections import Counter
from dataclasses import dataclass, field

from glm_core.data.examples import NOTICES, Notice
from glm_core.data.hygiene import placeholders

_NAMED = 12  # names of columns or sheets in one sentence


@dataclass
class NoticeTally:
    """Counts so far, by kind; `names` are the columns, sheets or places it is about."""

    counts: Counter = field(default_factory=Counter)
    names: dict[str, dict[str, None]] = field(default_factory=dict)
    guessed: tuple[str, str, str] | None = None
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    "Columns of scores with the lowest and the highest."
    truths: dict[str, Counter | None] = field(default_factory=dict)
    "Columns of yes and no that no part of an example takes, with how often each; None where other cells are among them."
    speakers: list[str] = field(default_factory=list)
    assistant: str = ""
    "The name of the one who answers, where a reader chose it."
    roles: dict[str, str] = field(default_factory=dict)
    "Who is who by the reader's own choice: name -> user, assistant, or text for a name that is no speaker."
    keeps_reasoning: bool = False
    "Chains of thought stay with their answers, for models that think."

    def take_reasoning(self, message: dict, thought: str) -> dict:
        """Return the answer `message` with the chain of thought before it, or without it and counted."""
        if not thought.strip():
            return message
        self.add("reasoning_kept" if self.keeps_reasoning else "reasoning_unused")
        return message | {"reasoning_content": thought.strip()} if self.keeps_reasoning else message

    def add(self, kind: str, count: int = 1, *names: str) -> None:
        """Count `count` more of `kind`, about `names`."""
        self.counts[kind] += count
        self.names.setdefault(kind, {}).update(dict.fromkeys(names))

    def take(self, other: "NoticeTally") -> None:
        """Add what `other` has counted."""
        for kind, count in other.counts.items():
            self.add(kind, count, *other.names.get(kind, ()))

    def score(self, column: str, value: float) -> None:
        """Count a score in `column`."""
        low, high = self.ranges.get(column, (value, value))
        self.ranges[column] = min(low, value), max(high, value)

    def truth(self, column: str, value: bool | None) -> None:
        """Count a cell of `column`, which nothing takes: yes, no, or None for what is neither."""
        known = self.truths.setdefault(column, Counter())
        if known is not None and value is not None:
            known[value] += 1
        else:
            self.truths[column] = None

    def guess(self, reading: str, other: str = "", names: str = "") -> None:
        """Note that the file could also be read as `other`; it was read as `reading`, which `names` say more of."""
        self.guessed = reading, other, names

    def check_answers(self, messages: list[dict]) -> None:
        """Count the learned answers in which a placeholder stands."""
        for message in messages:
            if message["role"] == "assistant" and message.get("learn", True):
                if lost := placeholders.lost_in(message["content"]):
                    self.add("unknown_words", 1, *lost)
                if mark := placeholders.first_in(message["content"]):
                    known = self.names.get("placeholder", {})
                    self.add("placeholder", 1, *([mark] if len(known) < _NAMED else []))

    def notices(self, rows: int) -> list[Notice]:
        """The notices, in the order of `NOTICES`; `rows` is how many rows were read."""
        for column, (low, high) in self.ranges.items():
            if low < high:
                self.add("scores_unused", 1, f"{column} ({low:g} – {high:g})")
        for column, truths in self.truths.items():
            if truths and len(truths) == 2:
                self.add("flags_unused", 1, f"{column} ({truths[True]:,} : {truths[False]:,})")
        found = [self._notice(kind) for kind in NOTICES if self.counts[kind]]
        if self.guessed:
            reading, other, names = self.guessed
            told: dict[str, str | list[str]] = {"names": names} if names else {}
            found.append(Notice("reading_guessed", rows, f"data.notice.reading_guessed.{reading}", told, other))
        return found

    def _notice(self, kind: str) -> Notice:
        names = list(self.names.get(kind, ()))
        shown = [*names[:_NAMED], *(["…"] if len(names) > _NAMED else [])]
        named = ".named" if names and kind == "rows_not_learned" else ""
        return Notice(kind, self.counts[kind], f"data.notice.{kind}{named}", {"names": shown})
