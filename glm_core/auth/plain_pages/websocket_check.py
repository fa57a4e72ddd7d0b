"""/check: tests a WebSocket from the reader's browser to this server and back. Pages need one, and a proxy in between may block it.

The settings page runs the same script on the address that others are told.
"""

import asyncio
import contextlib

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from glm_core.auth.plain_pages.plain_page import plain_page, use_language_of
from glm_core.workspace import ASSETS

SECONDS = 10.0


async def show(http: Request) -> Response:
    """GET /check: a page whose script runs the test and reports the result."""
    use_language_of(http)
    return plain_page("check", "connection.title", http)


async def script(_http: Request) -> Response:
    """GET /check.js: a file of its own, since pages may hold no script."""
    return FileResponse(ASSETS / "check.js", media_type="text/javascript", headers={"cache-control": "no-cache"})


async def echo(socket: WebSocket) -> None:
    """The socket of the test: one short message comes back, then it is over."""
    await socket.accept()
    with contextlib.suppress(TimeoutError):
        message = await asyncio.wait_for(socket.receive(), SECONDS)
        if message["type"] != "websocket.receive":
            return
        await socket.send_text("pong")
    await socket.close()


ROUTES = [Route("/check", show), Route("/check.js", script), WebSocketRoute("/check/socket", echo)]
