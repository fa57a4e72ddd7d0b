"""The data page's chosen set: what can be done with it, and the form of the imprint."""

from collections.abc import Sequence

import streamlit as st

from glm_core import ui
from glm_core.data import Example, export, library, xlsx_job
from glm_core.i18n import t
from pages.parts import stored_value
from pages.parts.datasets import xlsx_download


def show(id: str) -> None:
    """Choose the set `id` from the next run on; with an empty one any that there is."""
    st.session_state.chosen_next = id
    st.rerun()


def draw_imprint() -> list[Example]:
    """The form of the imprint; its rows change as one types. The names are in the address, and so outlive a refresh."""
    for part, usual, column in zip(("name", "author"), library.IMPRINT, st.columns(2), strict=True):
        column.text_input(
            t(f"datasets.imprint_{part}"),
            placeholder=usual,
            max_chars=40,
            live=True,
            key=f"imprint_{part}",
            bind="query-params",
        )
    return library.imprint(*imprint_names())


def imprint_names() -> list[str]:
    """Assistant and author in the form; what is left blank is the example's."""
    typed = (st.session_state.get(f"imprint_{part}", "").strip() for part in ("name", "author"))
    return [name or usual for name, usual in zip(typed, library.IMPRINT, strict=True)]


def own(chosen: library.Dataset) -> str:
    """The id of `chosen`; of the imprint, that of the set with the reader's names."""
    return keep_imprint(*imprint_names()) if chosen.id == "imprint" else chosen.id


def keep_imprint(name: str, author: str) -> str:
    """The id of the imprint with these names, which is made, and noted, where it is not there yet."""
    known = {one.id for one in library.datasets()}
    kept = library.keep_imprint(name, author)
    if kept.id not in known:
        ui.note("audit.data.add", kept.name)
    return kept.id


def keep_own(chosen: library.Dataset) -> None:
    """Make the bundled set `chosen` one of the reader's own, and show it."""
    if chosen.id == "imprint":
        show(own(chosen))
    kept = library.copy(chosen.id)
    ui.note("audit.data.add", kept.name)
    show(kept.id)


def draw_actions(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """Train with it, take it away, divide it, change it."""
    with st.container(horizontal=True, key="actions"), ui.guarded():
        if st.button(t("datasets.train"), type="primary", icon=":material/play_arrow:", key="train"):
            ui.go("training", dataset=own(chosen))
        with st.popover(t("datasets.export"), icon=":material/download:", key=f"exports-{xlsx_download.asked()}"):
            draw_exports(chosen, rows)
        with st.popover(t("datasets.split"), icon=":material/call_split:", key=f"split-{chosen.id}"):
            share = st.slider(t("datasets.share"), 1, 50, 10, format="%d%%", help=t("datasets.share_help"), key="share")
            if st.button(t("datasets.split_now"), key="split"):
                train, _validation = library.split(own(chosen), share / 100)
                ui.note("audit.data.add", train.name)
                show(train.id)
        if st.button(t("drafting.reword"), icon=":material/edit_note:", key="reword", help=t("drafting.reword_help")):
            ui.go("documents", set=own(chosen))
        if not chosen.bundled:
            with st.popover(t("datasets.more"), icon=":material/more_horiz:"):
                draw_more(chosen)
        elif st.button(t("datasets.copy"), icon=":material/content_copy:", key="copy"):
            keep_own(chosen)
    xlsx_download.draw_sheet(chosen)


def draw_exports(chosen: library.Dataset, rows: Sequence[Example]) -> None:
    """A file of each format, made when it is asked for; the Excel file of a large set is prepared first."""
    formulas = export.count_formulas(rows) if chosen.id == "imprint" else library.formulas(chosen.id)
    quote = formulas > 0 and st.toggle(
        t("datasets.quote_formulas", count=formulas), True, help=t("datasets.quote_formulas_help"), key="quote"
    )
    for format in export.FORMATS:
        if format == "xlsx" and chosen.rows > xlsx_job.LARGE:
            xlsx_download.draw_request(chosen, rows)
        else:
            st.download_button(
                format,
                lambda format=format: export.export(rows, format, quote),
                key=f"export-{format}",
                file_name=f"{chosen.id}.{format}",
                on_click="ignore",
                width="stretch",
            )


def draw_more(chosen: library.Dataset) -> None:
    """Another name, another file, deletion."""
    stored_value.show(f"name-{chosen.id}", chosen.name)
    name = st.text_input(t("datasets.name"), max_chars=library.MAX_NAME, key=f"name-{chosen.id}")
    if name != chosen.name:
        library.rename(chosen.id, name)
        ui.note("audit.data.rename", f"{chosen.name} → {name}")
        st.rerun()
    help = t("datasets.append_help")
    if st.button(t("datasets.append"), icon=":material/playlist_add:", help=help, key="append", width="stretch"):
        ui.go("upload", set=chosen.id, append="1")
    help = t("datasets.replace_help")
    if st.button(t("datasets.replace"), icon=":material/swap_horiz:", help=help, key="replace", width="stretch"):
        ui.go("upload", set=chosen.id)
    if st.checkbox(t("datasets.delete_sure"), key=f"sure-{chosen.id}"):
        if st.button(t("datasets.delete"), icon=":material/delete:", key="delete", width="stretch"):
            library.remove(chosen.id)
            ui.note("audit.data.remove", chosen.name)
            show("")
