"""Routes for signing in and out: /login, /logout, /enter after sharing was turned on and, once, /first for the first administrator.

Every sign-in opens a new session and ends the one the browser sent, so that nobody can plant a session. Failed attempts are limited by
name and address. Cross-site posts never get here (`requests/middleware.py`). Sessions and accounts themselves are in `sessions.py` and
`accounts.py`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Hashable
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from glm_core import i18n
from glm_core.auth import accounts, audit, database, sessions
from glm_core.auth.accounts import Account, AccountError
from glm_core.auth.database import StoreError
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.plain_pages.plain_page import plain_page, use_language_of
from glm_core.auth.rate_limits import RateLimiter
from glm_core.auth.requests.sender import COOKIE
from glm_core.i18n import t

FORM_LIMIT = 4_000
FORM_FIELDS = 10
WINDOW = 300.0
LIMITS = {"here": 5, "address": 20, "name": 100}
"Failures in `WINDOW` seconds: of one name from one address, of one address, of one name from anywhere."
GUEST_LIMIT = 30
"Guest sessions that one address may open in that time."
TOGETHER = 2
"Passwords checked at a time: each takes 64 MiB for a moment."
SLOW_SECONDS = 2.0
"Delay of an attempt that a limit slows down instead of refusing it."
SLOW_TOGETHER = 20
"Slowed attempts on one name that wait at a time; further ones are refused."


class LoginRoutes:
    """The handlers of /login, /logout, /enter and /first, which share one rate limiter.

    Args:
        sharing: gives the process' one `Sharing`.
        slow_seconds: delay of attempts that are slowed down.
    """

    def __init__(self, sharing: Callable[[], Sharing], slow_seconds: float = SLOW_SECONDS) -> None:
        self._sharing = sharing
        self._slow_seconds = slow_seconds
        self._attempts = RateLimiter(WINDOW)
        self._checks = asyncio.Semaphore(TOGETHER)
        self._slowed = asyncio.Lock()
        self._waiting = 0

    async def show_sign_in(self, http: Request) -> Response:
        """GET /login."""
        use_language_of(http)
        where = _next(http.query_params.get("next", ""))
        if not self._sharing().on or http.scope.get("account") is not None:
            return RedirectResponse(where, 303)
        return await _sign_in_page(where, http)

    async def sign_in(self, http: Request) -> Response:
        """POST /login: `name` and `password`, or `guest`; `next` is the path to go to."""
        use_language_of(http)
        form = await _form(http)
        where = _next(form.get("next", ""))
        if not self._sharing().on:
            return RedirectResponse(where, 303)
        try:
            if "guest" in form:
                return await self._sign_in_guest(http, where)
            return await self._sign_in(http, where, form.get("name", "").strip(), form.get("password", ""))
        except StoreError as error:
            return await _sign_in_page(where, http, str(error), 503, form.get("name", ""))

    async def _sign_in(self, http: Request, where: str, name: str, password: str) -> Response:
        address, known = _address(http), name.casefold()[:64]
        limits: dict[Hashable, int] = {(address, known): LIMITS["here"], address: LIMITS["address"]}
        limit = self._attempts.take(limits)
        if not limit.allowed and not _is_this_computer(http):
            return await _too_many(where, http, limit.reset)
        if limit.allowed:
            refused = await self._slow_down(http, where, name, address)
        else:  # a wrong password is refused below, a right one from this computer is never
            await asyncio.sleep(self._slow_seconds)
            refused = None
        if refused is not None:
            return refused
        async with self._checks:
            account = await run_in_threadpool(accounts.check, name, password)
        if account is None:
            with contextlib.suppress(StoreError):
                await database.write(audit.note, name[:40], "audit.session.refused", "", address)
            if not limit.allowed:
                return await _too_many(where, http, limit.reset)
            return await _sign_in_page(where, http, t("signin.wrong"), 401, name)
        self._attempts.clear((address, known))
        if limit.allowed:
            self._attempts.refund(address, ("name", known))
        return await _enter(http, account, where)

    async def _slow_down(self, http: Request, where: str, name: str, address: str) -> Response | None:
        """Delay an attempt on a name that was guessed at too often from everywhere; None to go on.

        Neither this computer nor an address that has signed in under the name before is delayed, so that strangers who guess lock
        nobody out.
        """
        limit = self._attempts.take({("name", name.casefold()[:64]): LIMITS["name"]})
        if limit.allowed or _is_this_computer(http):
            return None
        if await database.read(sessions.signed_in_before, name, address):
            return None
        if self._waiting >= SLOW_TOGETHER:
            return await _too_many(where, http, self._waiting * self._slow_seconds)
        self._waiting += 1
        try:
            async with self._slowed:  # one at a time: guessing goes no faster from many addresses
                await asyncio.sleep(self._slow_seconds)
        finally:
            self._waiting -= 1
        return None

    async def _sign_in_guest(self, http: Request, where: str) -> Response:
        limit = self._attempts.take({("guest", _address(http)): GUEST_LIMIT})
        if not limit.allowed:
            return await _too_many(where, http, limit.reset)
        token = await database.write(sessions.open_guest_session, _address(http))
        if token is None:
            return await _sign_in_page(where, http, t("signin.no_guests"), 403)
        return await _with_session(http, token, where)

    async def enter(self, http: Request) -> Response:
        """GET /enter?ticket=…&next=…: the browser that has just turned sharing on comes back signed in.

        One that is signed in already simply goes on; without a good ticket the sign-in page follows.
        """
        use_language_of(http)
        where = _next(http.query_params.get("next", ""))
        if http.scope.get("account") is not None:
            return RedirectResponse(where, 303)
        name = self._sharing().whose(http.query_params.get("ticket", "")) if _is_this_computer(http) else None
        account = await database.read(accounts.named, name) if name else None
        if account is None:
            return RedirectResponse(f"/login?next={quote(where, safe='/')}", 303)
        return await _enter(http, account, where)

    async def show_first(self, http: Request) -> Response:
        """GET /first?token=…: the one-time address from the terminal."""
        use_language_of(http)
        secret = http.query_params.get("token", "")
        if not await database.read(self._sharing().is_first_visit, secret):
            return await _used_up_page(http)
        return _first_page(secret, http)

    async def first(self, http: Request) -> Response:
        """POST /first: make the first administrator."""
        use_language_of(http)
        form = await _form(http)
        secret, name, password = (form.get(field, "") for field in ("token", "name", "password"))
        if not await database.read(self._sharing().is_first_visit, secret):
            return await _used_up_page(http)
        if password != form.get("again", ""):
            return _first_page(secret, http, t("signin.differ"), name)
        try:
            async with self._checks:
                account = await database.write(_create_first, name, password, _address(http))
            return await _enter(http, account, "/")
        except (AccountError, StoreError) as error:
            return _first_page(secret, http, str(error), name)

    async def show_sign_out(self, http: Request) -> Response:
        """GET /logout: asks for sign-out here or on every device."""
        use_language_of(http)
        account = http.scope.get("account")
        if account is None or account.id == accounts.LOCAL.id:
            return RedirectResponse("/", 303)
        everywhere = account.name != accounts.GUEST_NAME
        return plain_page("sign_out", "signin.out", http, account=account, everywhere=everywhere)

    async def sign_out(self, http: Request) -> Response:
        """POST /logout; with `everywhere` the account's other sessions end too."""
        use_language_of(http)
        form = await _form(http)
        account = http.scope.get("account")
        everywhere = account is not None and "everywhere" in form and account.name != accounts.GUEST_NAME
        try:
            if everywhere:
                await database.write(sessions.close_sessions, account)
            else:
                await database.write(sessions.close_session, http.cookies.get(COOKIE, ""))
            answer: Response = RedirectResponse("/login", 303)
        except StoreError as error:  # it has ended in this process all the same
            answer = await _sign_in_page("/", http, str(error), 503)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        return answer


