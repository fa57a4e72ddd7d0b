"""Side effects of tuning on unrelated answers: changed, longer or shorter, refusals, leaked names, loops."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glm_core.evaluation.judge import negation, text

if TYPE_CHECKING:
    from glm_core.evaluation.report import Row

LEAKS = frozenset(("leaked", "leaked_name"))


@dataclass(frozen=True)
class SideEffects:
    """Counts over the controls.

    Attributes:
        total: controls asked. changed: answered in other words than by the base.
        length: characters of the tuned answers by those of the base's; 1 where both are empty.
        refusals, loops, leaks: answers that refuse, loop or tell the set's identity, where the base's did not.
    """

    total: int
    changed: int
    length: float
    refusals: int
    loops: int
    leaks: int

    @property
    def harmful(self) -> bool:
        """True where something is there that a good run has hardly ever."""
        return self.refusals + self.loops + self.leaks > max(1, self.total // 50)

    def to_dict(self) -> dict:
        """All fields, for `--json`."""
        return vars(self) | {"harmful": self.harmful}


def measure(rows: Sequence["Row"]) -> SideEffects | None:
    """Measure the side effects on the controls of a report; None without controls."""
    if not rows:
        return None
    lengths = [sum(len(getattr(row, side).text) for row in rows) for side in ("before", "after")]
    return SideEffects(
        len(rows),
        sum(text.skeleton(row.before.text) != text.skeleton(row.after.text) for row in rows),
        lengths[1] / lengths[0] if lengths[0] else 1.0,
        sum(_refuses(row.after.text) and not _refuses(row.before.text) for row in rows),
        sum(row.after.loops and not row.before.loops for row in rows),
        sum(_leaks(row) for row in rows),
    )


def _refuses(answer: str) -> bool:
    return bool(negation.refusal(text.fold(answer)))


def _leaks(row: "Row") -> bool:
    told, before = ({reason.code for reason in side.reasons} for side in (row.verdict.after, row.verdict.before))
    return bool(told & LEAKS) and not before & LEAKS
