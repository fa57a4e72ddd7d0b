"""The middleware in front of every request, HTTP and WebSocket: host, origin, path, account, rate limit, security headers.

Pure ASGI. While nothing is shared, the user of this computer may do everything and nobody else anything. While sharing, pages and their
socket need a session and /v1 a key. Permissions within a page are the page's to ask for (`ui.begin`). Sizes of bodies are limited where
bodies are read: `server.maxUploadSize` for files, the API for its own.
"""

import asyncio
import ipaddress
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import ClientDisconnect, cookie_parser

from glm_core.auth import accounts, api_keys, database
from glm_core.auth.database import StoreError
from glm_core.auth.network.page_sockets import Owner, PageSockets
from glm_core.auth.network.sharing import LOCAL_HOSTS, Sharing
from glm_core.auth.rate_limits import RateLimiter
from glm_core.auth.requests import cors, request_paths
from glm_core.auth.requests.rejections import Rejection, send_rejection
from glm_core.auth.requests.request_ids import HEADER, request_id
from glm_core.auth.requests.request_paths import API_PREFIX, CHECK_SOCKET, HEALTH, SAFE_METHODS, UPLOADS, required_role

log = logging.getLogger(__name__)

COOKIE = "easyaigc_session"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
OPENER_POLICY = {"cross-origin-opener-policy": "same-origin"}
"Only for HTTPS and this computer's own names: elsewhere browsers ignore it and complain in their console."
ONCE = (b"host", b"origin", b"authorization", b"sec-fetch-site")
"Headers that a request has once or not at all."
_HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{1,5}))?")
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip")
BODY_SECONDS = 20.0
"Seconds that a request's body may take however small it is."
BODY_RATE = 2_000
"Bytes a second that it must bring after those, on average."
HANG_UP = {"type": "websocket.close", "code": 1008}
TOO_BIG = {"type": "websocket.close", "code": 1009}


class BodyTooSlow(ClientDisconnect):
    """A request's body arrives more slowly than `BODY_RATE`."""


