"""Counts of what a file loses or has changed while it is read, and the notices that say so.

Readers count into a `Tally`; `read` turns it into `ReadResult.notices` once all rows are there.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from glm_core.data.examples import NOTICES, Notice

_NAMED = 12  # names of columns or sheets in one sentence
_HOLES = "name|author|company|user|bot|assistant|名字|姓名|作者|公司|公司名|昵称|你的名字|名称"
_PLACEHOLDER = re.compile(
    r"\{\{\s*[\w. ]{1,40}\s*\}\}"  # {{name}}
    r"|\$\{\s*\w{1,40}\s*\}"  # ${name}
    r"|<[A-Z][A-Z_ ]{1,30}>"  # <NAME>
    rf"|[<\[{{【]\s*(?:your[ _])?(?:{_HOLES})\s*[>\]}}】]"  # [name], 【姓名】, {name}
    r"|\[[A-Z][A-Z_]{2,30}\]"  # [NAME]
    r"|%[A-Z][A-Z_]{2,30}%|__[A-Z][A-Z_]{1,30}?__"  # %NAME%, __NAME__
    r"|(?<![A-Za-z0-9_])(?:[A-Z]+_)?(?:NAME|AUTHOR)(?![A-Za-z0-9_])"  # NAME, BOT_NAME
    r"|(?<![A-Za-z0-9_])(?:YOUR|BOT|COMPANY|USER|MODEL|ORG)_[A-Z]+(?![A-Za-z0-9_])"
)
_MARKS = "{<[【%_"
_LOWER = re.compile(rf"[<\[{{【]\s*(?:your[ _])?(?:{_HOLES})\s*[>\]}}】]", re.IGNORECASE)


def placeholder_in(text: str) -> str:
    """The first placeholder that stands in `text` where a form should have put a name; empty where there is none."""
    if "NAME" not in text and "AUTHOR" not in text and not any(mark in text for mark in _MARKS):
        return ""
    found = _PLACEHOLDER.search(text) or _LOWER.search(text)
    return found[0] if found else ""


@dataclass
class NoticeTally:
    """Counts so far, by kind; `names` are the columns, sheets or places it is about."""

    counts: Counter = field(default_factory=Counter)
    names: dict[str, dict[str, None]] = field(default_factory=dict)
    guessed: tuple[str, str] | None = None

    def add(self, kind: str, count: int = 1, *names: str) -> None:
        """Count `count` more of `kind`, about `names`."""
        self.counts[kind] += count
        self.names.setdefault(kind, {}).update(dict.fromkeys(names))

    def guess(self, reading: str, other: str = "") -> None:
        """Note that the file could also be read as `other`; it was read as `reading`."""
        self.guessed = reading, other

    def check_answers(self, messages: list[dict]) -> None:
        """Count the learned answers in which a placeholder stands."""
        for message in messages:
            if message["role"] == "assistant" and message.get("learn", True):
                if mark := placeholder_in(message["content"]):
                    known = self.names.get("placeholder", {})
                    self.add("placeholder", 1, *([mark] if len(known) < _NAMED else []))

    def notices(self, rows: int) -> list[Notice]:
        """The notices, in the order of `NOTICES`; `rows` is how many rows were read."""
        found = [self._notice(kind) for kind in NOTICES if self.counts[kind]]
        if self.guessed:
            reading, other = self.guessed
            found.append(Notice("reading_guessed", rows, f"data.notice.reading_guessed.{reading}", {}, other))
        return found

    def _notice(self, kind: str) -> Notice:
        names = list(self.names.get(kind, ()))
        shown = [*names[:_NAMED], *(["…"] if len(names) > _NAMED else [])]
        return Notice(kind, self.counts[kind], f"data.notice.{kind}", {"names": shown})
