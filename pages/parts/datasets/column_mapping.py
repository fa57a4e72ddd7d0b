"""The upload page's reading of a file: the task, the columns chosen by hand, and what they make of it."""

from dataclasses import replace

import streamlit as st

from glm_core import i18n, ui
from glm_core.data import TEMPLATES, Notice, ReadOptions
from glm_core.data.readers import isolated
from glm_core.data.readers import read as readers_read
from glm_core.data.readers.formats import legacy_encodings
from glm_core.data.readers.templates import Template, known_columns, propose, suggest, texts
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal

AS_IS = ""  # the task of a file whose words are taken as they are; not None, which a selectbox shows as no choice
OPTIONAL = ("system", "history")
OPEN_SPEAKERS = ("speakers_added", "speakers_unclear", "speakers_by_role")


def read(
    content: bytes, file: str, template: str | None, mapping: dict, options: ReadOptions | None = None
) -> readers_read.ReadResult:
    """Read with progress, once for each choice of template, mapping and options."""
    options = options or ReadOptions(reasoning=True)
    key = (file, hash(content), template, tuple(mapping.items()), options, i18n.current())
    known = st.session_state.setdefault("read", {})
    if key not in known:
        bar = st.progress(0.0)
        if len(known) == 4:  # as found, of the task, as mapped, and the mapping before
            known.pop(next(iter(known)))
        try:
            known[key] = isolated.read_bytes(
                content,
                file,
                template,
                mapping=mapping or None,
                options=options,
                progress=lambda stage, fraction: bar.progress(fraction or 0.0, t(stage)),
            )
        finally:
            bar.empty()
    return known[key]


def plain_options(file: str) -> ReadOptions:
    """The options of a file as found, in the encoding that the reader chose."""
    return ReadOptions(reasoning=True, encoding=st.session_state.get(f"encoding-{file}") or "")


def draw_encoding(file: str) -> None:
    """The choice of how a text file's characters are stored."""
    st.selectbox(
        t("datasets.encoding"),
        ["", *legacy_encodings.NAMES],
        key=f"encoding-{file}",
        help=t("datasets.encoding_help"),
        format_func=lambda name: legacy_encodings.NAMES[name] if name else t("datasets.encoding_auto"),
    )


def readable(content: bytes, file: str) -> bool:
    """True where the file can be read at all; if not, show why, and the way to another one."""
    try:
        found = read(content, file, None, {}, plain_options(file))
        if plain_options(file).encoding or any(notice.kind == "encoding" for notice in found.notices):
            draw_encoding(file)
    except EasyError as error:
        if error.key.startswith("data.encoding"):
            draw_encoding(file)
        ui.show_error(error)
        if "incoming" in st.session_state:
            st.button(
                t("datasets.other_file"), key="other", on_click=ui.checked(st.session_state.pop), args=("incoming",)
            )
        return False
    return True


def draw_choices(content: bytes, file: str) -> readers_read.ReadResult:
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


def waits_for_name(found: readers_read.ReadResult) -> bool:
    """Return whether the file is a chat of several names of whom nobody is said to be the assistant."""
    return bool(found.speakers) and not found.examples


def draw_joined(found: readers_read.ReadResult, question: str | None) -> str | None:
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


def draw_options(found: readers_read.ReadResult) -> ReadOptions:
    """Choices that the file leaves open: its sheets, whether it has column names, and which of two readings is meant."""
    sheets: list[str] = []
    header, kinds = "auto", {notice.kind for notice in found.notices}
    if len(found.sheets) > 1:
        sheets = st.multiselect(
            t("datasets.sheets"), found.sheets, key="sheets", placeholder=t("datasets.sheets_known"), select_all=False
        )
    table = found.file.lower().endswith((".csv", ".tsv", ".xlsx"))
    if table and (kinds & {"no_header", "names_taken"} or not found.examples):
        header = st.segmented_control(
            t("datasets.first_row"),
            ("auto", "names", "data"),
            default="auto",
            format_func=lambda name: t(f"datasets.first_row.{name}"),
            key="first-row",
        )
    guessed = next((notice for notice in found.notices if notice.other), None)
    other = guessed is not None and st.toggle(t("datasets.other_reading"), key="other-reading", help=guessed.message)
    known = {"names": True, "data": False}.get(header or "auto")
    reading = guessed.other if guessed and other else ""
    return replace(
        plain_options(found.file),
        reading=reading,
        sheets=tuple(sheets),
        header=known,
        assistant=draw_speakers(found),
        roles=draw_roles(found),
    )


def draw_roles(found: readers_read.ReadResult) -> tuple[tuple[str, str], ...]:
    """Who the names are that the notices leave open; only what the reader has said."""
    told = [notice for notice in found.notices if notice.kind in OPEN_SPEAKERS]
    names = dict.fromkeys(name for notice in told for name in notice.values["names"] if name != "…")
    chosen = []
    for name in names:
        role = st.segmented_control(
            t("datasets.speaker", name=literal(name)),
            ("auto", *readers_read.SPEAKER_ROLES),
            default="auto",
            required=True,
            key=f"speaker-{name}",
            help=t("datasets.speaker_help"),
            format_func=lambda role: t(f"datasets.speaker.{role}"),
        )
        if role != "auto":
            chosen.append((name, role))
    return tuple(chosen)


def draw_speakers(found: readers_read.ReadResult) -> str:
    """The one who answers, of those who talk in a chat of names; empty until somebody is chosen."""
    if not found.speakers:
        return ""
    return (
        st.selectbox(
            t("datasets.assistant"),
            found.speakers,
            None,
            key="assistant",
            placeholder=t("datasets.choose_name"),
            help=t("datasets.assistant_help"),
        )
        or ""
    )


def draw_notices(notices: list[Notice]) -> None:
    """Notices of what was read otherwise than it stands in the file or not used, a sentence each."""
    if not notices:
        return
    sentences = "\n".join(f"- {literal(notice.message)}" for notice in notices)
    st.warning(f"{t('datasets.notices')}\n{sentences}", icon=":material/info:")


def draw_proposal(template: str | None, found: readers_read.ReadResult) -> dict[str, str]:
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


def draw_mapping(found: readers_read.ReadResult, template: str | None) -> dict:
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


def draw_wording(task: Template, found: readers_read.ReadResult, mapping: dict[str, str]) -> dict[str, str]:
    """The task's question, which the reader may put in other words; returns what is mapped then."""
    question, answer = task.sides
    usual = task.wording(mapping, found.sample) if mapping[question] in found.columns else ""
    if not usual:
        return mapping
    key = f"wording-{task.name}-{mapping[question]}"
    words = st.text_area(t("datasets.pattern"), usual, key=key, height=90).strip()
    return mapping if words in ("", usual) else {"question": words, "answer": mapping[answer]}
