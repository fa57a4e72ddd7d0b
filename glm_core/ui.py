"""The router that st.App runs: theme, language, navigation; and the few helpers every page begins with.

Pages draw with streamlit themselves. What an answer or a run *is* comes from the other rooms; nothing here knows about models or data.
"""

import html
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from glm_core import i18n, state
from glm_core.auth import accounts, network
from glm_core.auth.accounts import Account, AccountError
from glm_core.auth.middleware import COOKIE
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.machine import machine as this_machine
from glm_core.machine.machine import Machine
from glm_core.markdown import literal
from glm_core.workspace import ASSETS, ROOT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageEntry:
    """One page of the dashboard: its file and address are `name`, its title is the text `page.<name>`, `role` who may see it."""

    name: str
    icon: str
    hidden: bool = False
    role: str = "trainer"

    @property
    def file(self) -> Path:
        return ROOT / "pages" / f"{self.name}.py"


@dataclass(frozen=True)
class User:
    """The reader of a page: `name` owns runs and conversations. Until the dashboard is shared there is one, this computer's own."""

    name: str
    account: Account = accounts.LOCAL


PAGES = (
    PageEntry("home", ":material/home:"),
    PageEntry("datasets", ":material/dataset:"),
    PageEntry("upload", ":material/upload_file:", hidden=True),
    PageEntry("training", ":material/model_training:"),
    PageEntry("run", ":material/monitoring:", hidden=True),
    PageEntry("runs", ":material/history:", hidden=True),
    PageEntry("compare", ":material/compare:"),
    PageEntry("report", ":material/fact_check:", hidden=True),
    PageEntry("vote", ":material/how_to_vote:", hidden=True, role="guest"),
    PageEntry("chat", ":material/chat:", role="guest"),
    PageEntry("models", ":material/deployed_code:"),
    PageEntry("download", ":material/download:", hidden=True),
    PageEntry("settings", ":material/settings:"),
    PageEntry("accounts", ":material/group:", hidden=True),
)
STATE_COLOURS = {
    "queued": "gray",
    "running": "green",
    "stopping": "orange",
    "stopped": "gray",
    "finished": "green",
    "failed": "red",
}
AVATARS = {"user": ":material/person:", "assistant": ":material/smart_toy:"}
LONGEST_SHOWN = 4_000
UPLOADER_STYLE = """<style>
[data-testid=stFileUploaderDropzoneInstructions] { display: none; }
[data-testid=stFileUploaderDropzone] > span button p { font-size: 0; }
[data-testid=stFileUploaderDropzone] > span button p::after { content: "{word}"; font-size: 0.875rem; }
</style>"""
CONNECTION_STYLE = """<style>
[data-testid=stConnectionStatus] label { font-size: 0; }
[data-testid=stConnectionStatus] label::after { content: "{words}"; font-size: 0.875rem; text-transform: none; }
</style>"""
"Streamlit says CONNECTING while it cannot reach the server, to readers of any language, and for ever to one who was signed out elsewhere."
_SIGN_OUT = """<p style="margin:0;overflow-wrap:anywhere">{name} · <a href="/logout" target="_self" style="color: inherit">{words}</a></p>"""
_SIGN_IN = """<p>{why}</p><a href="/login" target="_self" style="display: inline-block; padding: 0.4rem 1rem; border-radius: 0.375rem;
background: #1F7A63; color: #FFF; text-decoration: none">{words}</a>"""
LANGUAGE_NAMES = {"zh": "中文", "en": "English"}
LANGUAGES_BY_NAME = {name: language for language, name in LANGUAGE_NAMES.items()}