class AuthMiddleware:
    """ASGI middleware: refuses foreign hosts, cross-site posts and strangers; adds `HEADERS` to every answer.

    Behind it `scope["account"]` is the account of the request, `scope["user_name"]` its name in the engine's queue, and
    `scope["from_this_computer"]` says that it came from here and through no proxy.

    Args:
        app: the application behind it.
        hosts: names under which this server may be asked, without port. A page elsewhere that rebinds its own name
            to 127.0.0.1 asks under that name and is refused.
        sharing: the state of sharing and the names allowed with it.
        passes: returns True for a binary message that a page's socket may send; others are dropped.
        session_of: returns the Streamlit session that a message to the browser announces, None where it announces none.
        sockets: counts and binds the sockets of pages.
        base: Streamlit's `server.baseUrlPath`.
    """

    def __init__(
        self,
        app,
        hosts: Iterable[str] = (),
        sharing: Sharing | None = None,
        passes: Callable[[bytes], bool] = lambda message: True,
        session_of: Callable[[bytes], str | None] = lambda message: None,
        sockets: PageSockets | None = None,
        base: str = "",
    ) -> None:
        self.app = app
        self.sharing = sharing or Sharing(allowed=hosts)
        self.limiter = RateLimiter()
        self._passes = passes
        self._session_of = session_of
        self._sockets = sockets or PageSockets()
        self._base = base.strip("/")

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        extra: dict[str, str] = {}
        try:
            rejection = self._refuse_request(scope, headers) or await self._admit(scope, headers, extra)
        except StoreError as error:
            rejection = Rejection(503, error.key, {"retry-after": "2"}, error.values)
        if scope["type"] == "websocket":
            return await send(HANG_UP) if rejection else await self._serve_socket(scope, headers, receive, send)
        if self.sharing.check_sources:
            extra["content-security-policy"] = _with_sources(self.sharing.check_sources)
        secure = scope.get("scheme") == "https"
        name = _HOST.fullmatch(headers.get("host", ""))
        if secure or (name and name["name"] in LOCAL_HOSTS):
            extra |= OPENER_POLICY
        send = _with_headers(send, extra, secure=secure)
        if not rejection and self._calls_api(scope) and cors.is_preflight(scope, headers):
            return await cors.send_preflight(send, headers)
        if rejection:
            return await self._send_rejection(scope, headers, send, rejection)
        try:
            return await self.app(scope, _limit_body_rate(receive), send)
        except BodyTooSlow:
            slow = Rejection(408, "security.too_slow", {"connection": "close"})
            return await self._send_rejection(scope, headers, send, slow)
        except ClientDisconnect:
            return  # left in the middle of its own request: nobody is there to answer

    async def _send_rejection(self, scope, headers: dict[str, str], send, rejection: Rejection) -> None:
        path = request_paths.routed_path(scope, self._base) or scope["path"]
        as_json = path.startswith(API_PREFIX) or request_paths.takes_key(scope, path) or path == "/health"
        language = headers.get("accept-language", "")
        if as_json:
            rejection = replace(rejection, headers=rejection.headers | {HEADER: request_id(headers)})
            log.info("%s %s %s %d", rejection.headers[HEADER], scope["method"], path, rejection.status)
        await send_rejection(send, rejection, as_json=as_json, accepted_language=language)

    # the checks

    def _refuse_request(self, scope, headers: dict[str, str]) -> Rejection | None:
        """Return the reason to refuse a request whoever sends it, None to go on."""
        peer = _peer(scope)
        here = peer is not None and peer.is_loopback
        forwarded = any(name in headers for name in FORWARDED)
        scope["from_this_computer"] = here and not forwarded
        if _repeats(scope):
            return Rejection(400, "security.repeated")
        if _name(headers.get("host", "")) not in self.sharing.hosts:
            return Rejection(403, "security.host")
        if not self.sharing.on and not scope["from_this_computer"]:
            return Rejection(403, "security.local_only")
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        allowed = self._calls_api(scope) or self._checks_connection(scope, headers)  # the API asks for a key then
        if changes and cors.is_foreign(headers) and not allowed:
            return Rejection(403, "security.origin")
        if request_paths.routed_path(scope, self._base) is None:
            return Rejection(400, "security.path")
        return None

    async def _admit(self, scope, headers: dict[str, str], extra: dict[str, str]) -> Rejection | None:
        """Find the account of a request and note it in `scope`; return the reason to refuse it, None to go on."""
        path = request_paths.routed_path(scope, self._base)
        if not self.sharing.on:
            scope["account"] = accounts.LOCAL
            if scope["type"] == "http" and path.startswith(API_PREFIX):
                if foreign := await self._refuse_page(scope, headers, extra):
                    return foreign
                return self._count(accounts.LOCAL.name, api_keys.LIMITS[1], extra)
            return self._forbidden(accounts.LOCAL, scope, path)
        if path in HEALTH and scope["type"] == "http":
            scope["account"] = None
            return None
        if path.startswith(API_PREFIX) or (request_paths.takes_key(scope, path) and "authorization" in headers):
            if cors.is_preflight(scope, headers):
                return None
            if "origin" in headers:
                extra.update(cors.answer_headers(headers["origin"]))
            return await self._admit_key(scope, path, headers, extra)
        account = scope["account"] = await self._account(headers)
        if account is None:
            strangers = scope["type"] == "http" and required_role(path, scope["method"]) == request_paths.ANYONE
            return None if strangers or self._checks_connection(scope, headers) else _to_sign_in(scope, path)
        scope["user_name"] = account.folder
        return self._forbidden(account, scope, path)

    def _calls_api(self, scope) -> bool:
        path = request_paths.routed_path(scope, self._base)
        return scope["type"] == "http" and path is not None and path.startswith(API_PREFIX)

    def _checks_connection(self, scope, headers: dict[str, str]) -> bool:
        """Return True for the connection check from a page of this server, under whichever of its names, on this computer.

        The page of `localhost` tests the network's address, where its cookie does not hold.
        """
        if scope["type"] != "websocket" or request_paths.routed_path(scope, self._base) != CHECK_SOCKET:
            return False
        peer = _peer(scope)
        here = peer is not None and (peer.is_loopback or str(peer) in self.sharing.hosts)
        return here and _name(headers.get("origin", "").partition("://")[2]) in self.sharing.hosts

    async def _refuse_page(self, scope, headers: dict[str, str], extra: dict[str, str]) -> Rejection | None:
        """While nobody needs a key: refuse what a web page of another origin sends, unless it is allowed or has a key."""
        if not cors.is_foreign(headers) or cors.is_preflight(scope, headers):
            return None
        origin = headers.get("origin", "")
        if not cors.is_allowed(origin) and await self._key(headers) is None:
            return Rejection(403, "security.origin") if scope["method"] not in SAFE_METHODS else None
        extra.update(cors.answer_headers(origin))
        return None

    async def _key(self, headers: dict[str, str]) -> "tuple[api_keys.Key, accounts.Account] | None":
        kind, _, secret = headers.get("authorization", "").partition(" ")
        return await database.read(api_keys.find, secret.strip()) if kind.lower() == "bearer" else None

    async def _account(self, headers: dict[str, str]) -> accounts.Account | None:
        token = _token(headers)
        return await database.read(accounts.session, token) if token else None

    async def _admit_key(self, scope, path: str, headers: dict[str, str], extra: dict[str, str]) -> Rejection | None:
        found = await self._key(headers)
        if found is None:
            return Rejection(401, "security.key", {"www-authenticate": "Bearer"})
        key, account = found
        scope["account"], scope["user_name"] = account, account.folder
        return self._count(key.id, key.per_minute, extra) or self._forbidden(account, scope, path)

    def _count(self, who: int | str, per_minute: int, extra: dict[str, str]) -> Rejection | None:
        """Count an API call and put the figures into its headers; return the reason to refuse it, None to go on."""
        limit = self.limiter.take({who: per_minute})
        extra.update(limit.headers())
        return None if limit.allowed else Rejection(429, "security.rate_limit", {"retry-after": limit.retry_after})

    def _forbidden(self, account: accounts.Account, scope, path: str) -> Rejection | None:
        """Return the reason why `account` may not use this path, None where it may."""
        if scope["type"] == "websocket":
            return None if path in request_paths.SOCKETS else Rejection(404, "security.no_such_path")
        role = required_role(path, scope["method"])
        if role is None and scope["method"] == "GET" and request_paths.LOOKS_LIKE_PAGE.fullmatch(path):
            return Rejection(303, "security.no_such_path", {"location": "/"})  # a mistyped or older address of a page
        if role is None:
            return Rejection(404, "security.no_such_path")
        if role in accounts.ROLES and not account.may(role):
            return Rejection(403, "security.role")
        session = path.removeprefix(UPLOADS).split("/")[0] if path.startswith(UPLOADS) else ""
        if session and not self._sockets.may_use(session, account.folder):
            return Rejection(403, "security.role")
        return None

    # the sockets of pages

    async def _serve_socket(self, scope, headers: dict[str, str], receive, send) -> None:
        """Serve a page's socket until it ends, or until its account may no longer use it."""
        account = scope["account"]
        if account is None:  # the connection check
            return await self.app(scope, receive, send)
        token = "" if account is accounts.LOCAL else _token(headers)
        address = str(_peer(scope) or "")
        owner = Owner(account.folder, account.role, accounts.digest(token), address)
        if not self._sockets.add(owner):
            return await send(HANG_UP)
        connection = _Connection(self, owner, token, receive, send)
        try:
            inner = self._sockets.without_foreign_session(scope, owner)
            await self.app(inner, connection.receive, connection.send)
        finally:
            self._sockets.discard(owner, connection.session)

    async def still_allowed(self, owner: Owner, token: str) -> bool:
        """Return True while the session of a socket lasts and has the role it had when the socket opened."""
        if not token:
            return True  # opened before sharing began; the page itself asks again (`ui.visitor`)
        try:
            now = await database.read(accounts.session, token) if self.sharing.on else None
        except StoreError:
            return False
        return now is not None and (now.role, now.folder) == (owner.role, owner.folder)


