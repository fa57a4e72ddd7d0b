"""The columns of a file on the upload page: the task they are for, the columns chosen by hand, and what they make of the file."""

import streamlit as st

from glm_core import i18n, ui
from glm_core.data import TEMPLATES
from glm_core.data.examples import ReadResult
from glm_core.data.readers.templates.column_guess import known_columns, propose, suggest, texts
from glm_core.data.readers.templates.task_template import Template
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.datasets.file_reading import plain_options, read
from pages.parts.datasets.reading_options import draw_options

AS_IS = ""  # the task of a file whose words are taken as they are; not None, which a selectbox shows as no choice
OPTIONAL = ("system", "history")


def draw_choices(content: bytes, file: str) -> ReadResult:
    """The task and, where the layout does not speak for itself, the columns; returns what they make of the file."""
    ui.keep_widget("task")
    chosen = st.selectbox(
        t("datasets.template"),
        [AS_IS, *TEMPLATES],
        key="task",
        help=t("datasets.template_help"),
        format_func=lambda name: t(f"data.template.{name}" if name else "datasets.as_is"),
    )
    template = chosen or None
    options = draw_options(read(content, file, template, {}, plain_options(file)))
    found = read(content, file, template, {}, options)
    task = None if template or found.examples else suggest(found.columns, found.sample)
    named = task and known_columns(task, found.columns)
    sure = named or len(texts(found.columns, found.sample)) == 1  # else two of them may be question and answer
    if task and sure:
        draw_suggestion(task)
    mapping = {} if waits_for_name(found) else draw_mapping(found, template)
    if task and not sure and not mapping:
        draw_suggestion(task)
    return read(content, file, template, mapping, options) if mapping else found


def draw_suggestion(task: Template) -> None:
    """The task that the columns look like, one press away."""
    word = t("datasets.suggest", task=t(f"data.template.{task.name}"))
    st.button(word, on_click=ui.checked(lambda: st.session_state.update(task=task.name)), key="suggest")


def waits_for_name(found: ReadResult) -> bool:
    """Return whether the file is a chat of several names of whom nobody is said to be the assistant."""
    return bool(found.speakers) and not found.examples


def draw_joined(found: ReadResult, question: str | None) -> str | None:
    """The question's column, or words with several columns in them that the reader may edit."""
    others = [column for column in found.columns if column != question]
    more = st.multiselect(
        t("datasets.join"),
        others,
        key="map-join",
        help=t("datasets.join_help"),
        placeholder=t("datasets.choose"),
        select_all=False,
    )
    if not question or not more:
        return question
    start = "\n".join(f"{{{column}}}" for column in found.columns if column in (question, *more))
    return st.text_area(t("datasets.pattern"), start, key=f"pattern-{question}-{'-'.join(more)}", height=90)


def draw_proposal(template: str | None, found: ReadResult) -> dict[str, str]:
    """The columns to begin with: those known by name, and guessed ones once the reader has agreed to the guess."""
    task = TEMPLATES.get(template) if template else None
    known, usual = known_columns(task, found.columns), propose(task, found.columns, found.sample)
    guessed = {field: column for field, column in usual.items() if field not in known}
    if not guessed or found.examples:
        return usual
    if all(st.session_state.get(f"map-{template}-{field}") == column for field, column in usual.items()):
        return known  # taken already
    words = i18n.join(
        (f"{t(f'datasets.field.{field}')} = {literal(column)}" for field, column in usual.items()), "item"
    )
    st.button(
        t("datasets.use_proposal", columns=words),
        key=f"proposal-{template}",
        type="primary",
        icon=":material/check:",
        help=t("datasets.use_proposal_help"),
        on_click=ui.checked(take_proposal),
        args=(template, usual),
    )
    return known


def take_proposal(template: str | None, usual: dict[str, str]) -> None:
    """Put the proposed columns into the fields; for a callback."""
    st.session_state.update({f"map-{template}-{field}": column for field, column in usual.items()})


def draw_mapping(found: ReadResult, template: str | None) -> dict:
    """Columns chosen by hand; {} while the layout speaks for itself or a choice is missing."""
    if not st.toggle(t("datasets.by_hand"), value=not found.examples, key=f"by-hand-{template}"):
        return {}
    st.caption(t("datasets.mapping_help"))
    fields = list(TEMPLATES[template].fields) if template else ["question", "answer", *OPTIONAL]
    mapping, usual = {}, draw_proposal(template, found)
    for field, column in zip(fields, st.columns(len(fields)), strict=True):
        start = found.columns.index(usual[field]) if field in usual else None
        mapping[field] = column.selectbox(
            t(f"datasets.field.{field}"),
            found.columns,
            start,
            key=f"map-{template}-{field}",
            accept_new_options=True,
            placeholder=t("datasets.choose"),
        )
    if not template:
        mapping["question"] = draw_joined(found, mapping["question"])
    mapping = {field: column for field, column in mapping.items() if column}
    if not set(mapping) >= set(fields) - set(OPTIONAL):
        return {}
    return draw_wording(TEMPLATES[template], found, mapping) if template else mapping


def draw_wording(task: Template, found: ReadResult, mapping: dict[str, str]) -> dict[str, str]:
    """The task's question, which the reader may put in other words; returns what is mapped then."""
    question, answer = task.sides
    usual = task.wording(mapping, found.sample) if mapping[question] in found.columns else ""
    if not usual:
        return mapping
    key = f"wording-{task.name}-{mapping[question]}"
    words = st.text_area(t("datasets.pattern"), usual, key=key, height=90).strip()
    return mapping if words in ("", usual) else {"question": words, "answer": mapping[answer]}
