"""Data sets: will my data train well? The list on the left; on the right the chosen set in four views."""

import time

import streamlit as st

from glm_core import ui
from glm_core.data import Example, analysis, exporting, lengths, library, pictures
from glm_core.serving import catalogue
from glm_core.serving.display import literal, told_apart
from glm_core.text import say as t
from glm_core.training.settings import TrainingSettings

SHOWN, EDITED, LISTED = 8, 50, 100
LIST_HEIGHT, ROW_HEIGHT = 440, 52  # pixels; a longer list scrolls by itself
CHART = {"displayModeBar": False}


def draw_list() -> None:
    """The sets to choose from, and the two ways to bring in another."""
    captions = [t("datasets.caption", rows=f"{one.rows:,}", source=literal(one.source)) for one in sets.values()]
    if sets:
        labels = told_apart({id: one.name for id, one in sets.items()}, {id: ui.local_time(one.created) for id, one in sets.items()})
        height = LIST_HEIGHT if len(sets) * ROW_HEIGHT > LIST_HEIGHT else "content"
        st.container(height=height, border=False).radio(
            t("page.datasets"), list(sets), key="set", captions=captions, label_visibility="collapsed",
            format_func=lambda id: literal(labels[id]),
        )  # fmt: skip
    for id in library.damaged():
        with st.container(horizontal=True, vertical_alignment="center", key=f"damaged-{id}"), ui.guarded():
            st.markdown(f":red[{literal(t('datasets.damaged', id=id))}]")
            if st.button("", icon=":material/delete:", help=t("datasets.delete"), key=f"delete-{id}", type="tertiary"):
                library.remove(id)
                ui.note("audit.data.remove", id)
                st.rerun()
    limit = st.get_option("server.maxUploadSize")
    ui.name_uploader(t("datasets.browse"))
    file = st.file_uploader(t("datasets.upload"), key="file", help=t("datasets.upload_help", limit=limit))
    if file:
        st.session_state.incoming = file.getvalue(), file.name
        ui.go("upload")
    if st.button(t("datasets.paste"), icon=":material/content_paste:", key="paste", width="stretch"):
        ui.go("upload")


def show(id: str) -> None:
    """Choose the set `id` from the next run on."""
    st.session_state.chosen_next = id
    st.rerun()


def draw_set(chosen: library.Dataset) -> None:
    """Name, what can be done with it, and four views of its rows."""
    st.subheader(literal(chosen.name), anchor=False)
    created, sha = time.strftime("%Y-%m-%d %H:%M", time.localtime(chosen.created)), chosen.sha256[:12]
    st.caption(t("datasets.about", rows=f"{chosen.rows:,}", source=literal(chosen.source), created=created, sha=sha))
    rows = draw_imprint() if chosen.id == "imprint" else library.examples(chosen.id)
    draw_actions(chosen, rows)
    views = {"rows": draw_rows, "lengths": draw_lengths, "check": draw_check, "edit": draw_edit}
    tabs = st.tabs([t(f"datasets.view.{view}") for view in views], on_change="rerun", key="view")
    for draw, tab in zip(views.values(), tabs, strict=True):
        if tab.open:
            with tab, ui.guarded():
                draw(chosen, rows)


def draw_imprint() -> list[Example]:
    """The form of the imprint; its rows change as one types."""
    for part, usual, column in zip(("name", "author"), library.IMPRINT, st.columns(2), strict=True):
        column.text_input(t(f"datasets.imprint_{part}"), usual, max_chars=40, live=True, key=f"imprint_{part}",
                          persist_state="session")  # fmt: skip
    return library.imprint(*imprint_names())


def imprint_names() -> list[str]:
    """Assistant and author in the form; what is left blank is the example's."""
    typed = (st.session_state.get(f"imprint_{part}", "").strip() for part in ("name", "author"))
    return [name or usual for name, usual in zip(typed, library.IMPRINT, strict=True)]


def own(chosen: library.Dataset) -> str:
    """The id of `chosen`; of the imprint, that of the set with the reader's names."""
    return library.keep_imprint(*imprint_names()).id if chosen.id == "imprint" else chosen.id


