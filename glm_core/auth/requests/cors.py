"""Calls of the API from web pages of other origins (NextChat, ChatBox, LobeChat in a browser).

A call with a valid key may come from anywhere, since a foreign page cannot know the key; a call without one only from the
origins in EASYAIGC_ORIGINS (separated by commas), because whatever page is open in the browser could send it.
"""

import os

METHODS = "GET, POST, OPTIONS"
EXPOSED = (
    "x-request-id, retry-after, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests"
)
SECONDS = "600"


def is_foreign(headers: dict[str, str]) -> bool:
    """Return True where a web page of another origin sends the request."""
    origin = headers.get("origin")
    own = origin is not None and origin.partition("://")[2] == headers.get("host", "")
    return headers.get("sec-fetch-site") == "cross-site" or (origin is not None and not own)


def is_allowed(origin: str) -> bool:
    """Return True for an origin that may call without a key."""
    given = {one.strip().rstrip("/") for one in os.environ.get("EASYAIGC_ORIGINS", "").split(",")}
    return origin in given - {""}


def is_preflight(scope, headers: dict[str, str]) -> bool:
    """Return True for a browser's question whether a page may send what it is about to send."""
    asks = "access-control-request-method" in headers and "origin" in headers
    return scope["type"] == "http" and scope["method"] == "OPTIONS" and asks


def answer_headers(origin: str) -> dict[str, str]:
    """Return the headers that let a page of `origin` read the answer."""
    return {"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, "vary": "Origin"}


async def send_preflight(send, headers: dict[str, str]) -> None:
    """Answer a preflight: the call may be sent. Whether it is answered is decided when it comes, with its key."""
    fields = answer_headers(headers["origin"]) | {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": headers.get("access-control-request-headers", "authorization, content-type"),
        "access-control-max-age": SECONDS,
    }
    if headers.get("access-control-request-private-network") == "true":
        fields["access-control-allow-private-network"] = "true"
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": 204, "headers": pairs})
    await send({"type": "http.response.body", "body": b""})
