"""The one sentence that begins a report, and the doubts that must be read with it.

Learned 20/20, other wordings 9/10, kept 60/62.
Not learned yet: 0/15.
Cannot tell: 8 answers cannot be judged.
"""

from glm_core import i18n
from glm_core.evaluation.analysis.chance import Chance
from glm_core.evaluation.analysis.drift import Drift
from glm_core.evaluation.analysis.side_effects import SideEffects
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.judge import identity_questions, text
from glm_core.evaluation.report import Report
from glm_core.evaluation.scoring import Proportion
from glm_core.i18n import t

ROLES = ("name", "author", "both", "other")
"What a question about the assistant asks for."


def headline(report: Report) -> str:
    """The verdict in one sentence."""
    meters = report.meters
    learned = meters["learned"]
    if learned.grade in ("unknown", "unsure"):
        return t(f"report.verdict_line.{learned.grade}", unsure=learned.unsure)
    said = t(f"report.verdict_line.{learned.grade}", count=learned.count, total=learned.total)
    rest = [_part(worded(name, report), meters[name]) for name in ("generalises", "kept") if meters[name].total]
    lost = report.drift is not None and report.drift.grade == "none" and meters["kept"].grade != "none"
    return t("report.verdict_line.join").join([said, *rest, *([t("report.verdict_line.drifted")] if lost else [])])


def _part(name: str, meter: Proportion) -> str:
    return t(f"report.verdict_line.{name}", count=meter.count, total=meter.total)


def worded(name: str, report: Report) -> str:
    """The meter `name` as text keys have it: held-out rows are questions not seen before, and no other wordings."""
    return "unseen" if name == "generalises" and report.of("unseen") else name


def by_role(report: Report) -> str:
    """Right answers of an identity set by what is asked for: name, author, both; empty for other sets."""
    told: dict[str, list[bool]] = {}
    for row in report.of("reworded", "unseen"):
        if row.question.facts and row.verdict.after.outcome != "unsure":
            told.setdefault(_role(row.question), []).append(row.verdict.after.outcome == "right")
    counts = [t(f"report.role.{role}", count=sum(told[role]), total=len(told[role])) for role in ROLES if role in told]
    return t("report.roles", roles=i18n.join(counts, "item")) if len(counts) > 1 else ""


def _role(question: Question) -> str:
    asked = identity_questions.asked(text.fold(question.text)).roles
    return "both" if len(asked) > 1 else next(iter(asked), "other")


def doubts(report: Report) -> list[str]:
    """Return what could make the headline say too much, each in a sentence."""
    found = [t(key) for key, _ in report.causes if key == "report.own_rows"]
    learned = report.meters["learned"]
    if learned.grade in ("good", "some") and not report.of("reworded", "unseen"):
        found.append(t("report.doubt.only_trained" if learned.grade == "good" else "report.doubt.partly_trained"))
    found += _against_chance(report.chance, learned)
    found += _about_drift(report.drift)
    effects = report.side_effects
    if effects and effects.harmful:
        found.append(t("report.doubt.side_effects", **_counts(effects)))
    if report.pairs and report.pairs.total and 4 * report.pairs.after < 3 * report.pairs.total:
        found.append(t("report.doubt.pairs", after=report.pairs.after, total=report.pairs.total))
    return found


def _against_chance(chance: Chance | None, learned: Proportion) -> list[str]:
    if chance is None or learned.grade not in ("good", "some"):
        return [t("report.doubt.collapsed", share=chance.alike)] if chance and chance.collapsed else []
    if chance.collapsed:
        return [t("report.doubt.collapsed", share=chance.alike)]
    if chance.beaten:
        return []
    best = max(chance.majority, chance.permuted)
    return [t("report.doubt.chance", right=chance.right, chance=best, total=chance.total)]


def _about_drift(drift: Drift | None) -> list[str]:
    if drift is None or drift.grade == "good":
        return []
    return [t(f"report.doubt.drift_{drift.grade}", mean=drift.mean)]


def _counts(effects: SideEffects) -> dict:
    return {name: getattr(effects, name) for name in ("total", "refusals", "loops", "leaks")}


def facts(report: Report) -> list[str]:
    """Return what was measured beside the meters, for the table of scores."""
    said = []
    if report.drift:
        said.append(t("report.drift", mean=report.drift.mean, low=report.drift.low, high=report.drift.high))
    effects = report.side_effects
    if effects:
        values = {"changed": effects.changed / effects.total, "length": effects.length}
        said.append(t("report.side_effects", **values, **_counts(effects)))
    if report.pairs:
        said.append(t("report.pairs", before=report.pairs.before, after=report.pairs.after, total=report.pairs.total))
    if report.chance:
        values = {name: getattr(report.chance, name) for name in ("right", "majority", "permuted", "total", "alike")}
        said.append(t("report.chance", **values))
    return said
