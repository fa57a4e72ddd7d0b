"""The middleware in front of every request, HTTP and WebSocket: host, origin, path, account, rate limit, security headers.

Pure ASGI. While nothing is shared, the user of this computer may do everything and nobody else anything. While sharing, pages and their
socket need a session and /v1 a key. Permissions within a page are the page's to ask for (`ui.begin`). Sizes of bodies are limited where
bodies are read: `server.maxUploadSize` for files, the API for its own.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import ClientDisconnect

from glm_core.auth import accounts, api_keys, database, sessions
from glm_core.auth.database import StoreError
from glm_core.auth.network.addresses import LOCAL_HOSTS
from glm_core.auth.network.page_sockets import Owner, PageSockets
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.rate_limits import RateLimiter
from glm_core.auth.requests import cors, request_paths
from glm_core.auth.requests.body_rate import BodyTooSlow, limit_body_rate
from glm_core.auth.requests.page_connection import HANG_UP, PageConnection, PageMessages
from glm_core.auth.requests.rejections import Rejection, send_rejection
from glm_core.auth.requests.request_ids import HEADER, request_id
from glm_core.auth.requests.request_paths import API_PREFIX, CHECK_SOCKET, HEALTH, SAFE_METHODS, UPLOADS, required_role
from glm_core.auth.requests.security_headers import OPENER_POLICY, with_headers, with_sources
from glm_core.auth.requests.sender import host_name, is_forwarded, peer, repeats, session_token

log = logging.getLogger(__name__)


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
        self._messages = PageMessages(passes, session_of)
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
            extra["content-security-policy"] = with_sources(self.sharing.check_sources)
        secure = scope.get("scheme") == "https"
        if secure or host_name(headers.get("host", "")) in LOCAL_HOSTS:
            extra |= OPENER_POLICY
        send = with_headers(send, extra, secure=secure)
        if not rejection and self._calls_api(scope) and cors.is_preflight(scope, headers):
            return await cors.send_preflight(send, headers)
        if rejection:
            return await self._send_rejection(scope, headers, send, rejection)
        try:
            return await self.app(scope, limit_body_rate(receive), send)
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
        address = peer(scope)
        here = address is not None and address.is_loopback
        scope["from_this_computer"] = here and not is_forwarded(headers)
        if repeats(scope):
            return Rejection(400, "security.repeated")
        if host_name(headers.get("host", "")) not in self.sharing.hosts:
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
        address = peer(scope)
        here = address is not None and (address.is_loopback or str(address) in self.sharing.hosts)
        return here and host_name(headers.get("origin", "").partition("://")[2]) in self.sharing.hosts

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
        token = session_token(headers)
        return await database.read(sessions.session, token) if token else None

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
        token = "" if account is accounts.LOCAL else session_token(headers)
        address = str(peer(scope) or "")
        owner = Owner(account.folder, account.role, sessions.digest(token), address)
        if not self._sockets.add(owner):
            return await send(HANG_UP)

        async def still_allowed() -> bool:
            return await self._still_allowed(owner, token)

        connection = PageConnection(owner, self._sockets, self._messages, still_allowed, receive, send)
        try:
            inner = self._sockets.without_foreign_session(scope, owner)
            await self.app(inner, connection.receive, connection.send)
        finally:
            self._sockets.discard(owner, connection.session)

    async def _still_allowed(self, owner: Owner, token: str) -> bool:
        """Return True while the session of a socket lasts and has the role it had when the socket opened."""
        if not token:
            return True  # opened before sharing began; the page itself asks again (`ui.visitor`)
        try:
            now = await database.read(sessions.session, token) if self.sharing.on else None
        except StoreError:
            return False
        return now is not None and (now.role, now.folder) == (owner.role, owner.folder)


def _to_sign_in(scope, path: str) -> Rejection:
    """Send a page's reader to the sign-in page and back; refuse anything else."""
    if scope["type"] == "http" and request_paths.takes_key(scope, path) and not request_paths.from_browser(scope):
        return Rejection(401, "security.key", {"www-authenticate": "Bearer"})
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = quote(scope["path"] + (f"?{query}" if query else ""), safe="/")
        return Rejection(303, "security.sign_in", {"location": "/login" + ("" if wanted == "/" else f"?next={wanted}")})
    return Rejection(403, "security.sign_in")
