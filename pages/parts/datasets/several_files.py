"""The upload page's reading of several files at once: each read as by itself, kept as one set or as several."""

from pathlib import PurePath

import pandas as pd
import streamlit as st

from glm_core import i18n, ui
from glm_core.data import TEMPLATES, ReadOptions, ReadResult, library
from glm_core.data.readers import isolated
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.datasets import conversation, reading_notices

File = tuple[bytes, str]


def draw_several(files: list[File], old: library.Dataset | None, appending: bool) -> list[library.Dataset] | None:
    """What each file gives, and the button that keeps them; returns the sets once they are kept.

    Args:
        old: the set that the rows are appended to, or replace; None for new sets.
    """
    results = read_all(files)
    draw_table(results)
    good = [one for one in results.values() if isinstance(one, ReadResult) and one.examples]
    for result in good:
        with st.expander(literal(result.file), icon=":material/description:", expanded=bool(result.notices)):
            conversation.draw(result.examples[0].messages)
            reading_notices.draw_notices(result.notices)
    if len(good) < len(results):
        st.caption(t("datasets.map_alone"))
    if not good:
        return None
    together = old is not None or len(good) == 1 or draw_choice() == "one"
    usual = PurePath(good[0].file).stem[: library.MAX_NAME]
    name = usual
    if together and old is None:
        name = st.text_input(t("datasets.name"), usual, max_chars=library.MAX_NAME, key="keep-as")
    rows = f"{sum(len(one.examples) for one in good):,}"
    key = "append_rows" if appending else "replace_with" if old else "keep_files"
    word = t(f"datasets.{key}", rows=rows, name=literal(old.name if old else name))
    if not st.button(word, type="primary", key="keep"):
        return None
    with st.spinner(t("datasets.saving")):
        return [keep_together(good, name, old, appending)] if together else [keep_one(one) for one in good]


def draw_choice() -> str:
    """One set or several: "one" or "several"."""
    return st.segmented_control(
        t("datasets.add_files_as"),
        ("one", "several"),
        default="one",
        required=True,
        key="files-as",
        format_func=lambda one: t(f"datasets.as_{one}"),
    )


def read_all(files: list[File]) -> dict[str, ReadResult | EasyError]:
    """Every file read with progress, once for each language; two files of one name are told apart."""
    key = (tuple((file, hash(content)) for content, file in files), i18n.current())
    if st.session_state.get("read_files", (None,))[0] != key:
        bar, results = st.progress(0.0), {}
        for place, (content, file) in enumerate(files):
            bar.progress(place / len(files), literal(file))
            label = file if file not in results else f"{file} ({place + 1})"
            try:
                results[label] = isolated.read_bytes(content, file, options=ReadOptions(reasoning=True))
            except EasyError as error:
                results[label] = error
        bar.empty()
        st.session_state.read_files = key, results
    return st.session_state.read_files[1]


def draw_table(results: dict[str, ReadResult | EasyError]) -> None:
    """A line a file: its layout, the rows that can be used, those that cannot, or why it cannot be read."""
    heads = [t(f"datasets.{name}") for name in ("file", "layout", "usable", "problems")]
    table = pd.DataFrame([line(file, result) for file, result in results.items()], columns=heads)
    st.table(table.set_index(heads[0]))


def line(file: str, result: ReadResult | EasyError) -> tuple[str, str, str, str]:
    """The cells of one file."""
    if not isinstance(result, ReadResult):
        return literal(file), literal(str(result)), "0", ""
    kind = "template" if result.layout in TEMPLATES else "layout"
    first = f" · {result.problems[0]}" if result.problems else ""
    counts = f"{len(result.examples):,}", f"{len(result.problems):,}{first}"
    return literal(file), t(f"data.{kind}.{result.layout}"), counts[0], literal(counts[1])


def keep_together(good: list[ReadResult], name: str, old: library.Dataset | None, appending: bool) -> library.Dataset:
    """One set of all rows, or all rows behind those of `old` or in their place."""
    rows = [example for result in good for example in result.examples]
    notices = [notice for result in good for notice in result.notices]
    source = " + ".join(result.file for result in good)[: library.MAX_SOURCE]
    if old is not None and appending:
        kept = library.append(old.id, rows, source=source, notices=notices)
    elif old is not None:
        kept = library.replace_rows(old.id, rows, source=source, notices=notices)
    else:
        kept = library.add(name, rows, source=source, notices=notices)
    ui.note("audit.data.edit" if old else "audit.data.add", kept.name)
    return kept


def keep_one(result: ReadResult) -> library.Dataset:
    """A set of one file's rows, called as the file."""
    name = PurePath(result.file).stem[: library.MAX_NAME]
    kept = library.add(name, result.examples, source=result.file, notices=result.notices)
    ui.note("audit.data.add", kept.name)
    return kept
