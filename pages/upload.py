"""Upload: is this the data I mean? A file or pasted text is read, mapped and checked; only then is it kept.

The address may name the data set that it is to replace (`?set=`). The data page hands its file over in the session.
"""

from pathlib import PurePath

import pandas as pd
import streamlit as st

from glm_core import ui
from glm_core.data import TEMPLATES, library
from glm_core.data.examples import ReadResult
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts import widgets
from pages.parts.datasets import (
    as_seen,
    column_mapping,
    conversation,
    file_reading,
    from_hub,
    reading_notices,
    several_files,
)

LISTED, SHORT, SHOWN = 100, 8, 3
PROBLEMS_HEIGHT = 440  # pixels; a longer table scrolls by itself


def bring_in() -> tuple[bytes, str] | None:
    """The file or the pasted text, once there is one. Several files, or a data set of a hub, begin the page anew."""
    opened = "hub" in st.query_params or "hub_set" in st.session_state
    with st.expander(t("datasets.from_hub"), icon=":material/cloud_download:", expanded=opened):
        from_hub.draw_hub()
    limit = st.get_option("server.maxUploadSize")
    widgets.name_uploader(t("datasets.browse"))
    files = st.file_uploader(
        t("datasets.upload"), key="brought", help=t("datasets.upload_help", limit=limit), accept_multiple_files=True
    )
    pasted = "" if files else draw_paste()
    if len(files) > 1:
        st.session_state.incoming_files = [(file.getvalue(), file.name) for file in files]
        st.rerun()
    if files:
        return files[0].getvalue(), files[0].name
    return (pasted.encode(), t("datasets.pasted") + ".txt") if pasted.strip() else None


def draw_paste() -> str:
    """The text that was pasted instead of a file."""
    words = t("datasets.paste_help")
    return st.text_area(t("datasets.paste"), key="pasted", height=200, placeholder=words)


def draw_result(result: ReadResult) -> None:
    """Share of the file that can be used, and one live example or the raw rows."""
    kind = "template" if result.layout in TEMPLATES else "layout"
    good, bad = f"{len(result.examples):,}", f"{len(result.problems):,}"
    st.markdown(t("datasets.found", layout=t(f"data.{kind}.{result.layout}"), good=good, bad=bad))
    reading_notices.draw_notices(result.notices)
    if result.examples:
        for place, example in enumerate(result.examples[:SHOWN]):
            with st.container(border=True, key=f"live-example-{place}" if place else "live-example", gap=None):
                conversation.draw(example.messages)
        as_seen.draw(list(result.examples[:SHOWN]))
    elif not column_mapping.waits_for_name(result):
        raw = [{name: str(value)[:200] for name, value in row.items()} for row in result.sample]
        st.dataframe(raw, hide_index=True, key="raw")


def draw_keep(result: ReadResult) -> None:
    """Save the good rows: as a new set, in place of the rows of the set that is being replaced, or behind them."""
    usual = library.unused_name(PurePath(result.file).stem)
    name = old.name if old else st.text_input(t("datasets.name"), usual, max_chars=library.MAX_NAME, key="keep-as")
    key = "append_rows" if appending else "replace_with" if old else "keep"
    word = t(f"datasets.{key}", rows=f"{len(result.examples):,}", name=literal(name))
    if st.button(word, type="primary", key="keep"):
        with st.spinner(t("datasets.saving")):
            kept = keep(result, name)
        leave(kept.id)


def keep(result: ReadResult, name: str) -> library.Dataset:
    """Put the rows into the library, and note it."""
    ui.note("audit.data.edit" if old else "audit.data.add", name)
    told = {"source": st.session_state.get("incoming_source") or result.file, "notices": result.notices}
    if old and appending:
        return library.append(old.id, result.examples, **told)
    if old:
        return library.replace_rows(old.id, result.examples, **told)
    return library.add(name, result.examples, **told)


def draw_problems(result: ReadResult) -> None:
    """The first hundred problems, each with its line and field; a table whose sentences wrap, for a phone too."""
    if not result.problems:
        return
    heads = (t("datasets.line"), t("datasets.field"), t("datasets.problem"))
    listed = [(f"{one.line:,}", literal(one.field), literal(one.message)) for one in result.problems[:LISTED]]
    with st.container(height=PROBLEMS_HEIGHT if len(listed) > SHORT else "content", border=False):
        st.table(pd.DataFrame(listed, columns=heads).set_index(heads[0]))
    if len(result.problems) > LISTED:
        st.caption(t("datasets.first_problems", shown=LISTED, all=f"{len(result.problems):,}"))


def leave(id: str | None) -> None:
    """Back to the data page, with nothing left of the file."""
    for kept in ("incoming", "incoming_files", "incoming_source", "read", "read_files", "hub_set", "hub_look"):
        st.session_state.pop(kept, None)
    ui.go("datasets", **({"set": id} if id else {}))


def replaced() -> library.Dataset | None:
    """The set whose rows the file is to replace or to follow, if the address names one that can be changed."""
    try:
        dataset = library.get(st.query_params["set"]) if "set" in st.query_params else None
    except EasyError:
        return None
    return dataset if dataset and not dataset.bundled else None


ui.begin("upload")
old = replaced()
appending = old is not None and "append" in st.query_params
handed = st.session_state.get("incoming")
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title(literal(handed[1]) if handed else t("page.upload"), anchor=False)
    if st.button(t("datasets.cancel"), key="cancel"):
        leave(old.id if old else None)
if old:
    st.caption(t("datasets.appending" if appending else "datasets.replacing", name=literal(old.name)))
several = st.session_state.get("incoming_files")
if several:
    with ui.guarded():
        if kept_sets := several_files.draw_several(several, old, appending):
            leave(kept_sets[0].id)
brought = None if several else handed or bring_in()
if brought:
    with ui.guarded():
        if not file_reading.readable(*brought):
            st.stop()
        result = column_mapping.draw_choices(*brought)
        draw_result(result)
        if result.layout == "mapped" and not result.problems:
            found = file_reading.read(*brought, None, {}, file_reading.plain_options(brought[1]))
            if found.examples or len(found.problems) > 1:  # else it says only that nobody had chosen columns
                st.caption(t("datasets.before_mapping"))
                draw_problems(found)
        if result.examples:
            draw_keep(result)
        draw_problems(result)
