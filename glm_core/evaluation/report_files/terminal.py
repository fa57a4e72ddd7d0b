"""A report in the terminal and as one JSON object, for `python -m glm_core evaluate`."""

from glm_core.evaluation import scoring
from glm_core.evaluation.analysis import changes, conclusion
from glm_core.evaluation.report import Report, Row
from glm_core.evaluation.report_files import export
from glm_core.i18n import t

EXAMPLES = 5
"Questions shown of those that are not right."


def to_text(report: Report) -> str:
    """The verdict first, then doubts, meters, changes, measures and the worst answers."""
    tables = changes.tables(report.verdicts)
    p = changes.adjusted(tables)
    lines = [conclusion.headline(report), *(f"! {one}" for one in _doubts(report)), "", export.about(report)]
    lines += [export.accuracy(kind, table) for kind, table in report.classes.items()]
    for name, meter in report.meters.items():
        lines += [f"\n{t(f'report.meter.{name}')} {export.number(meter)}", f"  {export.uncertainty(report, name)}"]
        if tables[name].total:
            lines.append(f"  {changes.sentence(tables[name], p[name])}")
    lines += ["", *export.measured(report)]
    bad = [row for row in export.ordered(report.rows, best=False) if row.verdict.after.outcome != "right"]
    return "\n".join([*lines, *(line for row in bad[:EXAMPLES] for line in _row(row))])


def _doubts(report: Report) -> list[str]:
    return [*export.warnings(report), *conclusion.doubts(report)]


def _row(row: Row) -> list[str]:
    said = f"\n{t(f'report.verdict.{row.verdict.name}')} {row.question.text}"
    return [
        said,
        f"  {t('demo.before')} {row.before.text}",
        f"  {t('demo.after')} {row.after.text}",
        f"  {export.reasons(row)}",
    ]


def to_summary(report: Report) -> dict:
    """Return everything that `--json` prints: verdict, meters, changes, controls, then report.json as it is kept."""
    tables = changes.tables(report.verdicts)
    p = changes.adjusted(tables)
    return {
        "run": report.run,
        "verdict": conclusion.headline(report),
        "grade": report.meters["learned"].grade,
        "doubts": _doubts(report),
        "meters": {name: _meter(one) for name, one in report.meters.items()},
        "changes": {name: table.to_dict() | {"p_adjusted": p.get(name)} for name, table in tables.items()},
        "drift": report.drift._asdict() | {"grade": report.drift.grade} if report.drift else None,
        "side_effects": report.side_effects.to_dict() if report.side_effects else None,
        "minimal_pairs": report.pairs._asdict() if report.pairs else None,
        "chance": report.chance.to_dict() if report.chance else None,
        "report": report.to_dict(),
    }


def _meter(meter: scoring.Proportion) -> dict:
    return {
        "right": meter.count,
        "wrong": meter.total - meter.count,
        "unsure": meter.unsure,
        "before": meter.before,
        "value": meter.value,
        "interval": list(meter.interval),
        "bounds": list(meter.bounds),
        "grade": meter.grade,
    }
