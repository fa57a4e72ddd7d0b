"""Letting the network in: under which names and addresses this server may be asked, the sockets for them, opened and closed live,
and what others are told so that they find it.

The server itself listens where `server.address` says, on this computer only by default. While sharing is on, a second listener gives the
same program on every address of this computer, same port. Not here: who may come in (`accounts.py`) and the checks (`middleware.py`).
"""

import asyncio
import contextlib
import io
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import psutil
import qrcode
import uvicorn

from glm_core.auth import accounts
from glm_core.errors import EasyError
from glm_core.i18n import t

LOCAL_HOSTS = ("127.0.0.1", "localhost")
SECONDS_TO_OPEN = 10


class SharingError(EasyError):
    """Sharing cannot begin: nobody is administrator yet, or no address can be listened on."""


async def begin(sharing: "Sharing", app, port: int) -> str:
    """Share `app` if the operator wants it; returns what the terminal says about where it is."""
    lines = [t("app.started", url=f"http://localhost:{port}")]
    await sharing.begin(app, port)
    if sharing.on:
        urls = sharing.urls()
        lines += [t("sharing.started", urls="  ".join(urls)) if urls else t("sharing.no_address", port=port)]
        if not accounts.has_administrator():
            secret = sharing.first_visit()
            lines += [
                t("sharing.first", url=f"{base}/first?token={secret}")
                for base in urls[:1] or [f"http://localhost:{port}"]
            ]
    return "\n".join(lines)


def wanted() -> bool:
    """Whether the operator asks for sharing: EASYAIGC_SHARE=1 or 0 where it is set, else the switch in the settings."""
    asked = os.environ.get("EASYAIGC_SHARE", "").strip().lower()
    if asked:
        return asked not in ("0", "off", "false", "no")
    return accounts.option("share") == "on"


def own_names() -> list[str]:
    """The names under which others know this computer, beside its addresses: EASYAIGC_HOSTS (commas), then its own."""
    given = [name.strip().lower() for name in os.environ.get("EASYAIGC_HOSTS", "").split(",")]
    name = socket.gethostname().lower()
    return list(dict.fromkeys(filter(None, [*given, name, f"{name.split('.')[0]}.local"])))


def addresses() -> list[str]:
    """This computer's IPv4 addresses in networks, the one that its traffic usually leaves by first."""
    states = psutil.net_if_stats()
    found = [
        entry.address
        for card, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET and states[card].isup and _is_reachable(entry.address)
    ]
    return sorted(dict.fromkeys(found), key=lambda address: address != _usual_address())


