"""The way in and out: /login, /logout and, once, /first for the first administrator. Plain pages without a script.

Every sign-in makes a new session and ends the one the browser came with, so that nobody can plant one. Failures are counted by name and
address. Posts from other sites never get here (`middleware.py`). Not here: what sessions and accounts are (`accounts.py`).
"""

import asyncio
import html
import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from glm_core import i18n
from glm_core.auth import accounts
from glm_core.auth.accounts import Account, AccountError
from glm_core.auth.middleware import COOKIE
from glm_core.auth.network import Sharing
from glm_core.i18n import t
from glm_core.workspace import ASSETS

FORM_LIMIT = 4_000
WINDOW = 300.0
LIMITS = {"here": 5, "address": 20, "name": 100}
"Failures in `WINDOW` seconds: of one name from one address, of one address, of one name from anywhere."
GUEST_LIMIT = 30
"Visits without a name that one address may begin in that time."
TOGETHER = 2
"Passwords checked at a time: each takes 64 MiB for a moment."


class LoginAttempts:
    """Failures of the last minutes, by any key. In memory, and no longer than `most` keys."""

    def __init__(self, most: int = 10_000):
        self._times: dict[str, deque[float]] = {}
        self._most = most
        self._lock = threading.Lock()

    def wait(self, limits: dict[str, int]) -> float:
        """Count one attempt under each key of `limits`; the seconds to wait instead where one has had enough."""
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            full = [times[0] for key, limit in limits.items() if len(times := self._times.get(key, ())) >= limit]
            if full:
                return max(full) + WINDOW - now
            for key in limits:
                self._times.setdefault(key, deque()).append(now)
        return 0.0

    def forgive(self, here: str, *others: str) -> None:
        """That attempt was right: forget all under `here`, and the last one under `others`."""
        with self._lock:
            self._times.pop(here, None)
            for key in others:
                if self._times.get(key):
                    self._times[key].pop()

    def _forget(self, now: float) -> None:
        for key, times in list(self._times.items()):
            while times and times[0] <= now - WINDOW:
                times.popleft()
            if not times:
                del self._times[key]
        while len(self._times) > self._most:
            del self._times[next(iter(self._times))]


