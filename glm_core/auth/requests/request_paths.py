"""The paths this server answers and the role each of them needs. A path that is not listed is refused.

The path compared here is the one the router matches: decoded once by the server, without the root path of a parent application and
without Streamlit's `server.baseUrlPath`.
"""

import re

from glm_core.page_list import PAGES

ANYONE, GUEST, TRAINER, ADMINISTRATOR, KEY = "stranger", "guest", "trainer", "administrator", "key"
API_PREFIX = "/v1/"
UPLOADS = "/_stcore/upload_file/"
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
NEAR_API = ("/v1", "/chat/completions", "/completions", "/responses", "/embeddings")
"Addresses of the API without /v1, where a program is told so."
KEYED = frozenset(("/metrics", "/_stcore/metrics", "/openapi.json", *NEAR_API))
"Paths outside the API that a program may read with a key instead of a session."
SHARED_WITH_PAGE = "/models"
"A page for a browser, for a program an address of the API without /v1."
HEALTH = frozenset(("/health", "/_stcore/health"))

ROLES = {
    **dict.fromkeys(NEAR_API, GUEST),
    "/login": ANYONE,
    "/logout": ANYONE,
    "/first": ANYONE,
    "/enter": ANYONE,
    "/health": ANYONE,
    "/_stcore/health": ANYONE,
    "/": GUEST,
    "/index.html": GUEST,
    "/favicon.png": GUEST,
    "/manifest.json": GUEST,
    "/openapi.json": GUEST,
    "/check": GUEST,
    "/check.js": GUEST,
    "/start.js": GUEST,
    "/_stcore/host-config": GUEST,
    "/_stcore/allowed-message-origins": GUEST,
    "/metrics": ADMINISTRATOR,
    "/_stcore/metrics": ADMINISTRATOR,
    "/_stcore/script-health-check": ADMINISTRATOR,
}
PREFIXES = {
    "/language/": ANYONE,
    "/static/": GUEST,
    "/media/": GUEST,
    "/component/": GUEST,
    "/models/": GUEST,
    "/_stcore/bidi-components/": GUEST,
}
CHECK_SOCKET = "/check/socket"
SOCKETS = frozenset(("/_stcore/stream", CHECK_SOCKET))
PAGE_NAMES = frozenset(entry.name for entry in PAGES)
"Pages of the dashboard, which the browser draws from index.html."
LOOKS_LIKE_PAGE = re.compile(r"/[A-Za-z0-9_\-]+")


def routed_path(scope, base: str = "") -> str | None:
    """Return the path of an ASGI request as the router sees it, None where it must be refused.

    Args:
        base: Streamlit's `server.baseUrlPath`, without slashes at its ends.
    """
    path = scope["path"]
    if not path.startswith("/") or not path.isprintable() or "\\" in path or "//" in path:
        return None
    if any(part in (".", "..") for part in path.split("/")):
        return None
    for prefix in (scope.get("root_path", "").rstrip("/"), f"/{base}" if base else ""):
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            path = path[len(prefix) :] or "/"
    return path


def takes_key(scope, path: str) -> bool:
    """Return True for a path outside the API where this request may have a key instead of a session."""
    return path in KEYED or (path == SHARED_WITH_PAGE and not from_browser(scope))


def from_browser(scope) -> bool:
    """Return True where a person wants to see the answer, and not a program."""
    accepted = next((value for name, value in scope["headers"] if name.lower() == b"accept"), b"")
    return b"text/html" in accepted


def required_role(path: str, method: str) -> str | None:
    """Return the role that `method` on a routed path needs, `KEY` for the API, None where nothing is served."""
    if path.startswith(API_PREFIX):
        return KEY
    if path in ROLES:
        return ROLES[path]
    if path.startswith(UPLOADS):
        return GUEST if method in SAFE_METHODS else TRAINER
    prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix)), None)
    if prefix is not None:
        return PREFIXES[prefix]
    return GUEST if path[1:] in PAGE_NAMES else None
