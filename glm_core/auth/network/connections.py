"""Time limits of connections from the network, which uvicorn has not: a slow head, a half message, a reader that does not read.

Used by the listener that sharing opens, through uvicorn's own `http` and `ws` options. The main server, which streamlit starts, listens
on this computer only; where it is started on the network instead, a proxy has to set such limits (`docs/security.md`).
"""

import asyncio

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_SECONDS = 15.0
"From the first moment of a connection, or the first byte after an answer, until a whole request head is there."
WRITE_SECONDS = 60.0
"For a reader to take a part of the data that waits for it."
MESSAGE_SECONDS = 20.0
"For a WebSocket message to arrive whole once its first byte is there. Files are uploaded over HTTP, whose bodies may take longer."


class Deadline:
    """A timer that aborts a connection."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport, seconds: float) -> None:
        """Abort `transport` after `seconds`; a timer that runs goes on."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class DeadlineProtocol:
    """Two deadlines of a connection, for a protocol of uvicorn behind it: to receive whole parts, and for a reader that does not read."""

    transport: asyncio.Transport

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._receive, self._drain = Deadline(), Deadline()

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]
        self._drain.start(self.transport, WRITE_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[misc]
        self._drain.stop()

    def connection_lost(self, exc) -> None:
        super().connection_lost(exc)  # type: ignore[misc]
        self._receive.stop()
        self._drain.stop()


class LimitedHttp(DeadlineProtocol, AutoHTTPProtocol):
    """uvicorn's HTTP protocol with deadlines for a request's head and for a reader that does not read."""

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self._receive.start(transport, HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.transport.get_protocol() is not self:  # the latter: it has become a WebSocket
            self._receive.stop()
        else:
            self._receive.start(self.transport, HEAD_SECONDS)


class LimitedWebSocket(DeadlineProtocol, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with deadlines for a message to arrive whole and for a reader that does not read."""

    def data_received(self, data: bytes) -> None:
        self._receive.start(self.transport, MESSAGE_SECONDS)
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self._nothing_pending():
            self._receive.stop()

    def _nothing_pending(self) -> bool:
        """Return True where neither a part of a frame nor a part of a fragmented message waits for the rest."""
        return not self.frames and not self.conn.reader.buffer
