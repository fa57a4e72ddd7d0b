"""Accounts: who may come in and do what, whether guests may, and what was changed by whom."""

import streamlit as st

from glm_core import ui
from glm_core.auth import accounts, api_keys
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.accounts.audit_log import draw_audit
from pages.parts.accounts.edit_account import draw_account, draw_new
from pages.parts.accounts.guest_access import draw_guests
from pages.parts.accounts.own_password import draw_own_password

reader = ui.begin("accounts").account
st.title(t("page.accounts"), anchor=False)
ui.link("settings", t("page.settings"), icon=":material/arrow_back:")
if said := st.session_state.pop("keys_deleted", None):
    st.toast(said)

if reader != accounts.LOCAL:
    with st.expander(t("accounts.mine", name=literal(reader.name)), icon=":material/key:"):
        draw_own_password(reader)
if not reader.may("administrator"):
    st.stop()

keys = api_keys.counts()
for one in accounts.accounts():
    draw_account(one, reader, keys.get(one.id, 0))
with st.expander(t("accounts.add"), icon=":material/person_add:"):
    draw_new(reader)

st.subheader(t("accounts.guests"), anchor=False)
draw_guests(reader)

st.subheader(t("accounts.audit"), anchor=False)
st.markdown(t("accounts.audit_about"))
draw_audit()