def draw_actions(chosen: library.Dataset, rows: list[Example]) -> None:
    """Train with it, take it away, divide it, change it."""
    with st.container(horizontal=True, key="actions"), ui.guarded():
        if st.button(t("datasets.train"), type="primary", icon=":material/play_arrow:", key="train"):
            ui.go("training", dataset=own(chosen))
        with st.popover(t("datasets.export"), icon=":material/download:"):
            for format in exporting.FORMATS:
                st.download_button(format, lambda format=format: exporting.export(rows, format), key=f"export-{format}",
                                   file_name=f"{chosen.id}.{format}", on_click="ignore", width="stretch")  # fmt: skip
        with st.popover(t("datasets.split"), icon=":material/call_split:"):
            share = st.slider(t("datasets.share"), 1, 50, 10, format="%d%%", help=t("datasets.share_help"), key="share")
            if st.button(t("datasets.split_now"), key="split"):
                show(library.split(own(chosen), share / 100)[0].id)
        if not chosen.bundled:
            with st.popover(t("datasets.more"), icon=":material/more_horiz:"):
                draw_more(chosen)
        elif st.button(t("datasets.copy"), icon=":material/content_copy:", key="copy"):
            show(own(chosen) if chosen.id == "imprint" else library.copy(chosen.id).id)


def draw_more(chosen: library.Dataset) -> None:
    """Another name, another file, deletion."""
    name = st.text_input(t("datasets.name"), chosen.name, max_chars=library.MAX_NAME, key=f"name-{chosen.id}")
    if name != chosen.name:
        library.rename(chosen.id, name)
        ui.note("audit.data.rename", f"{chosen.name} → {name}")
        st.rerun()
    help = t("datasets.replace_help")
    if st.button(t("datasets.replace"), icon=":material/swap_horiz:", help=help, key="replace", width="stretch"):
        ui.go("upload", set=chosen.id)
    if st.checkbox(t("datasets.delete_sure"), key=f"sure-{chosen.id}"):
        if st.button(t("datasets.delete"), icon=":material/delete:", key="delete", width="stretch"):
            library.remove(chosen.id)
            ui.note("audit.data.remove", chosen.name)
            st.rerun()


def draw_rows(chosen: library.Dataset, rows: list[Example]) -> None:
    """Rows as chat, page by page, those with the searched words."""
    search, pages = st.columns([3, 1], vertical_alignment="bottom")
    words = search.text_input(t("datasets.search"), type="search", key=f"search-{chosen.id}", live=True,
                              placeholder=t("datasets.search"), label_visibility="collapsed")  # fmt: skip
    found = analysis.search(rows, words)
    with pages:
        start = draw_pages(len(found), SHOWN, f"page-{chosen.id}-{words}")
    if words:
        st.caption(t("datasets.shown" if found else "datasets.nothing_found", rows=f"{len(found):,}"))
    for index in found[start : start + SHOWN]:
        with st.container(border=True, key=f"row-{index}", gap=None):
            st.caption(t("datasets.row", row=index + 1))
            ui.draw_messages(rows[index].messages)


