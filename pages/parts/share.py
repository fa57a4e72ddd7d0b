"""Send somebody to exactly this: the link and its QR code, and whether guests may chat with the run."""

from urllib.parse import urlencode

import streamlit as st

from glm_core import ui
from glm_core.auth import accounts, network
from glm_core.auth.accounts import Account
from glm_core.chat import guests
from glm_core.i18n import t

QR_WIDTH = 180


def draw(page: str, account: Account, guests_run: str = "", **query: str) -> None:
    """A popover with the address of `page` with `query`; says how to share where nothing is shared yet.

    Args:
        guests_run: the id of the run it is about, which an administrator may open to guests; empty for none.
    """
    with st.popover(t("share.open"), icon=":material/share:", key="share"), ui.guarded():
        addresses = ui.shared_addresses()
        if addresses:
            draw_link(f"{addresses[0]}/{page}?{urlencode(query)}")
        else:
            st.markdown(t("share.not_shared"))
        if account.may("administrator"):
            if addresses and guests_run:
                draw_guests(account, guests_run)
            ui.link("settings", t("share.settings"), icon=":material/settings:")


def draw_link(url: str) -> None:
    """The address as text and as a picture for a phone."""
    st.code(url, language=None, wrap_lines=True)
    st.image(network.qr_code(url), width=QR_WIDTH)


def draw_guests(account: Account, run: str) -> None:
    """The switch that lets guests chat with this run."""
    given = guests.published()
    wanted = st.toggle(t("share.guests"), run in given, key=f"guests-{run}", help=t("share.guests_help"))
    if wanted != (run in given):
        ui.must_be("administrator")
        guests.publish(given | {run} if wanted else given - {run}, by=account.name)
        st.rerun()
    if wanted and not accounts.open_guest():
        st.caption(t("share.guests_closed"))
        if st.button(t("share.guests_open"), key="open-guests"):
            ui.must_be("administrator")
            accounts.set_open_guest(True, by=account.name)
            st.rerun()