class LoginRoutes:
    """The handlers; they share the counts of failures."""

    def __init__(self, sharing: Callable[[], Sharing]):
        self._sharing = sharing
        self._attempts = LoginAttempts()
        self._turns = asyncio.Semaphore(TOGETHER)

    async def show_sign_in(self, http: Request) -> Response:
        """GET /login."""
        speak(http)
        where = _next(http.query_params.get("next", ""))
        if not self._sharing().on or http.scope.get("account") is not None:
            return RedirectResponse(where, 303)
        return _sign_in_page(where, http)

    async def sign_in(self, http: Request) -> Response:
        """POST /login: `name` and `password`, or `guest`; `next` is where to go then."""
        speak(http)
        form = await _form(http)
        where = _next(form.get("next", ""))
        if not self._sharing().on:
            return RedirectResponse(where, 303)
        address = _address(http)
        if "guest" in form:
            return await self._sign_in_guest(http, where, address)
        name, password = form.get("name", "").strip(), form.get("password", "")
        here, known = f"{address} {name.casefold()[:64]}", f"name {name.casefold()[:64]}"
        seconds = self._attempts.wait({here: LIMITS["here"], address: LIMITS["address"], known: LIMITS["name"]})
        if seconds:
            return _too_many(where, http, seconds)
        async with self._turns:
            account = await run_in_threadpool(accounts.check, name, password)
        if account is None:
            await run_in_threadpool(accounts.note, name[:40], "audit.session.refused", "", address)
            return _sign_in_page(where, http, t("signin.wrong"), 401, name)
        self._attempts.forgive(here, address, known)
        return await _enter(http, account, where)

    async def _sign_in_guest(self, http: Request, where: str, address: str) -> Response:
        seconds = self._attempts.wait({f"{address} guest": GUEST_LIMIT})
        if seconds:
            return _too_many(where, http, seconds)
        token = await run_in_threadpool(accounts.open_guest_session, address)
        if token is None:
            return _sign_in_page(where, http, t("signin.no_guests"), 403)
        return await _with_session(http, token, where)

    async def show_first(self, http: Request) -> Response:
        """GET /first?token=…: the one-time address from the terminal."""
        speak(http)
        secret = http.query_params.get("token", "")
        if not self._sharing().is_first_visit(secret):
            return _used_up_page(http)
        return _first_page(secret, http)

    async def first(self, http: Request) -> Response:
        """POST /first: make the first administrator."""
        speak(http)
        form = await _form(http)
        secret, name, password = (form.get(field, "") for field in ("token", "name", "password"))
        if not self._sharing().is_first_visit(secret):
            return _used_up_page(http)
        if password != form.get("again", ""):
            return _first_page(secret, http, t("signin.differ"), name)
        try:
            async with self._turns:
                account = await run_in_threadpool(_create_first, name, password, _address(http))
        except AccountError as error:
            return _first_page(secret, http, str(error), name)
        return await _enter(http, account, "/")

    async def show_sign_out(self, http: Request) -> Response:
        """GET /logout: asks whether here or everywhere."""
        speak(http)
        account = http.scope.get("account")
        if account is None or account.id == accounts.LOCAL.id:
            return RedirectResponse("/", 303)
        everywhere = f'<button class="quiet" name="everywhere" value="1">{_e(t("signin.out_everywhere"))}</button>'
        everywhere = "" if account.name == accounts.GUEST_NAME else everywhere
        body = (
            f"<p>{_e(t('signin.you_are', name=account.shown_name))}</p>"
            f'<form method="post" action="/logout"><button autofocus>{_e(t("signin.out"))}</button>{everywhere}</form>'
            f'<p><a href="/">{_e(t("signin.stay"))}</a></p>'
        )
        return plain_page("signin.out", body, http)

    async def sign_out(self, http: Request) -> Response:
        """POST /logout; with `everywhere` the account's other sessions end too."""
        form = await _form(http)
        account = http.scope.get("account")
        await run_in_threadpool(accounts.close_session, http.cookies.get(COOKIE, ""))
        if account is not None and "everywhere" in form and account.name != accounts.GUEST_NAME:
            await run_in_threadpool(accounts.close_sessions, account)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        return answer


def routes(sharing: Callable[[], Sharing]) -> list[Route]:
    """The routes of this room.

    Args:
        sharing: gives the process' one `Sharing`.
    """
    doors = LoginRoutes(sharing)
    return [
        Route("/login", doors.show_sign_in, methods=["GET"]),
        Route("/login", doors.sign_in, methods=["POST"]),
        Route("/first", doors.show_first, methods=["GET"]),
        Route("/first", doors.first, methods=["POST"]),
        Route("/logout", doors.show_sign_out, methods=["GET"]),
        Route("/logout", doors.sign_out, methods=["POST"]),
    ]


def _create_first(name: str, password: str, address: str) -> Account:
    return accounts.create(name, password, "administrator", address=address, first=True)


async def _enter(http: Request, account: Account, where: str) -> Response:
    token = await run_in_threadpool(accounts.open_session, account, _address(http))
    return await _with_session(http, token, where)


async def _with_session(http: Request, token: str, where: str) -> Response:
    """Go to `where` with the new session; the one the browser came with ends."""
    old = http.cookies.get(COOKIE)
    if old:
        await run_in_threadpool(accounts.close_session, old)
    answer = RedirectResponse(where, 303)
    secure = http.url.scheme == "https"
    lasts = accounts.SESSION_SECONDS
    answer.set_cookie(COOKIE, token, max_age=lasts, path="/", httponly=True, samesite="lax", secure=secure)
    return answer


async def _form(http: Request) -> dict[str, str]:
    """The fields of a small form; one that is larger than any of ours counts as empty."""
    body = b""
    async for chunk in http.stream():
        body += chunk
        if len(body) > FORM_LIMIT:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    return {name: values[0] for name, values in fields.items()}


