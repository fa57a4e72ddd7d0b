"""Reading of a file on the upload page: once for each choice, with progress, in the encoding that the reader chose."""

import streamlit as st

from glm_core import i18n, ui
from glm_core.data import ReadOptions
from glm_core.data.examples import ReadResult
from glm_core.data.readers import isolated
from glm_core.data.readers.formats import legacy_encodings
from glm_core.errors import EasyError
from glm_core.i18n import t


def read(
    content: bytes, file: str, template: str | None, mapping: dict, options: ReadOptions | None = None
) -> ReadResult:
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
