"""A report to keep and to send: sentences for people, one self-contained HTML file, csv and json.

The HTML needs neither network nor script, and everything in it that a person or a model wrote is escaped. It speaks the
language in use. Not here: drawing in the dashboard (pages/report.py).
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

from glm_core import templates
from glm_core.data.export import quote_formula
from glm_core.evaluation import aggregate, scoring
from glm_core.evaluation.analysis import changes, conclusion
from glm_core.evaluation.analysis.statistics import wilson
from glm_core.evaluation.divergence import SLIGHT
from glm_core.evaluation.perplexity import Perplexity
from glm_core.evaluation.report import Report, Row
from glm_core.evaluation.scoring import KINDS, METERS, Classification, Proportion, closeness
from glm_core.i18n import t
from glm_core.markdown import differences

TEMPLATES = Path(__file__).with_name("templates")
LONGEST_NAME = 40
KEPT_ALL = 0.95
"Share kept from which the few lost are not counted in the sentence."
OTHER_BASE = ("report.cause.other_base", "report.cause.other_weights")
CSV_COLUMNS = (
    "kind",
    "verdict",
    "question",
    "reference",
    "original",
    "tuned",
    "outcome_original",
    "outcome_tuned",
    "reasons",
)


# sentences


def number(meter: Proportion) -> str:
    """The share as a percentage, a dash where nothing counts."""
    return "–" if meter.value is None else f"{meter.value:.0%}"


def uncertainty(report: Report, name: str) -> str:
    """A count of a total, with its interval; of an identity set also the counts by what is asked for."""
    meter = report.meters[name]
    if not meter.total and not meter.unsure:
        return t("report.none_asked")
    low, high = meter.interval
    values = {"count": meter.count, "total": meter.total, "before": meter.before}
    said = t(f"report.count.{conclusion.worded(name, report)}", **values, low=low, high=high)
    if meter.unsure:
        lowest, highest = meter.bounds
        said += t("report.count.unsure", count=meter.unsure, low=lowest, high=highest)
    return said + (conclusion.by_role(report) if name == "generalises" else "")


def meaning(report: Report, name: str) -> str:
    """Return what the number of meter `name` means, and what to do about it."""
    grades = {one: meter.grade for one, meter in report.meters.items()}
    if name == "generalises" and grades[name] == grades["learned"] == "none":
        return t("report.says.generalises.nothing")
    if name == "learned" and grades[name] == grades["kept"] == "none":
        return t("report.says.learned.broken")
    meter = report.meters[name]
    if name == "kept" and meter.grade == "good" and meter.value < KEPT_ALL:
        return t("report.says.kept.few", count=meter.total - meter.count)
    known = grades[name] not in ("unknown", "unsure")
    said = "all" if meter.value == 1 and not meter.unsure else grades[name]
    return t(f"report.says.{conclusion.worded(name, report) if known else name}.{said}")


def example(report: Report, name: str) -> Row | None:
    """The one row that says most about meter `name`.

    For "kept" the worst loss, else an equal answer; for the others a right answer that is new, and of these the one
    that is nearest to the old answer, so that the few words that changed stand out; where none is right, the worst.
    """
    rows = report.of(*METERS[name])
    if name == "kept":
        lost = [row for row in rows if row.verdict.name == "worse"]
        same = [row for row in rows if row.before.text == row.after.text and row.verdict.name == "unchanged"]
        return next(iter([*lost, *same, *rows]), None)
    right = [row for row in rows if row.verdict.after.outcome == "right"]
    if not right:
        return min(rows, key=_worth, default=None)
    return max(right, key=lambda row: (row.verdict.name == "learned", closeness(row.before.text, row.after.text)))


def _worth(row: Row) -> tuple[float, float]:
    return scoring.WORTH[row.verdict.after.outcome], row.verdict.near_after


def ordered(rows: Sequence[Row], best: bool) -> list[Row]:
    """Rows by how much tuning gained, then by how right they are."""
    sign = -1 if best else 1
    return sorted(rows, key=lambda row: (sign * round(row.verdict.gain, 3), sign * row.verdict.near_after))


def warnings(report: Report) -> list[str]:
    """Return what must be said before anything is shown: that the two models do not differ, or that the adapter is another base's."""
    causes = [t(key, **values) for key, values in report.causes if key in OTHER_BASE]
    if report.distances and not report.divergence.differs:
        return report.divergence.sentences()
    return causes


