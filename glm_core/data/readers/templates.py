"""Mapping of columns to a task: templates, and mappings made by hand.

The prompts are Chinese whatever the interface speaks: they are what the model is trained on, not what a reader sees.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from glm_core.data.examples import DataError, RowError
from glm_core.data.readers import columns as names_of
from glm_core.data.readers.chats import past_turns
from glm_core.data.readers.formats.dialogues import written_down
from glm_core.data.readers.formats.plaintext import TEXT, halves
from glm_core.data.readers.layouts import Convert, Layout
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.pairs import converter, watched
from glm_core.data.readers.rows import languages
from glm_core.data.readers.values import cell, joined, optional_cell

LABELED_ROWS, LABELED_EACH, LONGEST_LABEL = 6, 2, 20
"A classification has so many rows at least, so many a class on average, and names no longer than that."
_HOLE = re.compile(r"\{([^{}]+)\}")
_SENTENCE = re.compile(r"[，。；！？!?]|[,.;]( |$)")
"Punctuation of clauses: an answer that is given again and again has it, the name of a class has none."


@dataclass(frozen=True)
class Template:
    """A task: its fields with the column names they usually have, and the two sides they are filled into."""

    name: str
    fields: dict[str, tuple[str, ...]]
    user: str
    assistant: str

    @property
    def sides(self) -> tuple[str, str]:
        """The fields that the question and the answer are made of."""
        return _HOLE.findall(self.user)[-1], _HOLE.findall(self.assistant)[0]

    def wording(self, mapping: dict[str, str], sample: Sequence[dict]) -> str:
        """How the task asks, with the question's column in braces; empty where it adds no words to it."""
        question, answer = self.sides
        asked = f"{{{mapping[question]}}}"
        target = next((str(row[mapping[answer]]) for row in sample if row.get(mapping[answer])), "")
        words = _fill(self.user, {question: asked, "language": languages.language_in(target)})
        return "" if words == asked else words


_TASKS = (
    Template("imprint", {"question": ("question", "问题"), "answer": ("answer", "回答")}, "{question}", "{answer}"),
    Template(
        "advertisement",
        {"content": ("content", "属性", "attributes"), "summary": ("summary", "广告", "文案", "advertisement")},
        "{content}",
        "{summary}",
    ),
    Template(
        "translation",
        {"source": ("source", "src", "原文"), "target": ("target", "tgt", "translation", "译文")},
        "把下面的内容翻译成{language}：\n{source}",
        "{target}",
    ),
    Template(
        "classification",
        {
            "text": ("text", "sentence", "content", "review", "文本", "内容", "评论"),
            "label": ("label", "class", "category", "intent", "类别", "标签", "分类", "意图"),
        },
        "判断下面这段话属于哪一类，只回答类别：\n{text}",
        "{label}",
    ),
    Template(
        "summary",
        {
            "text": ("content", "text", "article", "document", "正文", "原文", "内容"),
            "summary": ("summary", "abstract", "highlights", "摘要"),
        },
        "用简短的话概括下面的内容：\n{text}",
        "{summary}",
    ),
    Template(
        "continuation",
        {"beginning": ("beginning", "prefix", "上文", "开头"), "ending": ("ending", "suffix", "下文", "续写")},
        "接着往下写：\n{beginning}",
        "{ending}",
    ),
    Template(
        "code_comments",
        {"code": ("code", "function", "代码"), "comment": ("comment", "docstring", "comments", "注释")},
        "给下面的代码写注释：\n{code}",
        "{comment}",
    ),
    Template(
        "open_dialogue", {"question": ("question", "问题"), "answer": ("answer", "回答")}, "{question}", "{answer}"
    ),
)
TEMPLATES = {template.name: template for template in _TASKS}

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


def template_named(name: str) -> Template:
    """The template `name`; "code comments" and "code-comments" are "code_comments".

    Raises:
        DataError: there is none; lists those there are.
    """
    key = re.sub(r"[\s\-]+", "_", name.strip().lower())
    if key not in TEMPLATES:
        raise DataError("data.template", name=name, names=", ".join(TEMPLATES))
    return TEMPLATES[key]


def suggest(columns: Sequence[str], sample: Sequence[dict] = ()) -> Template | None:
    """The task whose fields all have one of their usual names among `columns`; a classification where `sample` looks like one."""
    names = {column.strip().lower() for column in columns}
    named = next((task for task in _TASKS if all(names & set(usual) for usual in task.fields.values())), None)
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


def from_layout(template: Template, layout: Layout, tally: NoticeTally) -> Convert:
    """Rows of a known layout asked in the template's words, unless they already say what is to be done."""
    if layout.has_instruction or layout.answer is None or template.user == _HOLE.findall(template.user)[0].join("{}"):
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
        for name in [source] if source in columns else _HOLE.findall(source) or [source]:
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
    return _turn(_fill(task.user, {"beginning": parts[0]}), parts[1])


def _filled(template: Template, found: dict[str, str]) -> Convert:
    def convert(record: dict) -> list[dict]:
        values = {field: cell(record, column) for field, column in found.items()}
        if template.name == "translation":
            told = languages.language_of(record.get(languages.target_column(record) or ""))
            values["language"] = told or languages.language_in(values["target"])
        return _turn(_fill(template.user, values), _fill(template.assistant, values))

    return convert


def _fill(pattern: str, values: dict[str, str]) -> str:
    """`pattern` with its holes filled in one pass, so that braces inside a value stay what they are."""
    return _HOLE.sub(lambda hole: values[hole[1]], pattern)


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
    holes = _HOLE.findall(column)
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
        return _fill("\n".join(lines), values)

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
