"""The API on the settings page: the reader's keys, and the lines that call it."""

import streamlit as st

from glm_core import state, ui
from glm_core.api import openapi
from glm_core.auth import accounts, api_keys
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts import widgets


def draw_examples(key: str) -> None:
    """The two ways to call the API, with the address that others use while it is shared, and `key`, which is empty where none is needed."""
    values = {
        "base": [*ui.shared_addresses(), ui.address()][0],
        "model": openapi.example_model(state.engine()),
        "key": key,
    }
    shell, script = st.tabs(["curl", "Python"])
    shell.code(openapi.curl_example(**values), language="bash", wrap_lines=True)
    script.code(openapi.python_example(**values), language="python", wrap_lines=True)


def draw_keys(account: accounts.Account) -> str:
    """The reader's keys and the form for a new one; returns the secret of the newest while it is shown, else a word in its place."""
    with st.form("new-key", clear_on_submit=True), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(t("settings.key_name"), max_chars=40, placeholder=t("settings.key_example"))
        limit = st.number_input(
            t("settings.key_limit"), value=api_keys.DEFAULT_LIMIT, help=t("settings.key_limit_help")
        )
        made = st.form_submit_button(t("settings.key_make"))
    secret = ""
    if made and widgets.checked_number(t("settings.key_limit"), *api_keys.LIMITS, limit):
        with ui.guarded():
            _key, secret = api_keys.create(account, name, int(limit))
            st.success(t("settings.key_made"), icon=":material/key:")
            st.code(secret, language=None)
    for key in api_keys.keys(account):
        draw_key(account, key)
    return secret or t("settings.key_here")


def draw_key(account: accounts.Account, key: api_keys.Key) -> None:
    """One key: its name, its last signs, its use, and the end of it."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"key-{key.id}"):
        st.markdown(f"**{literal(key.name)}** `…{key.tail}`", width="content")
        used = t("settings.key_used", when=ui.local_time(key.used)) if key.used else t("settings.key_unused")
        st.caption(f"{t('settings.key_pace', limit=key.per_minute)} · {used}")
        if st.button(
            "", icon=":material/delete:", help=t("settings.key_revoke"), key=f"revoke-{key.id}", type="tertiary"
        ):
            api_keys.revoke(account, key.id)
            st.rerun()
