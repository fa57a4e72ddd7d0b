"""One page's WebSocket: its owner, and the messages that Streamlit gets."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from glm_core.auth.network.page_sockets import Owner, PageSockets

HANG_UP = {"type": "websocket.close", "code": 1008}
TOO_BIG = {"type": "websocket.close", "code": 1009}


@dataclass(frozen=True)
class PageMessages:
    """Facts of a message on the socket, which Streamlit's formats tell.

    Attributes:
        passes: returns True for a binary message that a page's socket may send; others are dropped.
        session_of: returns the Streamlit session that a message to the browser announces, None where it announces none.
    """

    passes: Callable[[bytes], bool]
    session_of: Callable[[bytes], str | None]


class PageConnection:
    """`receive` and `send` of one page's socket.

    Everything a page does, its timers too, begins with a message from the browser: before each is passed on, the session is checked
    again, and messages that no page sends are dropped.

    Args:
        still_allowed: returns True while the owner's session lasts and has the role it had when the socket opened.
        receive, send: ASGI's.
    """

    def __init__(
        self,
        owner: Owner,
        sockets: PageSockets,
        messages: PageMessages,
        still_allowed: Callable[[], Awaitable[bool]],
        receive,
        send,
    ) -> None:
        self.session: str | None = None
        self._owner, self._sockets, self._messages = owner, sockets, messages
        self._still_allowed = still_allowed
        self._receive, self._send = receive, send
        self._over = False
        guest = owner.role == "guest"
        self._most = sockets.limits.guest_bytes if guest else sockets.limits.account_bytes

    async def receive(self) -> dict:
        """Return the next message that a page sends; hang up where it is too long or its sender no longer welcome."""
        message = await self._receive()
        while message["type"] == "websocket.receive" and not self._is_a_pages(message):
            message = await self._receive()
        if message["type"] != "websocket.receive" or self._over:
            return message
        if len(message["bytes"]) > self._most:
            return await self._hang_up(TOO_BIG)
        if not await self._still_allowed():
            return await self._hang_up(HANG_UP)
        return message

    def _is_a_pages(self, message: dict) -> bool:
        """Return True for a binary message of a kind that pages send; Streamlit raises an error at a text."""
        return message.get("bytes") is not None and self._messages.passes(message["bytes"])

    async def _hang_up(self, farewell: dict) -> dict:
        self._over = True
        await self._send(farewell)
        return {"type": "websocket.disconnect", "code": farewell["code"]}

    async def send(self, message: dict) -> None:
        """Pass a message to the browser, and bind the session that it announces to the owner."""
        if self._over:
            return
        if self.session is None and message.get("bytes"):
            self.session = self._messages.session_of(message["bytes"])
            if self.session is not None:
                self._sockets.bind(self.session, self._owner)
        await self._send(message)
