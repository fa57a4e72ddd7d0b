"""Accounts on their page: each with its role and what can be done to it, and the form for another one."""

import streamlit as st

from glm_core import ui
from glm_core.auth import accounts, sessions
from glm_core.auth.accounts import Account
from glm_core.i18n import t
from glm_core.markdown import literal

SECRET = {"type": "password", "max_chars": 200}


def describe_role(role: str) -> str:
    return t("accounts.role_is", name=t(f"role.{role}"), about=t(f"role.about.{role}"))


def draw_account(one: Account, reader: Account, keys: int) -> None:
    """One account with its number of API keys: its role, and behind a button what can be done to it."""
    with st.container(horizontal=True, vertical_alignment="center", border=True, key=f"account-{one.id}"):
        st.markdown(f"**{literal(one.name)}**", width="stretch")
        st.caption(t(f"role.{one.role}"), width="content")
        with st.popover(
            "", icon=":material/more_horiz:", help=t("accounts.change"), type="tertiary", key=f"more-{one.id}"
        ):
            draw_changes(one, reader, keys)


def draw_changes(one: Account, reader: Account, keys: int) -> None:
    """Role, password, sessions and the end of an account."""
    key = f"role-{one.id}-{one.role}"  # another chooser once somebody else has changed the role
    st.session_state.setdefault(key, one.role)
    ui.keep_widget(key)
    role = st.selectbox(t("accounts.role"), accounts.ROLES, format_func=describe_role, key=key)
    # outside a form a browser sends a password with the Enter key only; one that stays would be set again with the next change
    with st.form(f"change-{one.id}", border=False, clear_on_submit=True):
        password = st.text_input(
            t("accounts.new_password"), key=f"password-{one.id}", **SECRET, placeholder=accounts.password_rule()
        )
        if keys and one.id != reader.id:  # one's own go only with a lower role
            st.caption(t("accounts.keys_go", count=keys))
        asked = st.form_submit_button(t("accounts.save"), key=f"save-{one.id}")
    if asked:
        with ui.guarded():
            save_changes(one, reader, role, password)
            st.rerun()
    if st.button(t("accounts.sign_out"), key=f"out-{one.id}", type="tertiary"):
        with ui.guarded():
            sessions.close_sessions(one, by=reader.name)
            st.toast(t("accounts.signed_out", name=literal(one.name)))
    if st.button(t("accounts.remove"), key=f"remove-{one.id}", type="tertiary", icon=":material/delete:"):
        with ui.guarded():
            accounts.remove(one, by=reader.name)
            st.rerun()


def save_changes(one: Account, reader: Account, role: str, password: str) -> None:
    """Set the password, unless it is empty, and the role; what became of keys is said on the page's next run."""
    deleted = accounts.set_password(one, password, by=reader.name) if password else 0
    if role != one.role:
        deleted += accounts.set_role(one, role, by=reader.name)
    if deleted:  # a toast of a run that is broken off may be lost
        st.session_state.keys_deleted = t("accounts.keys_deleted", count=deleted, name=literal(one.name))


def draw_new(reader: Account) -> None:
    """The form for another account."""
    st.session_state.setdefault("new-role", "trainer")
    ui.keep_widget("new-role")
    with st.form("new", clear_on_submit=False):
        name = st.text_input(t("signin.name"), max_chars=32, key="new-name")
        password = st.text_input(
            t("accounts.first_password"), key="new-password", **SECRET, placeholder=accounts.password_rule()
        )
        role = st.selectbox(
            t("accounts.role"), accounts.ROLES, format_func=describe_role, key="new-role", help=t("accounts.role_help")
        )
        made = st.form_submit_button(t("accounts.create"), type="primary")
    if made:
        with ui.guarded():
            accounts.create(name, password, role, by=reader.name)
            st.rerun()
