"""A shared server in one process: its addresses, its people, what a browser on the network sends it."""

import contextlib

from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

PASSWORD = "correct horse"
BASE = "http://192.168.1.2:8501"
SOCKET = "ws://192.168.1.2:8501/_stcore/stream"


async def answer_who(request):
    account = request.scope["account"]
    return PlainTextResponse(f"{account and account.name} {request.scope.get('user_name')}")


async def echo_socket(websocket):
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await websocket.send_bytes(b"echo " + await websocket.receive_bytes())


def visitor(app, address="192.168.1.66") -> TestClient:
    return TestClient(app, base_url=BASE, client=(address, 50000), follow_redirects=False)


def sign_in(client, role="trainer", password=PASSWORD, **fields):
    return client.post("/login", data={"name": f"the-{role}", "password": password, **fields})
