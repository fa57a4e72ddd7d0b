"""Send somebody to exactly this: the link and its QR code, with the conversation or without, and whether guests may chat with the run."""

from urllib.parse import urlencode

import streamlit as st

from glm_core import ui
from glm_core.auth import accounts
from glm_core.auth.accounts import Account
from glm_core.auth.network import addresses
from glm_core.chat import guests, shared
from glm_core.chat.conversations import Conversation
from glm_core.chat.shared import SharedError
from glm_core.i18n import t
from pages.parts import stored_value

QR_WIDTH = 180


def draw(
    page: str, account: Account, guests_run: str = "", conversation: Conversation | None = None, **query: str
) -> None:
    """A popover with the address of `page` with `query`; says how to share where nothing is shared yet.

    Args:
        guests_run: the id of the run it is about, which an administrator may open to guests; empty for none.
        conversation: what the link leads to instead of an empty chat once the reader has switched that on.
    """
    with st.popover(t("share.open"), icon=":material/share:", key="share"), ui.guarded():
        addresses = ui.shared_addresses()
        if addresses:
            if conversation is not None and conversation.messages:
                query = draw_conversation(conversation) or query
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
    st.image(addresses.qr_code(url), width=QR_WIDTH, alt=t("share.qr"))


def draw_conversation(conversation: Conversation) -> dict[str, str]:
    """The switch that shows this conversation to others; returns the link's query, nothing where it is not shared."""
    known = shared.find(conversation)
    key = f"shared-{conversation.id}"
    stored_value.show(key, known is not None)
    wanted = st.toggle(t("share.talk"), key=key, help=t("share.talk_help"))
    if wanted != (known is not None):
        change_conversation(conversation, on=wanted)
    if known is None:
        return {}
    st.caption(t("share.talk_about", count=known.messages))
    if not known.current and st.button(t("share.talk_update"), key="share-update"):
        change_conversation(conversation, on=True)
    return {"shared": known.link}


def change_conversation(conversation: Conversation, on: bool) -> None:
    """Share the conversation as it is now, or no longer; where that cannot be, the page says why and the link stays what it was."""
    try:
        if on:
            shared.share(conversation)
        else:
            shared.stop(conversation)
    except SharedError as error:
        ui.show_error(error)
        return
    ui.note("audit.chat.share" if on else "audit.chat.unshare", conversation.id)
    st.rerun()


def draw_guests(account: Account, run: str) -> None:
    """The switch that lets guests chat with this run."""
    given = guests.published()
    key = f"guests-{run}"
    stored_value.show(key, run in given)
    wanted = st.toggle(t("share.guests"), key=key, help=t("share.guests_help"))
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
