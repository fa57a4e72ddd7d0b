"""Helpers that every page uses: its reader and what they may do, links, times, errors in words.

Pages draw with Streamlit themselves; answers and runs come from other packages, and nothing here knows about models or data.
The frame around them is in page_frame.py.
"""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx

from glm_core import charts, i18n, permissions, state, templates
from glm_core.auth import accounts, audit, languages, sessions
from glm_core.auth.accounts import Account, AccountError
from glm_core.auth.network import addresses
from glm_core.auth.requests.sender import COOKIE
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.page_list import PAGES
from glm_core.workspace import ROOT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class User:
    """The reader of a page: `name` owns runs and conversations. Until the dashboard is shared it is this computer's user."""

    name: str
    account: Account = accounts.LOCAL


BEGUN = "begun"
"Session state: the folder and the role for which the page was last drawn."
TOLD = "told"
"Session state: what `begin_anew` has to say."
TEMPLATES = Path(__file__).with_name("page_templates")


def _session_language() -> str | None:
    """Return the reader's language: of the switch, before it is drawn of the address (`?lang=English`), then their own; None outside a page."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    asked = i18n.named(st.query_params.get("lang", ""))
    return _pressed_language() or asked or st.session_state.get("own_language") or browser_language()


def _pressed_language() -> str | None:
    """Return the choice of the switch; None before it is drawn, and where a browser sent for it what is none."""
    try:
        return st.session_state.get("lang")
    except Exception:  # streamlit makes a value of the message here, and any kind of message can come
        return None


def browser_language() -> str:
    """Return what this browser was told last, else what it asks for."""
    locale = st.context.locale
    told = i18n.named(st.context.cookies.get(languages.COOKIE, ""))
    return told or ("zh" if locale is None or locale.lower().startswith("zh") else "en")


i18n.follow(_session_language)


def _session_theme() -> str | None:
    """Return the reader's theme; None outside a page."""
    return None if get_script_run_ctx(suppress_warning=True) is None else st.context.theme.type


charts.follow(_session_theme)


def draw_markup(template: str, *, scripts: bool = False, **values: object) -> None:
    """Draw a file of page_templates/, for what Streamlit has no widget; `values` are escaped.

    Args:
        scripts: let the scripts of the template run.
    """
    st.html(templates.render(TEMPLATES, f"{template}.html", **values), unsafe_allow_javascript=scripts)


def visitor() -> Account | None:
    """Return the reader's account: this computer's user while nothing is shared, else that of the session; None when it has ended."""
    if not state.sharing().on:
        return accounts.LOCAL
    return sessions.session(st.context.cookies.to_dict().get(COOKIE, ""))


def _actor() -> permissions.Actor:
    """Return who acts in this thread: the reader of the page that it draws, else the program."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return permissions.PROGRAM
    return visitor() or permissions.NOBODY


permissions.follow(_actor)


def note(action: str, target: str = "") -> None:
    """Write what the reader has just changed into the audit log; `action` is a text key."""
    account = visitor()
    audit.note(account.name if account else "-", action, target)


def run_audited(change: Callable[[], object], action: str, target: str = "") -> None:
    """Run `change` and write it with the reader's name into the audit log; for `on_click`."""
    change()
    note(action, target)


def owns(owner: str) -> bool:
    """Return True where the reader may stop, rename or delete what `owner` made: one's own, an administrator everything."""
    account = visitor()
    return account is not None and (account.may("administrator") or account.folder == owner)


def must_own(owner: str) -> None:
    """Go on only if the reader may change what `owner` made.

    Raises:
        AccountError: the reader may not.
    """
    if not owns(owner):
        raise AccountError("security.not_yours")


def must_be(role: str) -> None:
    """Go on only if the reader has the rights of `role`.

    Raises:
        AccountError: the reader has not, or the session has ended.
    """
    account = visitor()
    if account is None or not account.may(role):
        raise AccountError("security.role")


def begin(page: str) -> User:
    """Return the reader; the first line of every page. Ends the page of a reader who may not see it, else draws nothing.

    Args:
        page: the page's name in `PAGES`.
    """
    entry = next((entry for entry in PAGES if entry.name == page), None)
    if entry is None:
        raise ValueError(f"no page {page!r}")
    account = visitor()
    if account is None:
        draw_markup("sign_in")
        st.stop()
    if not account.may(entry.role):
        st.error(t("security.role"), icon=":material/lock:")
        link("chat", t("page.chat"), icon=":material/chat:")
        st.stop()
    st.session_state[BEGUN] = (account.folder, entry.role)
    return User(account.folder, account)


