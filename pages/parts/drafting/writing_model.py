"""The model that writes drafts: one of this program, or a server elsewhere."""

import streamlit as st

from glm_core import state, ui
from glm_core.i18n import t
from pages.parts import widgets

SERVER = ""
"In place of a model's name: a server elsewhere."


def draw_model() -> tuple[str, str, str]:
    """The model that writes: its name, the address of a server ("" for a model of this program), and the server's key."""
    names = {one.name: one.title for one in state.engine().catalogue()}
    options = [*names] + ([SERVER] if may_name_server() else [])
    chosen = st.selectbox(
        t("drafting.model"),
        options,
        key="model",
        help=t("drafting.model_help"),
        format_func=lambda name: names[name] if name else t("drafting.server"),
    )
    if chosen != SERVER:
        return chosen or "", "", ""
    address, key, model = st.columns(3)
    given = address.text_input(t("drafting.address_label"), key="address", placeholder="https://host/v1")
    with key:
        secret = widgets.secret_input(t("drafting.key"), key="server_key", help=t("drafting.key_help"))
    named = model.text_input(t("drafting.server_model"), key="server_model", help=t("drafting.server_model_help"))
    return named.strip(), given.strip() or "https://", secret


def may_name_server() -> bool:
    """Return whether the reader may have this server ask another one: while shared, administrators only."""
    account = ui.visitor()
    return not state.sharing().on or (account is not None and account.may("administrator"))
