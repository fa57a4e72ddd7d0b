"""Settings: who can reach this program, how other programs call it, where its files are, what it is made of."""

from importlib.metadata import version
from urllib.parse import urlencode, urlsplit

import pandas as pd
import streamlit as st

from glm_core import __version__, i18n, state, ui, workspace
from glm_core.api import openapi
from glm_core.auth import accounts, api_keys
from glm_core.auth.network import addresses
from glm_core.auth.network.sharing import Sharing
from glm_core.i18n import t
from glm_core.markdown import literal
from pages.parts.settings import cluster

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "streamlit")


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
            t("settings.key_limit"), *api_keys.LIMITS, api_keys.DEFAULT_LIMIT, help=t("settings.key_limit_help")
        )
        made = st.form_submit_button(t("settings.key_make"))
    secret = ""
    if made:
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


def draw_sharing(account: accounts.Account) -> None:
    """The switch to the network, and what others need to come in while it is on."""
    shared = state.sharing()
    if shared.on:
        draw_addresses(shared)
        with st.container(horizontal=True):
            if st.button(t("settings.check"), icon=":material/network_check:", key="check"):
                st.session_state.checks = st.session_state.get("checks", 0) + 1
            if st.button(t("settings.unshare"), key="unshare"):
                shared.stop(by=account.name)
                st.rerun()
        return
    st.markdown(t("settings.sharing_about"))
    if not accounts.has_administrator():
        draw_first_administrator()
    elif st.button(t("settings.share"), type="primary", icon=":material/share:", key="share"):
        with ui.guarded():
            share(account.name)


def draw_first_administrator() -> None:
    """Ask for a password before sharing."""
    with st.form("first"):
        name = st.text_input(t("signin.name"), max_chars=32)
        password = st.text_input(
            t("signin.password"), type="password", max_chars=200, placeholder=accounts.password_rule()
        )
        again = st.text_input(t("signin.again"), type="password", max_chars=200)
        asked = st.form_submit_button(t("settings.first_and_share"), type="primary", icon=":material/share:")
    if asked and password != again:
        st.error(t("signin.differ"), icon=":material/error:")
    elif asked:
        with ui.guarded():
            made = accounts.create(name, password, "administrator", first=True)
            share(made.name, ticket=state.sharing().hand_over(made.name))


def share(name: str, ticket: str = "") -> None:
    """Let the network in, now, and come back to this page in this language: signed in by `ticket` or by an earlier session, else asked to."""
    state.sharing().start(by=name)
    onward = f"/settings?{urlencode({'lang': i18n.NAMES[i18n.current()]})}"
    ui.redirect(f"/enter?{urlencode({'ticket': ticket, 'next': onward})}")


def draw_addresses(shared: Sharing) -> None:
    """Every address, the likeliest as a QR code, and what to do when a firewall is in the way."""
    urls = ui.shared_addresses()
    with st.container(horizontal=True, gap="medium"):
        if urls:
            st.image(addresses.qr_code(urls[0]), width=180, alt=t("share.qr"))
        with st.container(width=320):
            st.markdown(t("settings.addresses"))
            for url in urls:
                st.code(url, language=None)
            if urls:
                draw_check(urls[0])
    with st.expander(t("settings.unreachable")):
        st.markdown(t("settings.firewall"))
        for language, commands in addresses.firewall_rules(st.get_option("server.port")).items():
            st.code(commands, language=language, wrap_lines=True)


def draw_check(url: str) -> None:
    """Test from the reader's browser, by the script of /check, whether pages get through at the address for others."""
    address = urlsplit(url).netloc
    data = {
        "good": t("settings.check_good", address=address, milliseconds="{milliseconds}"),
        "bad": t("settings.check_bad", address=address),
        "address": address,
        "count": st.session_state.get("checks", 0),
    }
    trying = t("settings.check_trying", address=address)
    ui.draw_markup("address_check", scripts=True, data=data, trying=trying)


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
