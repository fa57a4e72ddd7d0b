"""Headers that every answer gets, so that a browser runs, loads and embeds nothing of others."""

from collections.abc import Iterable

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


def with_sources(addresses: Iterable[str]) -> str:
    """Return the content security policy of a page that may connect to `addresses` of this server for the connection check."""
    return CONTENT_SECURITY_POLICY.replace("connect-src 'self'", f"connect-src 'self' {' '.join(addresses)}")


def with_headers(send, extra: dict[str, str], secure: bool):
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
