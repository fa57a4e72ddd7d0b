"""Sharing on the settings page: the switch to the network, and what others need to come in."""

from urllib.parse import urlencode, urlsplit

import streamlit as st

from glm_core import i18n, state, ui
from glm_core.auth import accounts
from glm_core.auth.network import addresses
from glm_core.auth.network.sharing import Sharing
from glm_core.i18n import t


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
