"""The WebSockets of pages: how many each account and address has open, and to whom a Streamlit session belongs.

Streamlit lets a browser resume a session by its id, given as the third subprotocol, and asks nobody whose it was. Here a session is bound
to the sign-in that opened it, and an id that belongs to anybody else is dropped from the request. Sessions that nobody resumes are
ended, so that their event loops and uploads are freed.
"""

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

RESUME_SECONDS = 20.0
"Seconds after a lost connection in which a session can be resumed."
MOST_IDLE = 64
"Sessions without a connection that are kept; the oldest ends first."
MOST_BOUND = 10_000
PROTOCOLS = b"sec-websocket-protocol"


@dataclass(frozen=True)
class SocketLimits:
    """Open sockets and the bytes of one message.

    Attributes:
        guest: sockets of one guest's visit; a tab needs one.
        account: sockets of any other account.
        address: sockets from one address, which many people behind one router share.
        guests: sockets of all guests together, so that some are left for people with another role.
        total: sockets of all together.
        guest_bytes: size of a message from a guest, who uploads nothing.
        account_bytes: size of a message from anybody else.
    """

    guest: int = 8
    account: int = 32
    address: int = 200
    guests: int = 300
    total: int = 400
    guest_bytes: int = 1_000_000
    account_bytes: int = 25_000_000


@dataclass(frozen=True)
class Owner:
    """The sign-in that opened a socket: the account's folder and role and the digest of its session token."""

    folder: str
    role: str
    token: bytes
    address: str


class PageSockets:
    """Counts sockets and binds Streamlit sessions to their owners. Used on the event loop only.

    Args:
        limits: caps on sockets and messages.
        end_session: called with the id of a Streamlit session that nobody has resumed.
        resume_seconds: how long it may be resumed.
    """

    def __init__(
        self,
        limits: SocketLimits | None = None,
        end_session: Callable[[str], object] = lambda session: None,
        resume_seconds: float = RESUME_SECONDS,
    ) -> None:
        self.limits = limits or SocketLimits()
        self._end_session = end_session
        self._resume_seconds = resume_seconds
        self._accounts: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._guests = 0
        self._owners: OrderedDict[str, Owner] = OrderedDict()
        self._idle: OrderedDict[str, asyncio.TimerHandle] = OrderedDict()

    def add(self, owner: Owner) -> bool:
        """Count one more socket of `owner`; return False, counting nothing, where a limit is reached."""
        guest = owner.role == "guest"
        most = self.limits.guest if guest else self.limits.account
        if self._accounts[owner.folder] >= most or self._addresses[owner.address] >= self.limits.address:
            return False
        if self._addresses.total() >= self.limits.total or (guest and self._guests >= self.limits.guests):
            return False
        self._guests += guest
        self._accounts[owner.folder] += 1
        self._addresses[owner.address] += 1
        return True

    def discard(self, owner: Owner, session: str | None) -> None:
        """Count one socket less; its Streamlit session, if any, ends unless the owner resumes it in time."""
        self._guests -= owner.role == "guest"
        for counter, key in ((self._accounts, owner.folder), (self._addresses, owner.address)):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]
        if session is None or self._owners.get(session) != owner:
            return
        loop = asyncio.get_running_loop()
        self._idle[session] = loop.call_later(self._resume_seconds, self._end, session)
        while len(self._idle) > MOST_IDLE:
            self._end(next(iter(self._idle)))

    def bind(self, session: str, owner: Owner) -> None:
        """Remember that `owner` opened the Streamlit session `session`."""
        self._owners[session] = owner
        self._owners.move_to_end(session)
        timer = self._idle.pop(session, None)
        if timer is not None:
            timer.cancel()
        while len(self._owners) > MOST_BOUND:
            self._owners.popitem(last=False)

    def may_use(self, session: str, folder: str) -> bool:
        """Return True unless `session` is known to belong to another account than the one of `folder`."""
        owner = self._owners.get(session)
        return owner is None or owner.folder == folder

    def without_foreign_session(self, scope, owner: Owner) -> dict:
        """Return `scope` without the id of a session to resume, unless `owner` opened that session."""
        headers = [pair for pair in scope["headers"] if pair[0].lower() != PROTOCOLS]
        given = next((value for name, value in scope["headers"] if name.lower() == PROTOCOLS), None)
        if given is None:
            return scope
        parts = [part.strip() for part in given.decode("latin-1").split(",")]
        wanted = parts[2] if len(parts) > 2 else ""
        mine = bool(wanted) and self._owners.get(wanted) == owner
        if mine and (timer := self._idle.pop(wanted, None)) is not None:
            timer.cancel()
        kept = parts[:3] if mine else parts[:2]
        return {
            **scope,
            "headers": [*headers, (PROTOCOLS, ", ".join(kept).encode("latin-1"))],
            "subprotocols": [part for part in kept if part],
        }

    def _end(self, session: str) -> None:
        timer = self._idle.pop(session, None)
        if timer is not None:
            timer.cancel()
        self._owners.pop(session, None)
        with contextlib.suppress(Exception):  # the server is stopping, or streamlit has ended it
            self._end_session(session)