def draw_pages(count: int, size: int, key: str) -> int:
    """Where the chosen page of `count` rows begins."""
    pages = -(-count // size)
    if pages < 2:
        return 0
    return size * (st.number_input(t("datasets.page", pages=f"{pages:,}"), 1, pages, key=key) - 1)


def draw_lengths(chosen: library.Dataset, rows: list[Example]) -> None:
    """How long questions and answers are in the tokens of a model, and what the limits would cut."""
    bases = {choice.name: choice.base for choice in catalogue.catalogue() if not choice.tuned}
    if not bases:
        counts = analysis.statistics(rows)
        st.caption(t("datasets.no_model"))
        draw_length("question", counts.question_lengths, t("datasets.characters"))
        draw_length("answer", counts.answer_lengths, t("datasets.characters"))
        return
    usual, (models, sources, targets) = TrainingSettings(), st.columns(3)
    base = bases[models.selectbox(t("datasets.model"), list(bases), key="tokens-of")]
    source = sources.number_input(t("datasets.max_source"), 4, 131_072, usual.max_source_length, key="max-source")
    target = targets.number_input(t("datasets.max_target"), 4, 131_072, usual.max_target_length, key="max-target")
    bar = st.progress(0.0, t("data.stage.encoding"))
    found = lengths.token_lengths(chosen.id, base, lambda stage, fraction: bar.progress(fraction, t(stage)))
    cut, measured = lengths.count_cut(chosen.id, base, source, target), len(found.source)
    bar.empty()
    key = "datasets.cut" if cut else "datasets.none_cut"
    st.markdown(t(key, cut=f"{cut:,}", rows=f"{measured:,}", share=f"{cut / measured:.1%}"))
    if measured < chosen.rows:
        st.caption(t("datasets.sampled", sample=f"{measured:,}"))
    questions, answers = st.columns(2)
    with questions:
        draw_length("question", found.source, "tokens", source)
    with answers:
        draw_length("answer", found.target, "tokens", target)


def draw_length(part: str, values: list[int], unit: str, limit: int | None = None) -> None:
    """One sentence and one picture of the lengths of questions or answers."""
    st.markdown(t(f"datasets.lengths.{part}", middle=sorted(values)[len(values) // 2], longest=max(values), unit=unit))
    st.plotly_chart(pictures.lengths_figure(values, unit, limit), key=f"lengths-{part}", config=CHART)


def draw_check(chosen: library.Dataset, rows: list[Example]) -> None:
    """Repeats, contradictions, over-long answers and the balance of labels."""
    with st.spinner(t("datasets.counting")):
        counts = analysis.statistics(rows) if chosen.id == "imprint" else library.statistics(chosen.id)
    tiles = {"rows": counts.rows, "turns": counts.turns, "repeated": len(counts.repeated),
             "contradicting": len(counts.contradicting), "long": len(counts.long)}  # fmt: skip
    if counts.turns == counts.rows:
        del tiles["turns"]
    with st.container(horizontal=True, key="counts"):
        for name, value in tiles.items():
            label, help = t(f"datasets.count.{name}"), t(f"datasets.count.{name}_help")
            st.metric(label, f"{value:,}", border=True, help=help, width=140)
    if counts.labels:
        st.markdown(t("datasets.labels", count=len(counts.labels)))
        st.plotly_chart(pictures.labels_figure(counts.labels), key="labels", config=CHART)
    draw_findings(analysis.findings(counts), rows)
    dropped = set(counts.repeated)
    if dropped and not chosen.bundled and st.button(t("datasets.drop_repeated", rows=len(dropped)), key="drop"):
        kept = [row for index, row in enumerate(rows) if index not in dropped]
        library.replace_rows(chosen.id, kept, expected=chosen.sha256)
        ui.note("audit.data.edit", chosen.name)
        st.rerun()


def draw_findings(found: list[tuple[int, str]], rows: list[Example]) -> None:
    """The rows worth a look, the first hundred."""
    if not found:
        st.markdown(t("datasets.all_well"))
        return
    names = [t(f"datasets.{name}") for name in ("row_number", "finding", "question", "answer")]
    cells = [(row + 1, t(kind), rows[row].question[:200], rows[row].answer[:200]) for row, kind in found[:LISTED]]
    st.dataframe([dict(zip(names, line, strict=True)) for line in cells], hide_index=True, key="findings")
    if len(found) > LISTED:
        st.caption(t("datasets.first_problems", shown=LISTED, all=f"{len(found):,}"))


def draw_edit(chosen: library.Dataset, rows: list[Example]) -> None:
    """Rows in a table, page by page; saved when every one of them can be used."""
    if chosen.bundled:
        st.markdown(t("datasets.edit_copy"))
        return
    st.caption(t("datasets.edit_help"))
    start = draw_pages(len(rows), EDITED, f"edit-page-{chosen.id}")
    end = start + EDITED
    names = {name: st.column_config.TextColumn(t(f"datasets.column.{name}")) for name in exporting.COLUMNS}
    edited = st.data_editor(exporting.table(rows[start:end]), num_rows="dynamic", column_config=names, hide_index=True,
                            key=f"edit-{chosen.sha256}-{start}")  # fmt: skip
    if st.button(t("datasets.save"), icon=":material/save:", key="save"):
        changed = [*rows[:start], *exporting.from_table(edited, start), *rows[end:]]
        library.replace_rows(chosen.id, changed, expected=chosen.sha256)
        ui.note("audit.data.edit", chosen.name)
        st.toast(t("datasets.saved"))
        st.rerun()


ui.begin("datasets")
st.session_state.pop("incoming", None)
sets = {one.id: one for one in library.datasets()}
asked = [st.session_state.pop("chosen_next", None), st.session_state.get("set"), st.query_params.get("set"), *sets]
st.session_state.set = next((id for id in asked if id in sets), None)
st.title(t("page.datasets"), anchor=False)
left, right = st.columns([1, 3], gap="large")
with left:
    draw_list()
with right:
    if sets:
        st.query_params["set"] = st.session_state.set
        with ui.guarded():
            draw_set(sets[st.session_state.set])
    else:
        st.markdown(t("datasets.none"))