def _session_language() -> str | None:
    """The reader's language: the switch's, before it is drawn the address' (`?lang=English`), then the browser's; None outside a page."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    asked = LANGUAGES_BY_NAME.get(st.query_params.get("lang"))
    return st.session_state.get("lang") or asked or _browser_language()


def _browser_language() -> str:
    locale = st.context.locale
    return "zh" if locale is None or locale.lower().startswith("zh") else "en"


i18n.follow(_session_language)


def main() -> None:
    """Draw the frame around every page (navigation, language, theme) and run the page asked for."""
    st.set_page_config(page_icon=ASSETS / "seal.svg", layout="wide", initial_sidebar_state=220)
    st.logo(ASSETS / "logo.svg", size="large", icon_image=ASSETS / "seal.svg")
    st.html(ASSETS / "style.css")
    st.html(CONNECTION_STYLE.replace("{words}", t("ui.connection_lost")))
    account = visitor()
    _keep_apart(account)
    page = st.navigation(_pages_for(account))
    st.set_page_config(page_title=f"{page.title} · easyAIGC")
    with st.sidebar:
        _draw_language_switch()
        if account is not None and account != accounts.LOCAL:
            st.html(_SIGN_OUT.format(name=html.escape(account.shown_name), words=html.escape(t("ui.sign_out"))))
    page.run()


def _keep_apart(account: Account | None) -> None:
    """Forget what a session knows once somebody else has it: an old tab after another sign-in, or who learned its number."""
    whose = account.folder if account else ""
    if st.session_state.setdefault("whose", whose) != whose:
        st.session_state.clear()
        st.session_state.whose = whose


def _pages_for(account: Account | None) -> list:
    """Every page, of which those that `account` may open are in the navigation. A guest, who has no home page, begins in the chat.

    The others have their address too: `begin` says there, in the reader's language, why they are closed.
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
    go("chat")


def _ask_to_sign_in() -> None:
    st.html(_SIGN_IN.format(why=html.escape(t("ui.signed_out")), words=html.escape(t("signin.in"))))


def visitor() -> Account | None:
    """Return who is looking: this computer's own user while nothing is shared, else whose session the browser has; None when it has ended."""
    if not state.sharing().on:
        return accounts.LOCAL
    return accounts.session(st.context.cookies.to_dict().get(COOKIE, ""))


def note(action: str, target: str = "") -> None:
    """Write into the audit log what the reader has just changed; `action` is the text key of what they did."""
    account = visitor()
    accounts.note(account.name if account else "-", action, target)


def run_audited(change: Callable[[], object], action: str, target: str = "") -> None:
    """For a button's `on_click`: do `change`, and write into the audit log who did."""
    change()
    note(action, target)


def _draw_language_switch() -> None:
    """The switch; streamlit keeps its choice in the address, so that it outlives navigation, refresh and a bookmark."""
    st.segmented_control(
        t("ui.language"),
        i18n.LANGUAGES,
        default=_browser_language(),
        format_func=LANGUAGE_NAMES.get,
        key="lang",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )


def owns(owner: str) -> bool:
    """Return whether the reader may stop, rename or delete what `owner` has made: their own, an administrator everything."""
    account = visitor()
    return account is not None and (account.may("administrator") or account.folder == owner)


def must_own(owner: str) -> None:
    """Go on only if the reader may change what `owner` has made.

    Raises:
        AccountError: they may not.
    """
    if not owns(owner):
        raise AccountError("security.not_yours")


def must_be(role: str) -> None:
    """Go on only if the reader may do what `role` may; for what a page does after it was drawn.

    Raises:
        AccountError: they may not, or their session has ended.
    """
    account = visitor()
    if account is None or not account.may(role):
        raise AccountError("security.role")


def begin(page: str) -> User:
    """The first line of every page: who is looking. Ends the page of somebody who may not see it, else draws nothing.

    Args:
        page: the page's name in `PAGES`.
    """
    entry = next((entry for entry in PAGES if entry.name == page), None)
    if entry is None:
        raise ValueError(f"no page {page!r}")
    account = visitor()
    if account is None:
        _ask_to_sign_in()
        st.stop()
    if not account.may(entry.role):
        st.error(t("security.role"), icon=":material/lock:")
        link("chat", t("page.chat"), icon=":material/chat:")
        st.stop()
    return User(account.folder, account)