class _Connection:
    """`receive` and `send` of one page's socket.

    Everything a page does, its timers too, begins with a message from the browser: before each is passed on, the session is checked
    again, and messages that no page sends are dropped.
    """

    def __init__(self, guard: AuthMiddleware, owner: Owner, token: str, receive, send) -> None:
        self.session: str | None = None
        self._guard, self._owner, self._token = guard, owner, token
        self._receive, self._send = receive, send
        self._over = False
        limits = guard._sockets.limits
        self._most = limits.guest_bytes if owner.role == "guest" else limits.account_bytes

    async def receive(self) -> dict:
        message = await self._receive()
        while message["type"] == "websocket.receive" and not self._is_a_pages(message):
            message = await self._receive()
        if message["type"] != "websocket.receive" or self._over:
            return message
        if len(message["bytes"]) > self._most:
            return await self._hang_up(TOO_BIG)
        if not await self._guard.still_allowed(self._owner, self._token):
            return await self._hang_up(HANG_UP)
        return message

    def _is_a_pages(self, message: dict) -> bool:
        """Return True for a binary message of a kind that pages send; Streamlit raises an error at a text."""
        return message.get("bytes") is not None and self._guard._passes(message["bytes"])

    async def _hang_up(self, farewell: dict) -> dict:
        self._over = True
        await self._send(farewell)
        return {"type": "websocket.disconnect", "code": farewell["code"]}

    async def send(self, message: dict) -> None:
        if self._over:
            return
        if self.session is None and message.get("bytes"):
            self.session = self._guard._session_of(message["bytes"])
            if self.session is not None:
                self._guard._sockets.bind(self.session, self._owner)
        await self._send(message)


