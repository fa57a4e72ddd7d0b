"""Conversions of rows whose columns are mapped: to a task's fields, to the roles of a conversation, by their names or by hand."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from glm_core.data.examples import DataError, RowError
from glm_core.data.readers.chats import past_turns
from glm_core.data.readers.formats.dialogues import written_down
from glm_core.data.readers.formats.plaintext import TEXT, halves
from glm_core.data.readers.layouts import Convert, Layout
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.pairs import converter, watched
from glm_core.data.readers.rows import languages
from glm_core.data.readers.templates.column_guess import usual_columns
from glm_core.data.readers.templates.task_template import HOLE, TEMPLATES, Template, fill_in
from glm_core.data.readers.values import cell, joined, optional_cell

# By hand: what a mapping may call the roles of a conversation.
_ROLES = {
    "system": "system",
    "history": "history",
    "user": "question",
    "prompt": "question",
    "question": "question",
    "instruction": "question",
    "input": "question",
    "assistant": "answer",
    "response": "answer",
    "answer": "answer",
    "output": "answer",
}


def from_columns(
    template: Template, columns: Sequence[str], tally: NoticeTally, flags: Collection[str] = ()
) -> Convert | None:
    """The conversion of rows whose columns have the usual names of the template's fields, or None."""
    found = {field: column for field, column in usual_columns(template, columns).items() if column}
    if len(found) < len(template.fields):
        return None
    told = languages.target_column(columns) if template.name == "translation" else None
    taken = (*found.values(), *([told] if told else []))
    return watched(_filled(template, found), Layout(template.name, taken, verdict=_verdicts(flags, taken)), tally)


def _verdicts(flags: Collection[str], taken: Collection[str]) -> tuple[str, ...]:
    """The columns of `flags` that question and answer are not made of."""
    return tuple(column for column in flags if column not in taken)


def from_layout(template: Template, layout: Layout, tally: NoticeTally) -> Convert:
    """Rows of a known layout asked in the template's words, unless they already say what is to be done."""
    if layout.has_instruction or layout.answer is None or template.user == HOLE.findall(template.user)[0].join("{}"):
        return converter(layout, tally)
    question, answer = template.sides
    taken = {question: layout.questions[0], answer: layout.answer}
    judged = replace(layout, verdict=_verdicts(layout.verdict, taken.values()))
    return watched(_filled(template, taken), judged, tally)


def from_mapping(
    mapping: dict[str, str],
    template: Template | None,
    columns: tuple[str, ...],
    tally: NoticeTally,
    flags: Collection[str] = (),
) -> Convert:
    """The conversion a reader chose: field or role -> column, or -> words with {column} in them.

    Args:
        flags: columns that say whether a row is to be learned; they do so where the mapping does not use them.

    Raises:
        DataError: no such field or column, or question or answer is not mapped.
    """
    if template is not None and set(mapping) <= set(template.fields):
        _require(set(template.fields), mapping)
        for column in mapping.values():
            _check_column(column, columns)
        used = tuple(mapping.values())
        return watched(_filled(template, mapping), Layout("mapped", used, verdict=_verdicts(flags, used)), tally)
    chosen = {}
    for role, column in mapping.items():
        if role not in _ROLES:
            raise DataError("data.mapping.role", role=role, roles=", ".join(template.fields if template else _ROLES))
        chosen[_ROLES[role]] = _source(column, columns, tally)
    _require({"question", "answer"}, chosen)
    used = tuple(_taken(mapping.values(), columns))
    judged = Layout("mapped", used, verdict=_verdicts(flags, used))
    return watched(lambda record: _mapped(record, chosen, tally), judged, tally)


def are_there(sources: Iterable[str], columns: tuple[str, ...]) -> bool:
    """Return whether all columns that a mapping names are among `columns`, as they are or as the head of a path."""
    return all(name in columns for source in sources for name in _taken([source], columns))


def _taken(sources: Iterable[str], columns: tuple[str, ...]) -> Iterable[str]:
    """The columns that a mapping uses, those of nested fields too."""
    for source in sources:
        for name in [source] if source in columns else HOLE.findall(source) or [source]:
            yield name if name in columns else name.split(".")[0]


def continue_text(record: dict, tally: NoticeTally) -> list[dict]:
    """A paragraph of plain text: its first half is given, the second continues it."""
    text = cell(record, TEXT)
    if messages := written_down(text, tally):
        return messages
    parts = halves(text)
    if parts is None:
        raise RowError("data.row.too_short", TEXT)
    task = TEMPLATES["continuation"]
    return _turn(fill_in(task.user, {"beginning": parts[0]}), parts[1])


def _filled(template: Template, found: dict[str, str]) -> Convert:
    def convert(record: dict) -> list[dict]:
        values = {field: cell(record, column) for field, column in found.items()}
        if template.name == "translation":
            told = languages.language_of(record.get(languages.target_column(record) or ""))
            values["language"] = told or languages.language_in(values["target"])
        return _turn(fill_in(template.user, values), fill_in(template.assistant, values))

    return convert


def _turn(question: str, answer: str) -> list[dict]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _require(names: set[str], mapping: dict) -> None:
    if missing := sorted(name for name in names if not mapping.get(name)):
        raise DataError("data.mapping.incomplete", names=", ".join(missing))


def _check_column(column: str, columns: tuple[str, ...]) -> None:
    if column not in columns and column.split(".")[0] not in columns:
        raise DataError("data.mapping.column", column=column, columns=", ".join(columns[:40]))


def _source(column: str, columns: tuple[str, ...], tally: NoticeTally) -> Callable[[dict], str] | str:
    """A column's name, or the function that fills a pattern such as "{title}：{body}" or follows a path "info.title"."""
    holes = HOLE.findall(column)
    if column in columns:
        return column
    if not holes:
        _check_column(column, columns)
        return lambda record: _path_text(record, column)
    for hole in holes:
        _check_column(hole, columns)

    def fill(record: dict) -> str:
        values = {hole: _path_text(record, hole) for hole in holes}
        if not any(values.values()):
            raise RowError("data.row.blank", holes[0])
        if empty := [hole for hole, text in values.items() if not text]:
            tally.add("holes_empty", 1, *empty)
        lines = [line for line in column.split("\n") if line.strip() not in {f"{{{hole}}}" for hole in empty}]
        return fill_in("\n".join(lines), values)

    return fill


def _path_text(record: dict, path: str) -> str:
    """The text at a column, or at a dotted path into it; list members go by number, from 0; empty where it ends early."""
    if path in record:
        return joined(record[path], path)
    value: object = record
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.lstrip("-").isdigit() and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    return joined(value, path)


def _mapped(record: dict, chosen: dict, tally: NoticeTally) -> list[dict]:
    messages = []
    if "system" in chosen and (system := _value(record, chosen["system"], optional=True)):
        messages.append({"role": "system", "content": system})
    if "history" in chosen:
        messages += past_turns(record.get(chosen["history"]), chosen["history"], tally)
    return messages + _turn(_value(record, chosen["question"]), _value(record, chosen["answer"]))


def _value(record: dict, source, optional: bool = False) -> str:
    if callable(source):
        text = source(record)
        if not text and not optional:
            raise RowError("data.row.blank", "")
        return text
    return optional_cell(record, source) if optional else cell(record, source)
