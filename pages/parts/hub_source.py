"""The hub that something is taken from: which, the address of a mirror, an access token."""

import os

import streamlit as st

from glm_core.i18n import t
from pages.parts import widgets

SOURCES = ("modelscope", "huggingface", "mirror")


def draw(keys: str = "", warn: bool = False) -> tuple[str, str, str]:
    """Draw the choice; returns the kind of hub, its address ("" for the official one) and the access token.

    Args:
        keys: what the widgets' keys begin with.
        warn: say what a mirror could do with what is taken from it.
    """
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.segmented_control(
        t("download.from"),
        SOURCES,
        default=SOURCES[0],
        required=True,
        key=f"{keys}from",
        format_func=lambda one: t(f"download.from.{one}"),
    )
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        with st.popover(t("download.token"), icon=":material/key:", key=f"{keys}token_box"):
            token = widgets.secret_input(t("download.token"), key=f"{keys}token", help=t("download.token_help"))
    return "modelscope" if chosen == "modelscope" else "huggingface", _draw_mirror(keys, warn, chosen), token


def _draw_mirror(keys: str, warn: bool, chosen: str) -> str:
    """The address of a mirror, where one is chosen."""
    if chosen != "mirror":
        return ""
    endpoint = st.text_input(
        t("download.endpoint"),
        os.environ.get("HF_ENDPOINT", ""),
        key=f"{keys}endpoint",
        placeholder="https://hf-mirror.com",
        help=t("download.endpoint_help"),
    )
    if warn:
        st.caption(t("download.mirror_warning"))
    return endpoint.strip() or "https://"  # none given is refused, and not the official hub