def _to_sign_in(scope, path: str) -> Rejection:
    """Send a page's reader to the sign-in page and back; refuse anything else."""
    if scope["type"] == "http" and request_paths.takes_key(scope, path) and not request_paths.from_browser(scope):
        return Rejection(401, "security.key", {"www-authenticate": "Bearer"})
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = quote(scope["path"] + (f"?{query}" if query else ""), safe="/")
        return Rejection(303, "security.sign_in", {"location": "/login" + ("" if wanted == "/" else f"?next={wanted}")})
    return Rejection(403, "security.sign_in")


def _token(headers: dict[str, str]) -> str:
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _peer(scope) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address a request came from; None where there is none that makes sense, which counts as a stranger's."""
    try:
        peer = ipaddress.ip_address((scope.get("client") or ("",))[0].partition("%")[0])
    except ValueError:
        return None
    return getattr(peer, "ipv4_mapped", None) or peer


def _name(host: str) -> str:
    """Return the host of a Host header without its port, lower case, IPv6 without brackets; empty where it is not host or host:port."""
    found = _HOST.fullmatch(host)
    if found is None or not 0 < int(found["port"] or 80) < 65536:
        return ""
    return (found["name"] or found["six"]).lower()


def _repeats(scope) -> bool:
    """Return True where a header that decides who asks is given more than once: whoever reads it next may take another one."""
    names = [name.lower() for name, _ in scope["headers"]]
    return any(names.count(name) > 1 for name in ONCE)


def _limit_body_rate(receive):
    """Return a `receive` whose request body must keep up a rate; only the time spent waiting for the client counts.

    Raises:
        BodyTooSlow: it does not.
    """
    waited, size, whole = 0.0, 0, False

    async def receiving():
        nonlocal waited, size, whole
        if whole:
            return await receive()  # waits for the client to leave
        left = BODY_SECONDS + size / BODY_RATE - waited
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, left))
        except TimeoutError as error:
            raise BodyTooSlow from error
        waited += time.monotonic() - began
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message

    return receiving


def _with_sources(addresses: Iterable[str]) -> str:
    """Return the content security policy of a page that may connect to `addresses` of this server for the connection check."""
    return CONTENT_SECURITY_POLICY.replace("connect-src 'self'", f"connect-src 'self' {' '.join(addresses)}")


def _with_headers(send, extra: dict[str, str], secure: bool):
    """Return a `send` that adds `HEADERS` and `extra`, and marks every cookie set over HTTPS as for HTTPS only."""

    async def sending(message):
        if message["type"] == "http.response.start":
            given = [(name.lower(), value) for name, value in message.get("headers", [])]
            if secure:
                given = [(name, _only_https(value) if name == b"set-cookie" else value) for name, value in given]
            present = {name for name, _ in given}
            pairs = [(name.encode(), value.encode()) for name, value in (HEADERS | extra).items()]
            message = {**message, "headers": [*given, *(p for p in pairs if p[0] not in present)]}
        await send(message)

    return sending


def _only_https(cookie: bytes) -> bytes:
    return cookie if b"; secure" in cookie.lower() else cookie + b"; Secure"
