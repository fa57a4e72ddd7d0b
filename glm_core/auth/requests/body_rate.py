"""The rate at which a request's body must arrive, so that nobody keeps a connection with one that never ends."""

import asyncio
import time

from starlette.requests import ClientDisconnect

BODY_SECONDS = 20.0
"Seconds that a request's body may take however small it is."
BODY_RATE = 2_000
"Bytes a second that it must bring after those, on average."


class BodyTooSlow(ClientDisconnect):
    """A request's body arrives more slowly than `BODY_RATE`."""


def limit_body_rate(receive):
    """Return a `receive` whose request body must keep up a rate; only the time spent waiting for the client counts.

    Raises:
        BodyTooSlow: it does not.
    """
    waited, size, whole = 0.0, 0, False

    async def receiving():
        nonlocal waited, size, whole
        if whole:
            return await receive()  # waits for the client to leave
        left = BODY_SECONDS + size / BODY_RATE - waited
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, left))
        except TimeoutError as error:
            raise BodyTooSlow from error
        waited += time.monotonic() - began
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message

    return receiving
