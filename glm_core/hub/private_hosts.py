"""Refusal of download addresses inside this computer and its networks, so that nobody reads services there through a mirror's address.

While the dashboard is shared, every request of a download, redirects among them, connects only to addresses of the public Internet. The
name is resolved once and the connection made to what was checked. EASYAIGC_ENDPOINTS lists hosts that are allowed all the same.
"""

import asyncio
import ipaddress
import os
import socket
import urllib.request
from collections.abc import Callable

import httpx

from glm_core.errors import EasyError


class PrivateHostError(EasyError):
    """A download's address leads into this computer or its networks."""


UNICAST = ipaddress.IPv6Network("2000::/3")
"All that is handed out of the public Internet's IPv6."
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_refusing: Callable[[], bool] = lambda: False  # noqa: E731 - replaced as a whole


def refuse_when(refusing: Callable[[], bool]) -> None:
    """Refuse private addresses in new downloads whenever `refusing` says so; by default they are allowed."""
    global _refusing
    _refusing = refusing


def transport() -> httpx.BaseTransport | None:
    """Return the transport for a new client: one that refuses private addresses, or None for httpx's own."""
    return PublicTransport() if _refusing() else None


def async_transport() -> httpx.AsyncBaseTransport | None:
    """As `transport`, for an asynchronous client."""
    return AsyncPublicTransport() if _refusing() else None


def allowed_hosts() -> frozenset[str]:
    """Return the hosts that the operator allows: EASYAIGC_ENDPOINTS, separated by commas."""
    given = os.environ.get("EASYAIGC_ENDPOINTS", "").split(",")
    return frozenset(name.strip().lower() for name in given if name.strip())


def public_address(host: str, port: int) -> str:
    """Return an address of `host` to connect to.

    Raises:
        PrivateHostError: one of its addresses is not of the public Internet, and the operator does not list the host.
        httpx.ConnectError: the name cannot be resolved.
    """
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(str(error)) from error
    addresses = [str(entry[4][0]) for entry in entries]
    if host.lower() not in allowed_hosts() and not all(_is_public(address) for address in addresses):
        raise PrivateHostError("hub.private_host", host=host[:100])
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = _inner_ipv4(parsed)
        if inner is None and parsed not in UNICAST:
            return False
        parsed = inner or parsed
    return parsed.is_global and not parsed.is_multicast


def _inner_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a network leads `address` to: mapped, of 6to4 or of NAT64; None for any other."""
    translated = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return address.ipv4_mapped or address.sixtofour or translated


class PublicTransport(httpx.HTTPTransport):
    """An HTTP transport that connects to public addresses only. httpx calls it for each redirect too."""

    def __init__(self) -> None:
        proxy = urllib.request.getproxies().get("https")
        super().__init__(proxy=proxy)
        self._pinned = proxy is None
        "With a proxy, which resolves names itself, the name stays in the request."

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        _pin(request, public_address(*_target(request)), self._pinned)
        return super().handle_request(request)


class AsyncPublicTransport(httpx.AsyncHTTPTransport):
    """`PublicTransport` for asynchronous clients; names are resolved in a thread."""

    def __init__(self) -> None:
        proxy = urllib.request.getproxies().get("https")
        super().__init__(proxy=proxy)
        self._pinned = proxy is None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _pin(request, await asyncio.to_thread(public_address, *_target(request)), self._pinned)
        return await super().handle_async_request(request)


def _target(request: httpx.Request) -> tuple[str, int]:
    return request.url.host, request.url.port or {"http": 80}.get(request.url.scheme, 443)


def _pin(request: httpx.Request, address: str, pinned: bool) -> None:
    """Connect to the address that was checked, under the name that was asked for."""
    if pinned:
        host = request.url.host
        request.headers.setdefault("Host", request.url.netloc.decode("ascii"))
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
