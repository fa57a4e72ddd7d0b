"""Guesses from the names of columns and a sample of rows: the task that a file is for, the columns of its fields."""

import re
from collections.abc import Iterable, Sequence

from glm_core.data.readers import columns as names_of
from glm_core.data.readers.templates.task_template import TEMPLATES, Template

LABELED_ROWS, LABELED_EACH, LONGEST_LABEL = 6, 2, 20
"A classification has so many rows at least, so many a class on average, and names no longer than that."
_SENTENCE = re.compile(r"[，。；！？!?]|[,.;]( |$)")
"Punctuation of clauses: an answer that is given again and again has it, the name of a class has none."


def suggest(columns: Sequence[str], sample: Sequence[dict] = ()) -> Template | None:
    """The task whose fields all have one of their usual names among `columns`; a classification where `sample` looks like one."""
    names = {column.strip().lower() for column in columns}
    named = next(
        (task for task in TEMPLATES.values() if all(names & set(usual) for usual in task.fields.values())), None
    )
    if named or not texts(columns, sample):
        return named
    return TEMPLATES["classification"] if any(_holds_labels(column, sample) for column in columns) else None


def texts(columns: Sequence[str], sample: Sequence[dict]) -> list[str]:
    """The columns whose words differ from row to row: more than one, and a task that takes one of them is a guess among others."""
    return [column for column in columns if _variety(column, sample) == 2]


def _holds_labels(column: str, sample: Sequence[dict]) -> bool:
    """Return whether a column has few short words that come again and again, as classes do."""
    words = [str(row[column]) for row in sample if _is_words(row.get(column))]
    if len(words) < max(LABELED_ROWS, len(sample)):
        return False
    if any(_SENTENCE.search(word) for word in words):
        return False
    return 2 <= len(set(words)) <= len(words) / LABELED_EACH and max(map(len, words)) <= LONGEST_LABEL


def usual_columns(template: Template, columns: Iterable[str]) -> dict[str, str | None]:
    """For each field of `template` the column that has one of its usual names, None where there is none."""
    names = {column.strip().lower(): column for column in columns}
    return {
        field: next((names[usual] for usual in usual_names if usual in names), None)
        for field, usual_names in template.fields.items()
    }


def known_columns(template: Template | None, columns: Sequence[str]) -> dict[str, str]:
    """The columns that are known by their names: of the template's fields, else of question and answer."""
    if template is None:
        return _known_half(columns)
    return {field: column for field, column in usual_columns(template, columns).items() if column}


def propose(template: Template | None, columns: Sequence[str], sample: Sequence[dict]) -> dict[str, str]:
    """Initial mapping by hand: the template's usual columns, what is known by name, else what looks like it.

    Text that is long and differs from row to row goes before text that is short and repeats itself, which labels rows.
    """
    fields = tuple(template.fields) if template else ("question", "answer")
    known = known_columns(template, columns)
    if template and len(known) == len(fields):
        return known
    rest = sorted(
        (column for column in columns if column not in known.values()),
        key=lambda column: (-_variety(column, sample), -_usual_length(column, sample), columns.index(column)),
    )
    taken = rest[: len(fields) - len(known)]
    labels_last = template is not None and template.name == "classification"
    free = iter(taken if labels_last else sorted(taken, key=columns.index))
    chosen = {field: known.get(field) or next(free, None) for field in fields}
    return {field: column for field, column in chosen.items() if column}


def _known_half(columns: Sequence[str]) -> dict[str, str]:
    """Of question and answer what has a known name, or the word in its name."""
    names = names_of.folded(columns)
    found = {
        "answer": names_of.first(names, names_of.ANSWERS),
        "question": names_of.first(names, (*names_of.QUESTIONS, *names_of.DETAILED, *names_of.TITLES)),
    }
    for column in columns:
        role = names_of.nearly(column)
        if role and not found[role]:
            found[role] = column
    return {role: column for role, column in found.items() if column}


def _variety(column: str, sample: Sequence[dict]) -> int:
    """2 for words that differ from row to row, 1 for words that repeat, 0 for numbers and blanks."""
    words = [row.get(column) for row in sample if _is_words(row.get(column))]
    if not words:
        return 0
    repeats = len(words) > 3 and len(set(words)) <= len(words) / 2
    return 1 if repeats or names_of.is_identifier(column) else 2


def _usual_length(column: str, sample: Sequence[dict]) -> float:
    """Characters of a column's words, on average."""
    words = [len(row[column]) for row in sample if _is_words(row.get(column))]
    return sum(words) / max(1, len(words))


def _is_words(value: object) -> bool:
    """Return whether a cell holds words, not a number or a code such as K-001."""
    return isinstance(value, str) and re.search(r"[^\W\d_]", value) is not None and not names_of.is_code(value)