def self_check(report: Report) -> str:
    """Number of first tokens that differ."""
    changed = sum(distance >= SLIGHT for _question, distance in report.distances)
    return t("report.differs", changed=changed, count=len(report.distances), largest=report.divergence.largest)


def about(report: Report) -> str:
    """Name of run and base, number of questions."""
    step = "–" if report.step is None else report.step
    said = t("report.about", name=report.name, base=report.base, step=step, count=len(report.rows))
    return said + (t("report.left_out", count=report.left_out) if report.left_out else "")


def reasons(row: Row) -> str:
    """Reasons of the judgement of the tuned answer."""
    return t("judge.join").join(map(str, row.verdict.after.reasons))


def change(report: Report, name: str) -> str:
    """Return what became of the questions of meter `name`, with its test; empty where there are none."""
    found = changes.tables(report.verdicts)
    return changes.sentence(found[name], changes.adjusted(found)[name]) if found[name].total else ""


def change_table(report: Report) -> list[dict[str, str]]:
    """The change tables of the three meters, a row each, ready to show."""
    return [
        {t("report.changes.meter"): t(f"report.meter.{name}")}
        | {t(f"report.changes.{cell}"): str(getattr(table, cell)) for cell in changes.CELLS}
        for name, table in changes.tables(report.verdicts).items()
        if table.total or table.unsure
    ]


def accuracy(kind: str, table: Classification) -> str:
    """The accuracy of a classification with its interval."""
    total = sum(table.confusion.values())
    right = round(table.accuracy * total)
    low, high = wilson(right, total)
    values = {"share": table.accuracy, "count": right, "total": total, "low": low, "high": high}
    return t("report.accuracy", kind=t(f"compare.kind.{kind}"), **values)


def confusion(table: Classification) -> list[dict[str, str]]:
    """The confusions of a classification, a row a label, ready to show."""
    columns = [*table.labels, *([""] if any(said == "" for _, said in table.confusion) else [])]
    return [
        {t("run.confusion_label"): label}
        | {said or t("report.other_answer"): str(table.confusion.get((label, said), 0)) for said in columns}
        for label in table.labels
    ]


def defects(row: Row) -> list[str]:
    """Return what is wrong with the tuned answer as a text, and is no reason of its judgement, which are said beside it."""
    found = (("report.cut", row.after.cut), ("report.looping", row.after.loops))
    said = [t(key) for key, has in found if has]
    return [one for one in said if one not in map(str, row.verdict.after.reasons)]


def perplexity(report: Report) -> list[str]:
    """Return what became likelier and what did not."""
    pairs = (("references", report.references), ("unseen", report.unseen), ("neutral", report.neutral))
    return [_perplexity(name, pair) for name, pair in pairs if pair]


def measured(report: Report) -> list[str]:
    """Return what was measured beside the meters: drift, minimal pairs, chance, perplexity, first tokens."""
    return [*conclusion.facts(report), *perplexity(report), self_check(report)]


def _perplexity(name: str, found: Perplexity) -> str:
    said = t(f"report.perplexity.{name}", before=_short(found.before), after=_short(found.after))
    if found.low is None or found.high is None:
        return said
    values = {"ratio": found.after / found.before, "low": found.low, "high": found.high}
    small = values["ratio"] < 0.001
    key = "report.perplexity.fraction" if small else "report.perplexity.ratio"
    return said + t(key, **{name: f"1/{_short(1 / one)}" if small else _short(one) for name, one in values.items()})


