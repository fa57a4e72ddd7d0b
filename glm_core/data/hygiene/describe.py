"""Findings in words, for page and terminal."""

from glm_core import i18n
from glm_core.data.hygiene.check import Finding

NAMED = 6  # parts of a finding in one sentence
LISTED = 12  # row numbers in one line
_OF_NAMES = ("personal", "placeholders", "unknown_words", "unbalanced")


def sentence(finding: Finding) -> str:
    """Return what was found, with its numbers."""
    key = f"data.hygiene.{finding.kind}"
    said = i18n.t(key, count=f"{len(finding.rows):,}", names=_names(finding), common=_common(finding))
    if finding.looked_at:
        said += i18n.t("data.hygiene.looked_at", rows=f"{finding.looked_at:,}")
    return said


def row_numbers(finding: Finding) -> str:
    """Return the first rows of `finding`, counted from 1, each with the row it repeats or what it holds."""
    shown = [f"{row + 1:,}{_beside(finding, row)}" for row in finding.rows[:LISTED]]
    return i18n.join([*shown, *(["…"] if len(finding.rows) > LISTED else [])], "item")


def beside(finding: Finding, row: int) -> str:
    """Return the row that `row` repeats, or what it holds; empty where there is nothing to say."""
    if row in finding.partners:
        return i18n.t("data.hygiene.like_row", row=f"{finding.partners[row] + 1:,}")
    return i18n.join(finding.notes.get(row, ())[:NAMED], "item")


def _beside(finding: Finding, row: int) -> str:
    said = beside(finding, row)
    return f" ({said})" if said else ""


def _names(finding: Finding) -> str:
    if finding.kind not in _OF_NAMES:
        return ""
    named = sorted(finding.counts.items(), key=lambda one: -one[1])
    words = [
        f"{i18n.t(f'data.hygiene.personal.{name}') if finding.kind == 'personal' else name} {count:,}"
        for name, count in named[:NAMED]
    ]
    return i18n.join([*words, *(["…"] if len(named) > NAMED else [])], "item")


def _common(finding: Finding) -> str:
    if finding.kind != "same_answer":
        return ""
    answer, count = next(iter(finding.counts.items()))
    return i18n.t("data.hygiene.common", answer=answer[:60] + ("…" if len(answer) > 60 else ""), count=f"{count:,}")