def _next(wanted: str) -> str:
    """Where to go after signing in: a path of this server, whatever the address said."""
    plain = wanted.isprintable() and wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if plain and wanted.partition("?")[0] not in ("/login", "/logout", "/first") else "/"


def _address(http: Request) -> str:
    return http.client.host if http.client else ""


def speak(http: Request) -> None:
    """The language of the address, else the browser's; Chinese unless it asks for English first."""
    asked = http.query_params.get("lang") or http.headers.get("accept-language", "")
    i18n.use("en" if asked.strip().lower().startswith("en") else "zh")


# the pages


def _sign_in_page(where: str, http: Request, problem: str = "", status: int = 200, name: str = "") -> Response:
    guest = f'<button class="quiet" name="guest" value="1" formnovalidate>{_e(t("signin.guest"))}</button>'
    body = f"""
    {_alert(problem)}
    <form method="post" action="{_e(_with_language("/login"))}">
      <input type="hidden" name="next" value="{_e(where)}">
      {_field("name", "text", "username", name, first=not name)}
      {_field("password", "password", "current-password", first=bool(name))}
      <button>{_e(t("signin.in"))}</button>
      {guest if accounts.open_guest() else ""}
    </form>"""
    return plain_page("signin.in", body, http, status, where)


def _first_page(secret: str, http: Request, problem: str = "", name: str = "") -> Response:
    body = f"""
    <p>{_e(t("signin.first_about"))}</p>
    {_alert(problem)}
    <form method="post" action="{_e(_with_language("/first"))}">
      <input type="hidden" name="token" value="{_e(secret)}">
      {_field("name", "text", "username", name, first=True)}
      {_field("password", "password", "new-password")}
      {_field("again", "password", "new-password")}
      <button>{_e(t("signin.create"))}</button>
    </form>"""
    return plain_page("signin.first", body, http, 400 if problem else 200)


def _used_up_page(http: Request) -> Response:
    way_on = f'<p><a href="/login">{_e(t("signin.in"))}</a></p>' if accounts.has_administrator() else ""
    return plain_page("signin.first", _alert(t("signin.used_up")) + way_on, http, 403)


def _too_many(where: str, http: Request, seconds: float) -> Response:
    answer = _sign_in_page(where, http, t("signin.too_many", wait=i18n.duration(seconds)), 429)
    answer.headers["retry-after"] = str(max(1, round(seconds)))
    return answer


def _field(name: str, kind: str, meaning: str, value: str = "", first: bool = False) -> str:
    return (
        f'<label for="{name}">{_e(t(f"signin.{name}"))}</label><input id="{name}" name="{name}" type="{kind}" '
        f'autocomplete="{meaning}" value="{_e(value[:40])}" maxlength="200" required{" autofocus" if first else ""}>'
    )


def _alert(problem: str) -> str:
    return f'<p role="alert">{_e(problem)}</p>' if problem else ""


def plain_page(title_key: str, body: str, http: Request, status: int = 200, where: str = "") -> HTMLResponse:
    """A whole page around `body`, with the switch to the other language where the address allows it."""
    language, title = i18n.current(), t(title_key)
    other = {"zh": ("en", "English"), "en": ("zh", "中文")}[language]
    switch = f"{http.url.path}?lang={other[0]}" + (f"&next={quote(where, safe='/')}" if where not in ("", "/") else "")
    switched = (
        f'<nav><a href="{_e(switch)}" lang="{other[0]}">{other[1]}</a></nav>' if http.url.path != "/first" else ""
    )
    content = f"""<!doctype html>
<html lang="{"zh-CN" if language == "zh" else "en"}">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{_e(title)} · easyAIGC</title>
  <style>{(ASSETS / "signin.css").read_text(encoding="utf-8")}</style>
</head>
<body><main>
  {(ASSETS / "seal.svg").read_text(encoding="utf-8")}
  <h1>{_e(title)}</h1>
  {body}
  {switched}
</main></body>
</html>"""
    return HTMLResponse(content, status, headers={"cache-control": "no-store"})


def _with_language(path: str) -> str:
    return f"{path}?lang={i18n.current()}"


def _e(words: str) -> str:
    return html.escape(words, quote=True)
