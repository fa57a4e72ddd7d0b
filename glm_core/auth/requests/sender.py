"""Facts that a request states of its sender: the address it came from, the host it asks for, the session in its cookie."""

import ipaddress
import re

from starlette.requests import cookie_parser

COOKIE = "easyaigc_session"
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip")
"Headers of a proxy."
ONCE = (b"host", b"origin", b"authorization", b"sec-fetch-site")
"Headers that a request has once or not at all."
_HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{1,5}))?")


def peer(scope) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address a request came from; None where there is none that makes sense, which counts as a stranger's."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0].partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_forwarded(headers: dict[str, str]) -> bool:
    """Return True where a proxy says that it passes the request on."""
    return any(name in headers for name in FORWARDED)


def repeats(scope) -> bool:
    """Return True where a header that decides who asks is given more than once: whoever reads it next may take another one."""
    names = [name.lower() for name, _ in scope["headers"]]
    return any(names.count(name) > 1 for name in ONCE)


def host_name(host: str) -> str:
    """Return the host of a Host header without its port, lower case, IPv6 without brackets; empty where it is not host or host:port."""
    found = _HOST.fullmatch(host)
    if found is None or not 0 < int(found["port"] or 80) < 65536:
        return ""
    return (found["name"] or found["six"]).lower()


def session_token(headers: dict[str, str]) -> str:
    """Return the token of the session cookie, empty where there is none."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