def begin_anew(told: str) -> NoReturn:
    """Draw the page once more without what was pressed, which was meant for something that is gone, and say `told` there."""
    st.session_state[TOLD] = told
    st.rerun()


def draw_told() -> None:
    """Draw the sentence that `begin_anew` has left, once."""
    if told := st.session_state.pop(TOLD, ""):
        st.info(told, icon=":material/link_off:")


def redirect(path: str) -> NoReturn:
    """Let the reader's browser load `path` of this server anew, as streamlit's own sign-in does; the page ends here."""
    message = ForwardMsg()
    message.auth_redirect.url = path
    get_script_run_ctx().enqueue(message)
    st.stop()


def address() -> str:
    """Return scheme, name and port under which the reader's browser reaches this server."""
    return addresses.seen_at(st.context.url, st.get_option("server.port"))


def shared_addresses() -> list[str]:
    """Return the addresses of this server for others, the likeliest first; none while it is not shared.

    Behind a proxy that is the reader's own address; the LAN addresses, which the proxy may hide, come after it.
    """
    shared = state.sharing()
    return addresses.for_others(address(), shared.urls()) if shared.on else []


def checked(action: Callable) -> Callable:
    """Return `action` for `on_click`, `on_change` or `on_dismiss`, which asks again for the reader's rights before it acts.

    Streamlit runs callbacks and fragments without the script, so that `begin` does not run before them. They need the reader for whom
    the page was drawn, with the role the page needs.

    Raises:
        AccountError: when called for anybody else.
    """

    @wraps(action)
    def guarded_action(*arguments, **options):
        _must_still_be()
        return action(*arguments, **options)

    return guarded_action


def fragment(draw: Callable | None = None, *, run_every: float | None = None) -> Callable:
    """`st.fragment` whose reruns ask again for the reader's rights, as `checked` does; also a decorator."""
    if draw is None:
        return partial(fragment, run_every=run_every)
    return st.fragment(checked(draw), run_every=run_every)


def dialog(title: str, **options) -> Callable:
    """`st.dialog` whose reruns ask again for the reader's rights, as `checked` does."""
    return lambda draw: st.dialog(title, **options)(checked(draw))


def _must_still_be() -> None:
    folder, role = st.session_state.get(BEGUN, ("", "administrator"))
    account = visitor()
    if account is None or account.folder != folder or not account.may(role):
        raise AccountError("security.role")


def go(page: str, **query: str) -> None:
    """Show another page; `query` becomes its address parameters (`st.query_params`). Does not return."""
    st.switch_page(ROOT / "pages" / f"{page}.py", query_params=query)


def link(page: str, label: str, *, icon: str | None = None, **query: str) -> None:
    """Draw a quiet link to another page, `query` as in `go`."""
    st.page_link(ROOT / "pages" / f"{page}.py", label=label, icon=icon, query_params=query)


def keep_widget(key: str) -> None:
    """Keep the choice of a keyed widget when its options are labelled in another language; call it before the widget is drawn.

    Streamlit and the browser know a choice by its label; set in the session state, it gets the new label.
    """
    if key in st.session_state:
        st.session_state[key] = st.session_state[key]


def on_phone() -> bool:
    """Return True where the browser calls itself a mobile one; the window's width is known to the browser alone."""
    return "Mobi" in st.context.headers.get("User-Agent", "")


def local_time(seconds: float) -> str:
    """Return a moment (seconds since 1970) in the reader's time zone: `11-24 15:30`, with the year unless it is this one."""
    zone = st.context.timezone
    moment = datetime.fromtimestamp(seconds, ZoneInfo(zone) if zone else None)
    return moment.strftime("%m-%d %H:%M" if moment.year == datetime.now().year else "%Y-%m-%d %H:%M")


@contextmanager
def guarded() -> Iterator[None]:
    """Draw an error raised inside as a sentence and go on with the page after the block."""
    try:
        yield
    except Exception as error:
        show_error(error)


def show_error(error: Exception) -> bool:
    """Draw `error`: a user's error as its own sentence, any other as an incident number whose traceback is in the server's log."""
    if isinstance(error, EasyError):
        st.error(str(error), icon=":material/error:")
    else:
        number = secrets.token_hex(3)
        log.error("incident %s: %s", number, type(error).__name__, exc_info=error)
        st.error(t("ui.incident", number=number), icon=":material/error:")
    return True
