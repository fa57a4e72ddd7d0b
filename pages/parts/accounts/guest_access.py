"""Guests on the page of accounts: whether they come in, the models they may chat with, the days their messages are stored."""

import streamlit as st

from glm_core import ui
from glm_core.auth import accounts
from glm_core.auth.accounts import Account
from glm_core.chat import guests
from glm_core.i18n import t
from glm_core.markdown import unique_labels
from glm_core.serving import served_models
from pages.parts import stored_value, widgets


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
    days = widgets.number_input(
        t("accounts.guest_days"),
        *guests.DAYS_RANGE,
        key="guest-days",
        width=240,
        help=t("accounts.guest_days_help"),
    )
    if days is not None and days != guests.days():
        guests.set_days(days, by=reader.name)
        st.rerun()
