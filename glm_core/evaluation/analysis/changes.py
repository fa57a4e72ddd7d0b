"""Change tables: how many questions went from wrong to right and back, with a paired interval and an exact test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glm_core.evaluation.analysis.statistics import LEVEL, holm, mcnemar, newcombe
from glm_core.evaluation.scoring import METERS, Verdict
from glm_core.i18n import t

CELLS = ("both", "gained", "lost", "neither", "unsure")


@dataclass(frozen=True)
class ChangeTable:
    """The fate of the questions of one kind whose both answers can be judged.

    Attributes:
        both, lost, gained, neither: right before and after, before only, after only, never.
        unsure: questions with an answer that cannot be judged, in none of the four.
    """

    both: int
    lost: int
    gained: int
    neither: int
    unsure: int = 0

    @property
    def total(self) -> int:
        """Questions in the four cells."""
        return self.both + self.lost + self.gained + self.neither

    @property
    def difference(self) -> float:
        """Share right after less share right before; 0 without questions."""
        return (self.gained - self.lost) / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference."""
        return newcombe(self.both, self.lost, self.gained, self.neither)

    @property
    def p(self) -> float:
        """Exact p of McNemar's test."""
        return mcnemar(self.lost, self.gained)

    def to_dict(self) -> dict:
        """All fields, for `--json`."""
        cells = {name: getattr(self, name) for name in CELLS}
        return cells | {"difference": self.difference, "interval": list(self.interval), "p": self.p}


def tabulate(verdicts: Sequence[Verdict]) -> ChangeTable:
    """The change table of verdicts."""
    count = Counter((one.before.outcome, one.after.outcome) for one in verdicts)
    both, lost = count["right", "right"], count["right", "wrong"]
    gained, neither = count["wrong", "right"], count["wrong", "wrong"]
    return ChangeTable(both, lost, gained, neither, len(verdicts) - both - lost - gained - neither)


def tables(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, ChangeTable]:
    """The change table of each meter, from the verdicts by kind of question."""
    return {name: tabulate([one for kind in kinds for one in verdicts.get(kind, ())]) for name, kinds in METERS.items()}


def adjusted(found: Mapping[str, ChangeTable]) -> dict[str, float]:
    """p of every table that has questions, adjusted for being several."""
    return holm({name: table.p for name, table in found.items() if table.total})


def sentence(table: ChangeTable, p: float) -> str:
    """Return what a change table says, in words.

    Args:
        p: adjusted for being one of several tests.
    """
    if not table.total:
        return t("report.change.none")
    if not table.gained and not table.lost:
        return t("report.change.same", total=table.total)
    low, high = table.interval
    sure = "chance" if p >= LEVEL else "better" if table.difference > 0 else "worse"
    values = {"gained": table.gained, "lost": table.lost, "total": table.total, "low": low, "high": high}
    return t("report.change.told", **values, difference=table.difference) + t(f"report.change.{sure}", p=_shown(p))


def _shown(p: float) -> str:
    return "<0.001" if p < 0.001 else f"={p:.2g}"