def address() -> str:
    """Scheme, name and port under which the reader's browser sees this server."""
    return network.seen_at(st.context.url, st.get_option("server.port"))


def shared_addresses() -> list[str]:
    """Where others find this server, the likeliest first; none while it is not shared.

    Behind a proxy that is the reader's own address; the LAN addresses, which the proxy may hide, come after it.
    """
    shared = state.sharing()
    return network.for_others(address(), shared.urls()) if shared.on else []


def go(page: str, **query: str) -> None:
    """Show another page; `query` becomes its address parameters (`st.query_params`). Does not return."""
    st.switch_page(ROOT / "pages" / f"{page}.py", query_params=query)


def link(page: str, label: str, *, icon: str | None = None, **query: str) -> None:
    """A quiet link to another page, `query` as in `go`."""
    st.page_link(ROOT / "pages" / f"{page}.py", label=label, icon=icon, query_params=query)


def keep_widget(key: str) -> None:
    """Before a keyed chooser is drawn: keep its choice when its options are called otherwise, in another language.

    Streamlit and the browser know a choice by its words; put into the session, it is worded anew.
    """
    if key in st.session_state:
        st.session_state[key] = st.session_state[key]


def empty_state(text_key: str, button_key: str, page: str, **query: str) -> None:
    """Return what belongs here, and the one button that fills it.

    Args:
        text_key: the sentence that says what belongs here.
        button_key: the label of the button that leads to `page`.
    """
    with st.container(border=True, horizontal_alignment="center", key=f"empty-{page}"):
        st.space("small")
        st.markdown(t(text_key), text_alignment="center")
        if st.button(t(button_key), type="primary", key=f"empty-go-{page}"):
            go(page, **query)
        st.space("small")


def machine_sentence(machine: Machine) -> str:
    """Return what this machine has for a model, in one line: each card, or the processor, with the memory free now."""
    if not machine.cards:
        return t(
            "ui.machine.cpu",
            cores=machine.cores,
            free=i18n.size(machine.memory_free),
            total=i18n.size(machine.memory_total),
        )
    return "  \n".join(
        t(
            "ui.machine.card",
            name=card.name,
            free=i18n.size(card.memory_total - card.memory_used),
            total=i18n.size(card.memory_total),
        )
        for card in machine.cards
    )


def draw_idle_cards() -> None:
    """Return what to do about a card that is there and cannot be used."""
    for card in this_machine.idle_cards():
        st.warning(t(card.obstacle, name=card.name), icon=":material/memory:")
        st.code(card.command, language="bash", wrap_lines=True)


def state_badge(state: str) -> str:
    """A run's state as a coloured word for markdown."""
    return f":{STATE_COLOURS[state]}-badge[{t(f'ui.state.{state}')}]"


def local_time(seconds: float) -> str:
    """A moment (seconds since 1970) in the reader's time zone: `11-24 15:30`, with the year where it is another one."""
    zone = st.context.timezone
    moment = datetime.fromtimestamp(seconds, ZoneInfo(zone) if zone else None)
    return moment.strftime("%m-%d %H:%M" if moment.year == datetime.now().year else "%Y-%m-%d %H:%M")


def draw_messages(messages: list[dict]) -> None:
    """A conversation of a data set. What people wrote is shown letter by letter, never run; very long texts by their start."""
    for message in messages:
        content = literal(message["content"][:LONGEST_SHOWN])
        if message["role"] == "system":
            st.caption(t("datasets.system", words=content))
        else:
            st.chat_message(message["role"], avatar=AVATARS[message["role"]]).markdown(content)


def name_uploader(word: str) -> None:
    """Let the page's file uploader say `word` (of the text tables) on its button, which streamlit has in English only.

    The line beneath it, English too, is hidden: formats and size belong into the uploader's tooltip.
    """
    st.html(UPLOADER_STYLE.replace("{word}", word))


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
        log.error("incident %s", number, exc_info=error)
        st.error(t("ui.incident", number=number), icon=":material/error:")
    return True


if __name__ == "__main__":
    main()
