"""How long a connection may keep this server waiting: uvicorn, which reads and writes for us, has no limit of its own.

A client that drips its headers, goes on sending once it is answered, or never reads its answer is cut off. Works on uvicorn's own
protocol class, since streamlit's listener takes no other. Not here: bodies that drip (`middleware.py`, which can still answer them).
"""

import functools

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEADER_SECONDS = 15.0
"From a connection's first moment, or the first byte after an answer, until a whole request head is there."
WRITE_SECONDS = 60.0
"For a reader to take something of what is ready to be sent."


def limit(protocol: type = AutoHTTPProtocol) -> None:
    """Give every connection of uvicorn's `protocol` class these limits. A second call changes nothing."""
    if "_limited" in vars(protocol):
        return
    protocol._limited = True
    for name, follow in _FOLLOWERS.items():
        setattr(protocol, name, _followed_by(getattr(protocol, name), follow))


def _followed_by(method, follow):
    @functools.wraps(method)
    def both(connection, *arguments):
        method(connection, *arguments)
        follow(connection)

    return both


def _listen(connection) -> None:
    """Something arrived, or may: the clock runs while no request is being answered, and was not started by an earlier byte."""
    cycle = connection.cycle
    answering = cycle is not None and not cycle.response_complete
    if answering or connection.transport.get_protocol() is not connection:  # the latter: it has become a WebSocket
        _stop(connection, "_head_clock")
    elif getattr(connection, "_head_clock", None) is None:
        _start(connection, "_head_clock", HEADER_SECONDS)


def _write(connection) -> None:
    """More is to be sent than the reader takes."""
    if getattr(connection, "_write_clock", None) is None:
        _start(connection, "_write_clock", WRITE_SECONDS)


def _written(connection) -> None:
    _stop(connection, "_write_clock")


def _lost(connection) -> None:
    _stop(connection, "_head_clock")
    _stop(connection, "_write_clock")


def _start(connection, clock: str, seconds: float) -> None:
    setattr(connection, clock, connection.loop.call_later(seconds, connection.transport.abort))


def _stop(connection, clock: str) -> None:
    timer = getattr(connection, clock, None)
    if timer is not None:
        timer.cancel()
        setattr(connection, clock, None)


_FOLLOWERS = {
    "connection_made": _listen,
    "data_received": _listen,
    "pause_writing": _write,
    "resume_writing": _written,
    "connection_lost": _lost,
}