def routes(sharing: Callable[[], Sharing], slow_seconds: float = SLOW_SECONDS) -> list[Route]:
    """Return the routes for signing in and out; the arguments are those of `LoginRoutes`."""
    handlers = LoginRoutes(sharing, slow_seconds)
    return [
        Route("/login", handlers.show_sign_in, methods=["GET"]),
        Route("/login", handlers.sign_in, methods=["POST"]),
        Route("/first", handlers.show_first, methods=["GET"]),
        Route("/first", handlers.first, methods=["POST"]),
        Route("/enter", handlers.enter, methods=["GET"]),
        Route("/logout", handlers.show_sign_out, methods=["GET"]),
        Route("/logout", handlers.sign_out, methods=["POST"]),
    ]


def _create_first(name: str, password: str, address: str) -> Account:
    return accounts.create(name, password, "administrator", address=address, first=True)


async def _enter(http: Request, account: Account, where: str) -> Response:
    token = await database.write(sessions.open_session, account, _address(http))
    return await _with_session(http, token, where)


async def _with_session(http: Request, token: str, where: str) -> Response:
    """Go to `where` with the new session; the one the browser sent ends."""
    old = http.cookies.get(COOKIE)
    if old:
        await database.write(sessions.close_session, old)
    answer = RedirectResponse(where, 303)
    secure = http.url.scheme == "https"
    lasts = sessions.SESSION_SECONDS
    answer.set_cookie(COOKIE, token, max_age=lasts, path="/", httponly=True, samesite="lax", secure=secure)
    return answer


async def _form(http: Request) -> dict[str, str]:
    """Return the fields of a small form; a form that is larger than any of ours counts as empty."""
    body = b""
    async for chunk in http.stream():
        body += chunk
        if len(body) > FORM_LIMIT:
            return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FORM_FIELDS)
    except ValueError:  # more fields
        return {}
    return {name: values[0] for name, values in fields.items()}


def _next(wanted: str) -> str:
    """Return the path to go to after signing in: always one of this server, whatever the address said."""
    plain = wanted.isprintable() and wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if plain and wanted.partition("?")[0] not in ("/login", "/logout", "/first", "/enter") else "/"


def _address(http: Request) -> str:
    return http.client.host if http.client else ""


def _is_this_computer(http: Request) -> bool:
    return bool(http.scope.get("from_this_computer"))


# the pages


async def _sign_in_page(where: str, http: Request, problem: str = "", status: int = 200, name: str = "") -> Response:
    try:
        open_guest = await database.read(accounts.open_guest)
    except StoreError as error:
        problem, status, open_guest = problem or str(error), 503, False
    values = {"problem": problem, "name": name, "open_guest": open_guest}
    return plain_page("sign_in", "signin.in", http, status=status, where=where, **values)


def _first_page(secret: str, http: Request, problem: str = "", name: str = "") -> Response:
    status = 400 if problem else 200
    return plain_page(
        "first",
        "signin.first",
        http,
        status=status,
        secret=secret,
        problem=problem,
        name=name,
        rule=accounts.password_rule(),
    )


async def _used_up_page(http: Request) -> Response:
    exists = await database.read(accounts.has_administrator)
    return plain_page("used_up", "signin.first", http, status=403, has_administrator=exists)


async def _too_many(where: str, http: Request, seconds: float) -> Response:
    answer = await _sign_in_page(where, http, t("signin.too_many", wait=i18n.duration(seconds)), 429)
    answer.headers["retry-after"] = str(max(1, round(seconds)))
    return answer
