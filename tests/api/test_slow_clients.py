"""Clients that are slow on purpose, on real sockets: they are cut off, and nobody else notices."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_socket

from glm_core.api import routes
from glm_core.auth.network import connections
from glm_core.auth.requests import body_rate, middleware
from tests.engine import ask

GREEDY = {"model": "tiny", "messages": [{"role": "user", "content": "你好"}], "temperature": 0, "max_tokens": 12}
LIMIT = 0.6


@pytest.fixture
def impatient(engine, monkeypatch):
    """A real server behind the guard, whose limits are short and whose sockets hold little; gives its address and its state."""
    for module, name in ((connections, "HEAD_SECONDS"), (connections, "WRITE_SECONDS"), (body_rate, "BODY_SECONDS")):
        monkeypatch.setattr(module, name, LIMIT)
    app = Starlette(
        routes=routes.routes(lambda: engine), middleware=[Middleware(middleware.AuthMiddleware, hosts=["127.0.0.1"])]
    )
    with serving(app, http=connections.LimitedHttp) as served:
        yield served


@contextlib.contextmanager
def serving(app, **protocols):
    """`app` on a socket that holds little; gives its address and its state."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", **protocols))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield listener.getsockname(), server.server_state
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


def connect(address) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(address)
    return client


def request(path="/v1/chat/completions", length=0, method="POST") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n".encode()


DRIPPED = request("/" + "x" * 800)
"A head that takes 40 seconds a byte every 50 ms; one that is cut at `LIMIT` never comes to its end."


def drip(client: socket.socket, content: bytes) -> int:
    """Send a byte every 50 ms until the other side has hung up; returns how many were sent."""
    sent = 0
    with contextlib.suppress(OSError):
        for byte in content:
            client.sendall(bytes([byte]))
            sent += 1
            time.sleep(0.05)
    return sent


def rest(client: socket.socket) -> bytes:
    """Everything until the other side hangs up."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            got += piece
    return got


def test_a_head_that_drips_is_cut(impatient):
    with connect(impatient[0]) as client:
        assert 1 < drip(client, DRIPPED) < len(DRIPPED)
        assert rest(client) == b""


def test_a_connection_that_says_nothing_is_cut(impatient):
    with connect(impatient[0]) as client:
        assert rest(client) == b""


def test_a_second_head_that_drips_is_cut_too(impatient):
    with connect(impatient[0]) as client:
        client.sendall(request("/health", method="GET"))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        assert drip(client, DRIPPED) < len(DRIPPED)


def test_who_goes_on_sending_after_a_refusal_is_cut(impatient):
    with connect(impatient[0]) as client:
        client.sendall(request("/v1/nothing", length=1000))
        assert b"404" in client.recv(65536)
        assert drip(client, b"x" * 900) < 900


def test_a_body_that_drips_gets_an_api_error_and_is_cut(impatient):
    with connect(impatient[0]) as client:
        client.sendall(request(length=1000))
        drip(client, b" " * 40)
        head, _, body = rest(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408") and json.loads(body)["error"]["code"] == "too_slow"


def test_a_body_that_keeps_its_pace_may_take_longer(impatient, monkeypatch):
    monkeypatch.setattr(body_rate, "BODY_RATE", 5_000)
    body = json.dumps(GREEDY).encode().ljust(30_000)
    assert len(body) / 1000 * 0.05 > 2 * LIMIT
    with connect(impatient[0]) as client:
        client.sendall(request(length=len(body)))
        for start in range(0, len(body), 1000):
            client.sendall(body[start : start + 1000])
            time.sleep(0.05)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("reads", [False, True])
def test_who_does_not_read_their_stream_is_cut_and_holds_nobody_up(impatient, engine, monkeypatch, reads):
    monkeypatch.setattr(connections, "WRITE_SECONDS", 2.0)
    address, state = impatient
    alone = "".join(engine.submit(ask(max_new_tokens=60)))
    body = json.dumps(GREEDY | {"max_tokens": 480, "n": 6, "stream": True}).encode()
    with connect(address) as client:
        client.sendall(request(length=len(body)) + body)
        held, answered, deadline = 0, 0, time.monotonic() + 60
        while not engine.answering:
            time.sleep(0.01)
        while (answered < 5 or state.connections) and time.monotonic() < deadline:
            if reads:
                client.recv(1)
            if answered < 5:
                url = f"http://{address[0]}:{address[1]}/v1/chat/completions"
                text = httpx.post(url, json=GREEDY | {"max_tokens": 60}, timeout=20).json()["choices"][0]["message"][
                    "content"
                ]
                assert text == alone
                answered += 1
            held = max([held, *(one.transport.get_write_buffer_size() for one in list(state.connections))])
            time.sleep(0.02)
        assert not state.connections and answered == 5
        assert 0 < held < 200_000, "it waited in the queue of the answer, not in the socket's"
        assert len(rest(client)) < 400_000, "not the whole answer"
    while engine.answering and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.answering == 0


def test_a_server_that_is_late_itself_does_not_cut_a_client_off(monkeypatch):
    monkeypatch.setattr(body_rate, "BODY_SECONDS", 0.05)
    sent = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.request", "body": b"y"}])

    async def receive():
        await asyncio.sleep(0)
        return next(sent)

    async def late() -> bytes:
        limited = body_rate.limit_body_rate(receive)
        await asyncio.sleep(0.1)
        return (await limited())["body"] + (await limited())["body"]

    assert asyncio.run(late()) == b"xy"


async def echo(socket):
    await socket.accept()
    async for message in socket.iter_bytes():
        await socket.send_bytes(message)


HALF_A_FRAME = b"\x82\xe4" + bytes(4) + b"ten bytes."
"A binary frame that says it has 100 bytes."


def test_half_a_message_is_cut_and_a_socket_between_two_messages_is_not(monkeypatch):
    monkeypatch.setattr(connections, "MESSAGE_SECONDS", LIMIT)
    with serving(Starlette(routes=[WebSocketRoute("/", echo)]), ws=connections.LimitedWebSocket) as (address, _):
        url = f"ws://127.0.0.1:{address[1]}/"
        with open_socket(url) as patient, open_socket(url) as halved:
            patient.send(b"1")
            halved.socket.sendall(HALF_A_FRAME)
            with pytest.raises(ConnectionClosed):
                halved.recv(timeout=20)
            assert patient.recv(timeout=20) == b"1"
            patient.send([b"2", b"3"])
            assert patient.recv(timeout=20) == b"23"
