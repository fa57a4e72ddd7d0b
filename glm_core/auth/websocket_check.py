"""/check: does a WebSocket get from the reader's browser to this server and back? Pages need one, and a proxy in between may eat it."""

import html

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from glm_core.auth.login import plain_page, speak
from glm_core.i18n import t
from glm_core.workspace import ASSETS


async def show(http: Request) -> Response:
    """GET /check: a page whose script tries and says what happened."""
    speak(http)
    names = ("trying", "good", "bad", "no_script", "back")
    later = "{milliseconds}"  # the script knows it
    words = {name: html.escape(t(f"connection.{name}", milliseconds=later), quote=True) for name in names}
    body = (
        f'<p id="result" role="status" data-good="{words["good"]}" data-bad="{words["bad"]}">{words["trying"]}</p>'
        f'<noscript><p role="alert">{words["no_script"]}</p></noscript><script src="/check.js"></script>'
        f'<p><a href="/">{words["back"]}</a></p>'
    )
    return plain_page("connection.title", body, http)


async def script(_http: Request) -> Response:
    """GET /check.js: a file of its own, since pages may hold no script."""
    return FileResponse(ASSETS / "check.js", media_type="text/javascript", headers={"cache-control": "no-cache"})


async def echo(socket: WebSocket) -> None:
    """The socket of the test: one short message comes back, then it is over."""
    await socket.accept()
    message = await socket.receive()
    if message["type"] == "websocket.receive":
        await socket.send_text("pong")
        await socket.close()


ROUTES = [Route("/check", show), Route("/check.js", script), WebSocketRoute("/check/socket", echo)]
