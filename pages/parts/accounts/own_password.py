"""The reader's own password on the page of accounts."""

import streamlit as st

from glm_core import ui
from glm_core.auth import accounts, api_keys
from glm_core.auth.accounts import Account
from glm_core.i18n import t
from pages.parts.accounts.edit_account import SECRET


def draw_own_password(reader: Account) -> None:
    """Change one's own password, which signs one out everywhere."""
    with st.form("own-password"):
        old = st.text_input(t("accounts.old_password"), key="own-old", **SECRET)
        new = st.text_input(t("accounts.own_password"), key="own-new", **SECRET, placeholder=accounts.password_rule())
        again = st.text_input(t("signin.again"), key="own-again", **SECRET)
        count = len(api_keys.keys(reader))
        label, help = t("accounts.delete_keys", count=count), t("accounts.delete_keys_help")
        delete_keys = bool(count) and st.checkbox(label, key="own-keys", help=help)
        asked = st.form_submit_button(t("accounts.change_password"), help=t("accounts.change_password_help"))
    if asked and new != again:
        st.error(t("signin.differ"), icon=":material/error:")
    elif asked and accounts.check(reader.name, old) is None:
        st.error(t("signin.wrong"), icon=":material/error:")
    elif asked:
        with ui.guarded():
            accounts.set_password(reader, new, delete_keys=delete_keys)
            st.rerun()
