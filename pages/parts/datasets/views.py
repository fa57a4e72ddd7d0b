"""The data page's views of a set: rows as chat, lengths, and a table to edit. Not here: the checks (hygiene.py)."""

from collections.abc import Sequence

import streamlit as st

from glm_core import charts, ui
from glm_core.data import Example, analysis, export, figures, lengths, library
from glm_core.data.documents import sources
from glm_core.i18n import t
from glm_core.serving import served_models
from glm_core.training.settings import TrainingSettings
from pages.parts import widgets
from pages.parts.datasets import conversation
from pages.parts.datasets.actions import keep_own
from pages.parts.drafting import row_source

SHOWN, EDITED = 8, 50


def draw_rows(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """Rows as chat, page by page, those with the searched words."""
    search, pages = st.columns([3, 1], vertical_alignment="bottom")
    words = search.text_input(
        t("datasets.search"),
        type="search",
        key=f"search-{chosen.id}",
        live=True,
        placeholder=t("datasets.search"),
        label_visibility="collapsed",
    )
    found = analysis.search(rows, words)
    with pages:
        start = draw_pages(len(found), SHOWN, f"page-{chosen.id}-{words}")
    if words:
        st.caption(t("datasets.shown" if found else "datasets.nothing_found", rows=f"{len(found):,}"))
    known = {} if chosen.bundled else sources.read(chosen.id)
    for index in found[start : start + SHOWN]:
        with st.container(border=True, key=f"row-{index}", gap=None):
            st.caption(t("datasets.row", row=index + 1))
            conversation.draw(rows[index].messages)
            row_source.draw(known, rows[index])


def draw_pages(count: int, size: int, key: str) -> int:
    """Index of the first row of the chosen page of `count` rows."""
    pages = -(-count // size)
    if pages < 2:
        return 0
    return size * ((widgets.number_input(t("datasets.page", pages=f"{pages:,}"), 1, pages, 1, key=key) or 1) - 1)


def draw_lengths(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """Lengths of questions and answers in the tokens of a model, and what the limits would cut."""
    bases = {choice.name: choice.base for choice in served_models.catalogue() if not choice.tuned}
    if not bases:
        counts = analysis.statistics(rows)
        st.caption(t("datasets.no_model"))
        draw_length("question", counts.question_lengths, t("datasets.characters"))
        draw_length("answer", counts.answer_lengths, t("datasets.characters"))
        return
    usual, (models, sources, targets) = TrainingSettings(), st.columns(3)
    base = bases[models.selectbox(t("datasets.model"), list(bases), key="tokens-of")]
    with sources:
        source = widgets.number_input(t("datasets.max_source"), 4, 131_072, usual.max_source_length, key="max-source")
    with targets:
        target = widgets.number_input(t("datasets.max_target"), 4, 131_072, usual.max_target_length, key="max-target")
    if source is None or target is None:
        return
    bar = st.progress(0.0, t("data.stage.encoding"))
    found = lengths.token_lengths(chosen.id, base, lambda stage, fraction: bar.progress(fraction, t(stage)))
    cut, measured = lengths.count_cut(chosen.id, base, source, target), found.rows
    bar.empty()
    key = "datasets.cut" if cut else "datasets.none_cut"
    st.markdown(t(key, cut=f"{cut:,}", rows=f"{measured:,}", share=f"{cut / measured:.1%}"))
    if measured < chosen.rows:
        st.caption(t("datasets.sampled", sample=f"{measured:,}"))
    if not found.target:
        return
    if len(found.target) != measured:
        st.caption(t("datasets.by_answer", answers=f"{len(found.target):,}"))
    questions, answers = st.columns(2)
    with questions:
        draw_length("question", found.source, t("settings.unit.tokens"), source)
    with answers:
        draw_length("answer", found.target, t("settings.unit.tokens"), target)


def draw_length(part: str, values: list[int], unit: str, limit: int | None = None) -> None:
    """One sentence and one picture of the lengths of questions or answers."""
    st.markdown(t(f"datasets.lengths.{part}", middle=sorted(values)[len(values) // 2], longest=max(values), unit=unit))
    st.plotly_chart(figures.lengths_figure(values, unit, limit), key=f"lengths-{part}", config=charts.CONFIG)


def draw_edit(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """Rows in a table, page by page; saved when every one of them can be used."""
    if chosen.bundled:
        st.markdown(t("datasets.edit_copy"))
        if st.button(t("datasets.copy"), icon=":material/content_copy:", key="edit-copy"):
            keep_own(chosen)
        return
    st.caption(t("datasets.edit_help"))
    start = draw_pages(len(rows), EDITED, f"edit-page-{chosen.id}")
    end = start + EDITED
    names = {name: st.column_config.TextColumn(t(f"datasets.column.{name}")) for name in export.COLUMNS}
    edited = st.data_editor(
        export.table(rows[start:end]),
        num_rows="dynamic",
        column_config=names,
        hide_index=True,
        key=f"edit-{chosen.sha256}-{start}",
    )
    if st.button(t("datasets.save"), icon=":material/save:", key="save"):
        changed = [*rows[:start], *export.from_table(edited, start), *rows[end:]]
        library.replace_rows(chosen.id, changed, expected=chosen.sha256)
        ui.note("audit.data.edit", chosen.name)
        st.toast(t("datasets.saved"))
        st.rerun()
