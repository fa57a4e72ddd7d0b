"""Settings: who can reach this program, how other programs call it, where its files are, what it is made of."""

from importlib.metadata import version

import pandas as pd
import streamlit as st

from glm_core import __version__, state, ui, workspace
from glm_core.auth import accounts
from glm_core.i18n import t
from pages.parts.settings import cluster
from pages.parts.settings.api_access import draw_examples, draw_keys
from pages.parts.settings.network_sharing import draw_sharing

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "streamlit")

account = ui.begin("settings").account
st.title(t("page.settings"), anchor=False)

if account.may("administrator"):
    st.subheader(t("settings.sharing"), anchor=False)
    draw_sharing(account)
if accounts.has_administrator():
    label = t("settings.accounts" if account.may("administrator") else "settings.own_account")
    ui.link("accounts", label, icon=":material/group:")

st.subheader(t("settings.api"), anchor=False)
st.markdown(t("settings.api_shared" if state.sharing().on else "settings.api_about"))
draw_examples(draw_keys(account) if state.sharing().on else "")

st.subheader(t("settings.look"), anchor=False)
st.markdown(t("settings.look_about"))

if account.may("administrator"):
    st.subheader(t("cluster.title"), anchor=False)
    cluster.draw()
    st.subheader(t("settings.files"), anchor=False)
    st.markdown(t("settings.files_about"))
    st.code(str(workspace.home()), language=None)

st.subheader(t("settings.versions"), anchor=False)
st.table(
    pd.DataFrame(
        [("easyAIGC", __version__), *((name, version(name)) for name in LIBRARIES)],
        columns=[t("settings.library"), t("settings.version")],
    ),
    hide_index=True,
    width="content",
)
