"""The guard in front of every request, HTTP and WebSocket: under which name it asks, from which site, and what a page may load.

A pure ASGI middleware without state. It knows no accounts; while there are none, the server answers this computer only. The limits on
bodies are where bodies are read: `server.maxUploadSize` for files, the API for its own.
"""

import ipaddress
import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from glm_core.text import say

API_PREFIX = "/v1/"

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


class Guard:
    """ASGI middleware: refuses foreign hosts and cross-site posts; adds `HEADERS` to every answer.

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
            return await (
                send({"type": "websocket.close", "code": 1008}) if refusal else self.app(scope, receive, send)
            )
        send = _with_headers(send)
        if refusal:
            return await _refuse(send, scope["path"], refusal)
        return await self.app(scope, receive, send)

    def _refusal(self, scope, headers: dict[str, str]) -> str | None:
        """The text key of the reason not to answer; None to answer."""
        host = headers.get("host", "")
        if _is_network_peer(scope) and _name(host) not in self.hosts:
            return "security.host"
        origin = headers.get("origin")
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            if headers.get("sec-fetch-site") == "cross-site" or (origin and origin.partition("://")[2] != host):
                return "security.origin"
        return None


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


async def _refuse(send, path: str, key: str) -> None:
    """Answer 403 with a sentence; for the API in the form OpenAI clients read."""
    if path.startswith(API_PREFIX):
        error = {"message": say(key), "type": "permission_error", "param": None, "code": key.split(".")[1]}
        body, kind = json.dumps({"error": error}, ensure_ascii=False), b"application/json; charset=utf-8"
    else:
        body, kind = say(key) + "\n", b"text/plain; charset=utf-8"
    content = body.encode()
    fields = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": fields})
    await send({"type": "http.response.body", "body": content})
