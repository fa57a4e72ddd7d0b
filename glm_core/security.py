"""The guard in front of every request, HTTP and WebSocket: whose address is asked for, from where, how much, and what a page may load.

A pure ASGI middleware without state. It knows no accounts; while there are none, the server answers this computer only.
"""

import ipaddress
import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from glm_core.text import say

API_PREFIX = "/v1/"
API_BODY_BYTES = 1 << 20

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
_HEADER_BYTES = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class BodyTooLarge(Exception):
    """An API request went on sending after its limit; nothing of it is handled."""


class Guard:
    """ASGI middleware: refuses foreign hosts, cross-site posts and oversized API bodies; adds `HEADERS` to every answer.

    Args:
        app: the application behind it.
        hosts: names under which this server may be asked, without port. A page elsewhere that rebinds its own name
            to 127.0.0.1 asks under that name and gets nothing.
    """

    def __init__(self, app, hosts: Iterable[str]):
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            return await (send({"type": "websocket.close", "code": 1008}) if refusal else self.app(scope, receive, send))
        send = _with_headers(send)
        if refusal:
            return await _refuse(send, scope["path"], *refusal)
        if scope["path"].startswith(API_PREFIX):
            return await self._limited(scope, receive, send)
        return await self.app(scope, receive, send)

    def _refusal(self, scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and text key of the reason not to answer; None to answer."""
        host = headers.get("host", "")
        if _is_network_peer(scope) and _name(host) not in self.hosts:
            return 403, "security.host"
        origin = headers.get("origin")
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            if headers.get("sec-fetch-site") == "cross-site" or (origin and urlsplit(origin).netloc != host):
                return 403, "security.origin"
        length = headers.get("content-length", "")
        if scope["path"].startswith(API_PREFIX) and length.isdigit() and int(length) > API_BODY_BYTES:
            return 413, "security.body"
        return None

    async def _limited(self, scope, receive, send):
        """Run the application while its body stays under the limit, whatever the client announced."""
        received, started = 0, False

        async def counted():
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > API_BODY_BYTES:
                raise BodyTooLarge
            return message

        async def noted(message):
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except BodyTooLarge:
            if not started:
                await _refuse(send, scope["path"], 413, "security.body")


def _is_network_peer(scope) -> bool:
    """Whether the request came over a network: a test client or a parent application in this process has no IP address."""
    try:
        ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """The host of a Host header without its port, lower case, IPv6 without brackets; empty when it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _with_headers(send):
    async def sending(message):
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            added = [pair for pair in _HEADER_BYTES if pair[0] not in present]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return sending


async def _refuse(send, path: str, status: int, key: str) -> None:
    """Answer with a sentence; for the API in the form OpenAI clients read."""
    limit = API_BODY_BYTES >> 10
    if path.startswith(API_PREFIX):
        error = {"message": say(key, limit=limit), "type": "invalid_request_error", "param": None, "code": key.split(".")[1]}
        body, kind = json.dumps({"error": error}, ensure_ascii=False), b"application/json; charset=utf-8"
    else:
        body, kind = say(key, limit=limit) + "\n", b"text/plain; charset=utf-8"
    content = body.encode()
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(b"content-type", kind), (b"content-length", str(len(content)).encode())]})
    await send({"type": "http.response.body", "body": content})