def _short(value: float) -> str:
    """Three digits that count, without exponents."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def score_table(report: Report, kind: str) -> list[dict[str, str]]:
    """The measures of one kind, a row each, ready to show; of a classification those that mean something for a label."""
    table = report.measures.get(kind, {})
    tables = [report.classification(side, kind) for side in ("before", "after")]
    rows = []
    if kind in ("seen", "reworded", "unseen") and all(tables):
        sides = [aggregate.classification_intervals(one) for one in tables]
        rows = [_score_row(name, [_with_interval(*one[name]) for one in sides]) for name in ("accuracy", "macro-f1")]
        table = {name: sides for name, sides in table.items() if name not in aggregate.OVERLAP}
    return rows + [_score_row(name, [_with_interval(*one) for one in sides]) for name, sides in table.items()]


def _score_row(name: str, sides: Sequence[str]) -> dict[str, str]:
    values = zip((t("compare.original"), t("compare.column.tuned")), sides, strict=True)
    return {t("report.measure"): t(f"report.measure.{name}"), **dict(values)}


def _with_interval(mean: float, low: float, high: float) -> str:
    return f"{mean:.1f} ({low:.1f}–{high:.1f})"


# files


def file_name(report: Report, kind: str) -> str:
    """Return what the file is called: by the run's name, without what some system forbids in a name, and by its id, which is unique."""
    name = re.sub(r"[^\w（）()+-]+", " ", report.name).strip()[:LONGEST_NAME].strip()
    return " ".join(filter(None, (name, f"{report.run}.{kind}")))


def to_json(report: Report) -> bytes:
    """The whole report in the form of report.json."""
    return json.dumps(report.to_dict(), ensure_ascii=False, indent=1).encode("utf-8")


def to_csv(report: Report) -> bytes:
    """A line a question, for a spreadsheet: UTF-8 with a mark; cells that a spreadsheet would run are quoted."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(CSV_COLUMNS)
    for row in report.rows:
        judged = row.verdict
        reference = row.question.reference or " / ".join(row.question.accept)
        texts = (row.question.text, reference, row.before.text, row.after.text)
        outcomes = (judged.before.outcome, judged.after.outcome, reasons(row))
        writer.writerow((row.question.kind, judged.name, *map(quote_formula, (*texts, *outcomes))))
    return b"\xef\xbb\xbf" + file.getvalue().encode("utf-8")


def to_html(report: Report) -> bytes:
    """Return the whole report as one HTML page, in the language in use."""
    page = templates.render(
        TEMPLATES,
        "report.html",
        run=report.name,
        title=conclusion.headline(report),
        about=about(report),
        warnings=[*warnings(report), *conclusion.doubts(report)],
        classes=[(accuracy(kind, one), confusion(one)) for kind, one in report.classes.items()],
        meters=[_meter_values(report, name) for name in METERS],
        scores_title=t("report.scores"),
        sentences=measured(report),
        tables=[(title, rows) for title, rows in _tables(report) if rows],
        details_title=t("report.details"),
        rows=[_row_values(row) for kind in KINDS for row in ordered(report.of(kind), best=True)],
    )
    return page.encode("utf-8")


def _tables(report: Report) -> list[tuple[str, list[dict[str, str]]]]:
    changed = (t("report.changes"), change_table(report))
    return [changed, *((t(f"compare.kind.{kind}"), score_table(report, kind)) for kind in KINDS)]


def _meter_values(report: Report, name: str) -> dict:
    row = example(report, name)
    return {
        "title": t(f"report.meter.{name}"),
        "number": number(report.meters[name]),
        "uncertainty": uncertainty(report, name),
        "change": change(report, name),
        "meaning": meaning(report, name),
        "example": row and _row_values(row),
    }


def _row_values(row: Row) -> dict:
    verdict, kind = t(f"report.verdict.{row.verdict.name}"), t(f"compare.kind.{row.question.kind}")
    reference = row.question.reference or " / ".join(row.question.accept)
    labels = (("before", t("compare.original")), ("after", t("compare.column.tuned")))
    pieces = differences(*(scoring.without_loop(one.text) for one in (row.before, row.after)))
    return {
        "question": row.question.text,
        "notes": " · ".join([verdict, kind, *defects(row), reasons(row)]),
        "reference": t("report.reference", text=reference) if reference else "",
        "answers": [(side, label, found) for (side, label), found in zip(labels, pieces, strict=True)],
    }