def _is_reachable(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def _usual_address() -> str:
    """The address a packet to far away would carry; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]
    return ""


def seen_at(url: str | None, port: int) -> str:
    """Scheme, name and port under which the reader of the page `url` sees this server."""
    address = urlsplit(url or "")
    return f"{address.scheme}://{address.netloc}" if address.netloc else f"http://localhost:{port}"


def for_others(mine: str, urls: Iterable[str]) -> list[str]:
    """Where others find this server: by `mine`, the reader's own address, unless that means this computer, then by `urls`."""
    here = urlsplit(mine).hostname in LOCAL_HOSTS
    return list(dict.fromkeys([*([] if here else [mine]), *urls]))


def firewall_rules(port: int) -> dict[str, str]:
    """The commands that let `port` through this computer's firewall, by the language they are in: bash and batch."""
    return {
        "bash": f"sudo ufw allow {port}/tcp\nsudo firewall-cmd --add-port={port}/tcp",
        "batch": f'netsh advfirewall firewall add rule name="easyAIGC" dir=in action=allow protocol=TCP localport={port}',
    }


def qr_code(url: str) -> bytes:
    """A PNG that a phone's camera reads as `url`."""
    code = qrcode.QRCode(box_size=6, border=2)
    code.add_data(url)
    picture = io.BytesIO()
    code.make_image(fill_color="#1F2426", back_color="#FBF9F4").save(picture)
    return picture.getvalue()


class _Listener(uvicorn.Server):
    """A server beside the main one, which alone listens to signals."""

    def capture_signals(self):
        return contextlib.nullcontext()


class Sharing:
    """Whether the network is let in, for the whole process.

    Args:
        main_address: where the server itself listens (`server.address`).
        allowed: names under which it may always be asked (`server.allowedHosts`).
        announce: called with the names allowed from now on, whenever they change.
        options: for `uvicorn.Config`, the same that the server itself has.
    """

    def __init__(
        self,
        main_address: str = "127.0.0.1",
        allowed: Iterable[str] = LOCAL_HOSTS,
        announce: Callable[[list[str]], None] = lambda names: None,
        options: Callable[[], dict] = dict,
    ):
        self._main_address, self._announce, self._options = main_address, announce, options
        self._allowed = [name.lower() for name in allowed]
        self._app = self._loop = self._listener = self._task = None
        self._port = 0
        self.on = False
        "Whether everybody has to sign in, and the network may."
        self.hosts = frozenset(self._allowed)
        self._first_visit: str | None = None

    @property
    def listens_everywhere(self) -> bool:
        """Whether the server itself was started for the network, so that no second listener is needed."""
        try:
            return not ipaddress.ip_address(self._main_address).is_loopback
        except ValueError:
            return self._main_address != "localhost"

    def urls(self) -> list[str]:
        """The addresses others can open, the likeliest first."""
        scheme = "https" if self._options().get("ssl_certfile") else "http"
        return [f"{scheme}://{address}:{self._port}" for address in addresses()]

    async def begin(self, app, port: int) -> None:
        """The server is up: remember what to serve, and share if the operator wants it.

        Where no address can be listened on everybody signs in all the same: a proxy may stand in front.
        """
        self._app, self._port, self._loop = app, port, asyncio.get_running_loop()
        if wanted():
            await self._open(self._sockets())

    def start(self, *, by: str = "") -> None:
        """Share from now on and after every restart. Called from a page's thread.

        Raises:
            SharingError: there is no administrator yet, or no address of this computer can be listened on.
        """
        if self.on:
            return
        if not accounts.has_administrator():
            raise SharingError("sharing.no_administrator")
        sockets = self._sockets()
        if not sockets and not self.listens_everywhere:
            raise SharingError("sharing.no_address", port=self._port)
        asyncio.run_coroutine_threadsafe(self._open(sockets), self._loop).result(SECONDS_TO_OPEN)
        accounts.set_option("share", "on", by=by)

    def stop(self, *, by: str = "") -> None:
        """Serve this computer only from now on and after every restart; who is on the network is cut off."""
        accounts.set_option("share", "off", by=by)
        asyncio.run_coroutine_threadsafe(self.close(), self._loop).result(SECONDS_TO_OPEN)

    def _sockets(self) -> list[socket.socket]:
        return [] if self.listens_everywhere else _bound(addresses(), self._port)

    async def _open(self, sockets: list[socket.socket]) -> None:
        self._allow([*self._allowed, *addresses(), *own_names()])
        self.on = True  # before the first stranger can connect
        if sockets:
            config = uvicorn.Config(self._app, lifespan="off", log_level="warning", **self._options())
            self._listener = _Listener(config)
            self._task = asyncio.create_task(self._listener.serve(sockets), name="sharing")

    async def close(self) -> None:
        """Close the network's sockets and everything open on them."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.should_exit = True
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), 3)
            listener.force_exit = True
        self.on = False
        self._allow(self._allowed)

    def _allow(self, names: list[str]) -> None:
        self.hosts = frozenset(names)
        self._announce(list(dict.fromkeys(names)))

    # the first administrator

    def first_visit(self) -> str:
        """The secret of the one-time address on the terminal, made anew at each call; an older one is void."""
        self._first_visit = secrets.token_urlsafe(24)
        return self._first_visit

    def is_first_visit(self, secret: str) -> bool:
        """Whether `secret` opens the door for the first administrator. Nobody's does once there is one."""
        known = self._first_visit
        if known is None or accounts.has_administrator():
            return False
        return secrets.compare_digest(known.encode(), secret.encode("utf-8", "replace"))


def _bound(where: Iterable[str], port: int) -> list[socket.socket]:
    """Sockets on the addresses that can be bound; one that another program holds is left out."""
    sockets = []
    for address in where:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name != "nt":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((address, port))
        except OSError:
            one.close()
            continue
        one.setblocking(False)
        sockets.append(one)
    return sockets
