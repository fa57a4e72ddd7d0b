"""Accounts: who may come in and do what, whether guests may, and what was changed by whom."""

import pandas as pd
import streamlit as st

from glm_core import i18n, ui
from glm_core.auth import accounts, api_keys
from glm_core.auth.accounts import Account
from glm_core.chat import guests
from glm_core.i18n import t
from glm_core.markdown import literal, unique_labels
from glm_core.runs import store
from glm_core.serving import served_models
from pages.parts import stored_value

AUDIT_HEIGHT = 360
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
            accounts.close_sessions(one, by=reader.name)
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


def draw_guests(reader: Account) -> None:
    """Settings of guests: if they come in, the models they may chat with, the days their messages are stored."""
    stored_value.show("open-guest", accounts.open_guest())
    let_in = st.toggle(t("accounts.open_guest"), help=t("accounts.open_guest_help"), key="open-guest")
    if let_in != accounts.open_guest():
        accounts.set_open_guest(let_in, by=reader.name)
        st.rerun()
    runs = {choice.name: choice for choice in served_models.catalogue() if choice.tuned}
    labels = {id: f"{choice.title} · {choice.base.name}" for id, choice in runs.items()}
    labels = unique_labels(labels, {id: ui.local_time(choice.created) for id, choice in runs.items()})
    published = guests.published()
    given = [id for id in runs if id in published]
    stored_value.show("guest-runs", given)
    chosen = st.multiselect(
        t("accounts.guest_runs"),
        list(runs),
        format_func=labels.get,
        key="guest-runs",
        help=t("accounts.guest_runs_help"),
        placeholder=t("accounts.guest_runs_none"),
        select_all=False,
    )
    if set(chosen) != set(given):
        guests.publish(chosen, by=reader.name)
        st.rerun()
    stored_value.show("guest-days", guests.days())
    days = st.number_input(
        t("accounts.guest_days"),
        *guests.DAYS_RANGE,
        key="guest-days",
        width=240,
        help=t("accounts.guest_days_help"),
    )
    if days != guests.days():
        guests.set_days(days, by=reader.name)
        st.rerun()


def described(entry: dict) -> str:
    """Object of an action in words: an option's value, runs by name, an account with the role it got, or had and got."""
    if entry["action"] == "audit.option.share":
        return t(f"accounts.audit.{entry['target']}") if entry["target"] in ("on", "off") else entry["target"]
    if entry["action"] == "audit.option.guest_runs":
        names = {run.id: run.name for run in store.runs()}
        given = [names.get(id, id) for id in guests.ids_of(entry["target"])]
        return i18n.join(given, "item") or t("accounts.audit.none")
    roles = [t(f"role.{role}") for role in (entry["was"], entry["became"]) if role]
    if len(roles) == 2:
        return f"{entry['target']}: {' → '.join(roles)}"
    return f"{entry['target']} ({roles[0]})" if roles else entry["target"]


def draw_audit() -> None:
    """Table of the changes, by whom and when, newest first."""
    named = i18n.table(i18n.current())
    rows = [
        (
            ui.local_time(one["time"]),
            accounts.title_of(one["who"]),
            named.get(one["action"], one["action"]),
            described(one),
            one["address"],
        )
        for one in accounts.audit()
    ]
    if not rows:
        st.caption(t("accounts.audit_none"))
        return
    columns = [t(f"accounts.audit.{name}") for name in ("when", "who", "action", "target", "address")]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, height=AUDIT_HEIGHT)


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
