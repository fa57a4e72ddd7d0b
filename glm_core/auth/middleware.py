"""The guard in front of every request, HTTP and WebSocket: under which name it asks, from which site, who it is, what a page may load.

A pure ASGI middleware. While nothing is shared, whoever is at this computer may do everything and nobody else anything; while sharing,
pages and their socket want a session and /v1 a key. What an account may see on a page is the page's to ask (`ui.begin`). The limits on
bodies are where bodies are read: `server.maxUploadSize` for files, the API for its own.
"""

import asyncio
import ipaddress
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from starlette.requests import ClientDisconnect, cookie_parser

from glm_core.auth import accounts, api_keys
from glm_core.auth.network import Sharing
from glm_core.i18n import t

API_PREFIX = "/v1/"
COOKIE = "easyaigc_session"
OPEN_PATHS = frozenset(("/login", "/logout", "/first", "/health", "/_stcore/health"))
"What strangers may ask while sharing: the way in, and whether the server lives."
OPERATORS_PATHS = frozenset(("/metrics", "/_stcore/metrics"))
KEYED_PATHS = OPERATORS_PATHS | {"/openapi.json"}
"What a program with a key may ask beside the API, and a session too."
UPLOADS = "/_stcore/upload_file"

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
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip")
BODY_PATIENCE = 20.0
"Seconds that a body may take however small it is."
BODY_PACE = 2_000
"Bytes a second that it has to bring after those, all in all."
HANG_UP = {"type": "websocket.close", "code": 1008}
ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    408: "invalid_request_error",
    429: "rate_limit_error",
}


@dataclass(frozen=True)
class Rejection:
    """Why there is no answer: the status, the text key of the reason, and headers that say more."""

    status: int
    key: str
    headers: dict[str, str] = field(default_factory=dict)


class TooSlow(ClientDisconnect):
    """A request's body comes so slowly that nobody waits for it any longer."""


class AuthMiddleware:
    """ASGI middleware: refuses foreign hosts, cross-site posts and strangers; adds `HEADERS` to every answer.

    Behind it `scope["account"]` is who asks, and `scope["user_name"]` whose turn in the engine's queue it is.

    Args:
        app: the application behind it.
        hosts: names under which this server may be asked, without port. A page elsewhere that rebinds its own name
            to 127.0.0.1 asks under that name and gets nothing.
        sharing: whether the network may come in, and under which names then.
        passes: whether a binary message from a browser's socket may go on; others are dropped, whoever sent them.
    """

    def __init__(
        self,
        app,
        hosts: Iterable[str] = (),
        sharing: Sharing | None = None,
        passes: Callable[[bytes], bool] = lambda message: True,
    ):
        self.app = app
        self._passes = passes
        self.sharing = sharing or Sharing(allowed=hosts)
        self.pace = api_keys.RateLimiter()

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        extra: dict[str, str] = {}
        refusal = self._refusal(scope, headers) or self._admit(scope, headers, extra)
        if scope["type"] == "websocket":
            if refusal:
                return await send(HANG_UP)
            return await self.app(scope, *self._recheck_session(scope, headers, receive, send))
        send = _with_headers(send, extra, secure=scope.get("scheme") == "https")
        if refusal:
            return await _refuse(send, scope["path"], refusal)
        try:
            return await self.app(scope, _limit_body_rate(receive), send)
        except TooSlow:
            return await _refuse(send, scope["path"], Rejection(408, "security.too_slow", {"connection": "close"}))
        except ClientDisconnect:
            return  # gone in the middle of its own words: nobody is there to answer

    def _recheck_session(self, scope, headers: dict[str, str], receive, send):
        """A socket's `receive` and `send` that hang up once the session has ended or may do something else than at first,
        and drop what pages do not send.

        Everything a page does, its timers too, begins with a message from the browser.
        """
        first, token, over = scope["account"], _token(headers), False

        async def receiving():
            nonlocal over
            message = await receive()
            while message.get("bytes") is not None and not self._passes(message["bytes"]):
                message = await receive()
            if first is not accounts.LOCAL and message["type"] == "websocket.receive" and not over:
                now = accounts.session(token) if self.sharing.on else None
                if now is None or now.role != first.role:
                    over = True
                    await send(HANG_UP)
                    return {"type": "websocket.disconnect", "code": 1008}
            return message

        async def sending(message):
            if not over:
                await send(message)

        return receiving, sending

    def _refusal(self, scope, headers: dict[str, str]) -> Rejection | None:
        """The reason not to answer anybody who asks like this; None to go on."""
        host = headers.get("host", "")
        peer = _peer(scope)
        if peer and _name(host) not in self.sharing.hosts:
            return Rejection(403, "security.host")
        if not self.sharing.on and ((peer and not peer.is_loopback) or any(name in headers for name in FORWARDED)):
            return Rejection(403, "security.local_only")
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
        foreign = headers.get("sec-fetch-site") == "cross-site" or (origin and origin.partition("://")[2] != host)
        if changes and foreign:
            return Rejection(403, "security.origin")
        return None

    def _admit(self, scope, headers: dict[str, str], extra: dict[str, str]) -> Rejection | None:
        """Find out who asks and note it in `scope`; the reason not to answer them, None to answer."""
        if not self.sharing.on:
            scope["account"] = accounts.LOCAL
            calls = scope["type"] == "http" and scope["path"].startswith(API_PREFIX)
            return self._count(accounts.LOCAL.name, api_keys.LIMITS[1], extra) if calls else None
        path = scope["path"]
        if path.startswith(API_PREFIX) or (path in KEYED_PATHS and "authorization" in headers):
            return self._admit_key(scope, headers, extra)
        account = accounts.session(_token(headers))
        scope["account"] = account
        if account is None:
            return None if path in OPEN_PATHS and scope["type"] == "http" else _to_sign_in(scope)
        scope["user_name"] = account.folder
        return _forbidden(account, scope)

    def _admit_key(self, scope, headers: dict[str, str], extra: dict[str, str]) -> Rejection | None:
        kind, _, secret = headers.get("authorization", "").partition(" ")
        found = api_keys.find(secret.strip()) if kind.lower() == "bearer" else None
        if found is None:
            return Rejection(401, "security.key", {"www-authenticate": "Bearer"})
        key, account = found
        scope["account"], scope["user_name"] = account, account.folder
        return self._count(key.id, key.per_minute, extra) or _forbidden(account, scope)

    def _count(self, who: int | str, per_minute: int, extra: dict[str, str]) -> Rejection | None:
        """Count a call and say in its headers how many are left; the reason not to answer once there are none."""
        turn = self.pace.take(who, per_minute)
        extra.update(turn.headers())
        return (
            None if turn.allowed else Rejection(429, "security.pace", {"retry-after": str(max(1, round(turn.reset)))})
        )


