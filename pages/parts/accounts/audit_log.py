"""The audit log on the page of accounts: what was changed, by whom and when."""

import pandas as pd
import streamlit as st

from glm_core import i18n, ui
from glm_core.auth import accounts, audit
from glm_core.chat import guests
from glm_core.i18n import t
from glm_core.runs import store

AUDIT_HEIGHT = 360


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
        for one in audit.entries()
    ]
    if not rows:
        st.caption(t("accounts.audit_none"))
        return
    columns = [t(f"accounts.audit.{name}") for name in ("when", "who", "action", "target", "address")]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, height=AUDIT_HEIGHT)
