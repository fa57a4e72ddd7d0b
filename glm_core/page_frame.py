"""The router that st.App runs: theme, language and navigation around the page that is asked for."""

import streamlit as st

from glm_core import i18n, ui
from glm_core.auth import accounts, languages
from glm_core.auth.accounts import Account
from glm_core.i18n import t
from glm_core.page_list import PAGES
from glm_core.workspace import ASSETS


def main() -> None:
    """Draw the frame around every page (navigation, language, theme) and run the page asked for."""
    st.set_page_config(page_icon=ASSETS / "seal.svg", layout="wide", initial_sidebar_state=220)
    st.logo(ASSETS / "logo.svg", size="large", icon_image=ASSETS / "seal.svg")
    st.html(ASSETS / "style.css")
    ui.draw_markup("connection_style")
    account = ui.visitor()
    _keep_apart(account)
    if "own_language" not in st.session_state:
        st.session_state.own_language = account and languages.of_account(account) or ui.browser_language()
    page = st.navigation(_pages_for(account))
    st.set_page_config(page_title=f"{page.title} · easyAIGC")
    with st.sidebar:
        _draw_language_switch(account)
        if account is not None and account != accounts.LOCAL:
            ui.draw_markup("sign_out", name=account.shown_name)
    page.run()


def _keep_apart(account: Account | None) -> None:
    """Clear the session state when another account uses the session, as in an old tab after a new sign-in."""
    whose = account.folder if account else ""
    if st.session_state.setdefault("whose", whose) != whose:
        st.session_state.clear()
        st.session_state.whose = whose


def _pages_for(account: Account | None) -> list:
    """Return all pages; those that `account` may open are in the navigation. Guests, who have no home page, begin in the chat.

    The other pages keep their address: `begin` says there, in the reader's language, why they are closed.
    """
    trainer = account is not None and account.may("trainer")
    pages = [
        st.Page(
            entry.file,
            title=t(f"page.{entry.name}"),
            icon=entry.icon,
            default=trainer and entry.name == "home",
            visibility="hidden" if entry.hidden or account is None or not account.may(entry.role) else "visible",
        )
        for entry in PAGES
        if entry.file.exists()
    ]
    if trainer:
        return pages
    start = _ask_to_sign_in if account is None else _go_to_chat
    return [st.Page(start, title=t("page.chat"), default=True, visibility="hidden"), *pages]


def _go_to_chat() -> None:
    ui.go("chat")


def _ask_to_sign_in() -> None:
    ui.draw_markup("sign_in")


def _draw_language_switch(account: Account | None) -> None:
    """The switch. Streamlit keeps its choice in the address; account and browser remember what was pressed, not what an address said."""
    chosen = st.segmented_control(
        t("ui.language"),
        i18n.LANGUAGES,
        default=st.session_state.own_language,
        format_func=i18n.NAMES.get,
        key="lang",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    if chosen != st.session_state.setdefault("drawn_language", chosen):
        st.session_state.drawn_language = st.session_state.pressed_language = chosen
        if account is not None:
            languages.keep(account, chosen)
    if "pressed_language" in st.session_state:
        ui.draw_markup("remember_language", pressed=st.session_state.pressed_language)


if __name__ == "__main__":
    main()
