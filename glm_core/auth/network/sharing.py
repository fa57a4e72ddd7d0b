"""Sharing on the network: its state, and the listener on this computer's addresses, opened and closed live.

The main server listens at `server.address`, by default on this computer only. While sharing is on, a second listener serves the same
program on every address of this computer, on the same port. Accounts are in `accounts.py`, the checks of requests in `requests/`.
"""

import asyncio
import contextlib
import ipaddress
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn

from glm_core.auth import accounts, database, options
from glm_core.auth.network import addresses
from glm_core.auth.network.addresses import LOCAL_HOSTS
from glm_core.auth.network.connections import LimitedHttp, LimitedWebSocket
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.permissions import needs

SECONDS_TO_OPEN = 10
SECONDS_TO_ENTER = 60


class SharingError(EasyError):
    """Sharing cannot begin: there is no administrator yet, or no address can be bound."""


async def begin(sharing: "Sharing", app, port: int) -> str:
    """Share `app` if the operator asks for it; return the lines for the terminal with the addresses."""
    lines = [t("app.started", url=f"http://localhost:{port}")]
    await sharing.begin(app, port)
    if sharing.on:
        urls = sharing.urls()
        lines += [t("sharing.started", urls="  ".join(urls)) if urls else t("sharing.no_address", port=port)]
        if not await database.read(accounts.has_administrator):
            secret = sharing.first_visit()
            lines += [
                t("sharing.first", url=f"{base}/first?token={secret}")
                for base in urls[:1] or [f"http://localhost:{port}"]
            ]
    return "\n".join(lines)


def wanted() -> bool:
    """Return True where the operator asks for sharing: by EASYAIGC_SHARE=1 or 0 if set, otherwise by the option in the settings."""
    asked = os.environ.get("EASYAIGC_SHARE", "").strip().lower()
    if asked:
        return asked not in ("0", "off", "false", "no")
    return options.option("share") == "on"


class _Listener(uvicorn.Server):
    """A second server in the process; signals are left to the main one."""

    def capture_signals(self):
        return contextlib.nullcontext()


class Sharing:
    """The state of sharing on the network, one for the whole process.

    Attributes:
        on: everybody has to sign in, and the network may connect.
        hosts: names under which requests are answered.
        check_sources: the sockets to which a page may connect for the connection check (`ws://192.168.1.2:8501`), beside its own.

    Args:
        main_address: where the main server listens (`server.address`).
        allowed: names that are always allowed (`server.allowedHosts`).
        announce: called with the allowed names whenever they change.
        options: for `uvicorn.Config`, the same as the main server's.
    """

    def __init__(
        self,
        main_address: str = "127.0.0.1",
        allowed: Iterable[str] = LOCAL_HOSTS,
        announce: Callable[[list[str]], None] = lambda names: None,
        options: Callable[[], dict] = dict,
    ):
        self._main_address, self._announce, self._options = main_address, announce, options
        self._allowed = [*(name.lower() for name in allowed), *addresses.given_names()]
        self._app: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: _Listener | None = None
        self._task: asyncio.Task | None = None
        self._port = 0
        self.on = False
        self.hosts = frozenset(self._allowed)
        self.check_sources: tuple[str, ...] = ()
        self._handed_over: dict[str, tuple[str, float]] = {}
        self._first_visit: str | None = None

    @property
    def listens_everywhere(self) -> bool:
        """True where the main server listens on the network itself, so that no second listener is needed."""
        try:
            return not ipaddress.ip_address(self._main_address).is_loopback
        except ValueError:
            return self._main_address != "localhost"

    def urls(self) -> list[str]:
        """Return the addresses that others can open, the likeliest first."""
        scheme = "https" if self._options().get("ssl_certfile") else "http"
        return [f"{scheme}://{address}:{self._port}" for address in addresses.in_networks()]

    async def begin(self, app, port: int) -> None:
        """Remember the application to serve, and share it if the operator asks for it. Called once the server is up.

        Where no address can be bound, sign-in is required all the same: a proxy may stand in front.
        """
        self._app, self._port, self._loop = app, port, asyncio.get_running_loop()
        if await database.read(wanted):
            await self._open(self._sockets())

    @needs("administrator")
    def start(self, *, by: str = "") -> None:
        """Share from now on and after every restart. Called from a page's thread.

        Raises:
            SharingError: there is no administrator yet, or no address of this computer can be bound.
        """
        if self.on:
            return
        if not accounts.has_administrator():
            raise SharingError("sharing.no_administrator")
        sockets = self._sockets()
        if not sockets and not self.listens_everywhere:
            raise SharingError("sharing.no_address", port=self._port)
        asyncio.run_coroutine_threadsafe(self._open(sockets), self._loop).result(SECONDS_TO_OPEN)
        options.set_option("share", "on", by=by)

    @needs("administrator")
    def stop(self, *, by: str = "") -> None:
        """Serve this computer only from now on and after every restart; connections from the network are closed."""
        options.set_option("share", "off", by=by)
        asyncio.run_coroutine_threadsafe(self.close(), self._loop).result(SECONDS_TO_OPEN)

    def _sockets(self) -> list[socket.socket]:
        return [] if self.listens_everywhere else _bound(addresses.in_networks(), self._port)

    async def _open(self, sockets: list[socket.socket]) -> None:
        self._allow([*self._allowed, *addresses.in_networks(), *addresses.own_names()])
        self.check_sources = tuple(url.replace("http", "ws", 1) for url in self.urls())
        self.on = True  # before the first stranger can connect
        if sockets:
            options = {"http": LimitedHttp, "ws": LimitedWebSocket} | self._options()
            config = uvicorn.Config(self._app, lifespan="off", log_level="warning", **options)
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
        self.check_sources = ()
        self._allow(self._allowed)

    def _allow(self, names: list[str]) -> None:
        self.hosts = frozenset(names)
        self._announce(list(dict.fromkeys(names)))

    # whoever turned it on, and the first administrator

    @needs("administrator")
    def hand_over(self, name: str) -> str:
        """Return a secret with which the browser that turned sharing on signs in as `name`: once, and within `SECONDS_TO_ENTER`."""
        secret = secrets.token_urlsafe(24)
        self._handed_over = {secret: (name, time.monotonic() + SECONDS_TO_ENTER)}
        return secret

    def whose(self, secret: str) -> str | None:
        """Return the name that `secret` was handed over for and make it void; None where it is not, or no longer, good."""
        name, until = self._handed_over.pop(secret, ("", 0.0))
        return name if name and time.monotonic() < until else None

    def first_visit(self) -> str:
        """Return a new secret for the one-time address on the terminal; an older one becomes void."""
        self._first_visit = secrets.token_urlsafe(24)
        return self._first_visit

    def is_first_visit(self, secret: str) -> bool:
        """Return True where `secret` may make the first administrator; never once there is one."""
        known = self._first_visit
        if known is None or accounts.has_administrator():
            return False
        return secrets.compare_digest(known.encode(), secret.encode("utf-8", "replace"))


def _bound(hosts: Iterable[str], port: int) -> list[socket.socket]:
    """Return sockets on the addresses that can be bound; one that another program uses is left out."""
    sockets = []
    for address in hosts:
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