def _to_sign_in(scope) -> Rejection:
    """Send a page's reader to the sign-in page and back; anything else just gets no answer."""
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = quote(scope["path"] + (f"?{query}" if query else ""), safe="/")
        return Rejection(303, "security.sign_in", {"location": "/login" + ("" if wanted == "/" else f"?next={wanted}")})
    return Rejection(403, "security.sign_in")


def _forbidden(account: accounts.Account, scope) -> Rejection | None:
    """What is not for this account's role, whatever page it asks from."""
    path = scope["path"]
    uploads = path.startswith(UPLOADS) and scope.get("method") not in ("GET", "HEAD", "OPTIONS")
    if (uploads and not account.may("trainer")) or (path in OPERATORS_PATHS and not account.may("administrator")):
        return Rejection(403, "security.role")
    return None


def _token(headers: dict[str, str]) -> str:
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _peer(scope) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a request came from; None without a network: a test client or a parent application in this process."""
    try:
        peer = ipaddress.ip_address((scope.get("client") or ("",))[0].partition("%")[0])
    except ValueError:
        return None
    return getattr(peer, "ipv4_mapped", None) or peer


def _name(host: str) -> str:
    """The host of a Host header without its port, lower case, IPv6 without brackets; empty when it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _limit_body_rate(receive):
    """`receive` for a request whose body has to keep a pace.

    Raises:
        TooSlow: it does not; bytes already there are not lost to those who come in time.
    """
    started, size, whole = time.monotonic(), 0, False

    async def receiving():
        nonlocal size, whole
        if whole:
            return await receive()  # which now waits for the client to leave
        patience = started + BODY_PATIENCE + size / BODY_PACE - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, patience))
        except TimeoutError as error:
            raise TooSlow from error
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message

    return receiving


def _with_headers(send, extra: dict[str, str], secure: bool):
    """`send` that adds `HEADERS` and `extra`, and lets no cookie set over HTTPS travel without it."""

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


async def _refuse(send, path: str, refusal: Rejection) -> None:
    """Answer with a sentence; for the API in the form OpenAI clients read."""
    if path.startswith(API_PREFIX) or path in KEYED_PATHS or path == "/health":
        kind = ERROR_TYPES.get(refusal.status, "authentication_error")
        error = {"message": t(refusal.key), "type": kind, "param": None, "code": refusal.key.split(".")[1]}
        body, content_type = json.dumps({"error": error}, ensure_ascii=False), "application/json; charset=utf-8"
    else:
        body, content_type = t(refusal.key) + "\n", "text/plain; charset=utf-8"
    content = body.encode()
    fields = refusal.headers | {"content-type": content_type, "content-length": str(len(content))}
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
