"""Sharing begins and ends while the server runs, by the switch and by the operator's flag."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from glm_core.auth import audit, options
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.plain_pages import login
from glm_core.auth.requests.middleware import AuthMiddleware
from glm_core.auth.requests.sender import COOKIE
from tests.auth.shared_server import PASSWORD, answer_who, echo_socket


def test_the_second_listener_opens_and_closes_live(people, monkeypatch):
    import httpx
    import websockets.sync.client as client

    from glm_core.auth.network import addresses

    monkeypatch.setattr(addresses, "in_networks", lambda: ["127.0.0.2"])
    names = []
    shared = Sharing(announce=names.append, options=dict)
    rest = [Route("/{path:path}", answer_who), WebSocketRoute("/{path:path}", echo_socket)]
    app = Starlette(routes=login.routes(lambda: shared) + rest, middleware=[Middleware(AuthMiddleware, sharing=shared)])

    def attack(url):
        assert httpx.get(f"{url}/x").status_code == 303
        token = httpx.post(f"{url}/login", data={"name": "the-guest", "password": PASSWORD}).cookies[COOKIE]
        with client.connect(
            url.replace("http", "ws") + "/_stcore/stream", additional_headers={"cookie": f"{COOKIE}={token}"}
        ) as socket:
            socket.send(b"1")
            assert socket.recv() == b"echo 1"
            shared.stop(by="x")
            with pytest.raises(Exception):  # noqa: B017 - whatever the client calls a closed socket
                socket.send(b"2")
                socket.recv(timeout=5)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/x")

    async def run():
        port = room_port()
        await shared.begin(app, port)
        assert not shared.on
        await asyncio.to_thread(shared.start, by="the-administrator")
        assert shared.on and "127.0.0.2" in names[-1]
        await asyncio.to_thread(attack, f"http://127.0.0.2:{port}")
        assert not shared.on and names[-1] == ["127.0.0.1", "localhost"]

    asyncio.run(run())
    assert [row["action"] for row in audit.entries()][:3].count("audit.option.share") >= 1


def room_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        return free.getsockname()[1]


def test_sharing_wants_an_administrator_first(workspace):
    from glm_core.auth.network.sharing import SharingError

    with pytest.raises(SharingError):
        Sharing().start()


def test_without_a_network_the_flag_still_makes_everybody_sign_in(workspace, monkeypatch):
    from glm_core.auth.network import addresses, sharing

    monkeypatch.setattr(addresses, "in_networks", list)
    monkeypatch.setenv("EASYAIGC_SHARE", "1")
    shared = Sharing()
    said = asyncio.run(sharing.begin(shared, None, 8501))
    assert shared.on and "/first?token=" in said


def test_without_a_network_the_switch_says_so(people, monkeypatch):
    from glm_core.auth.network import addresses, sharing

    monkeypatch.setattr(addresses, "in_networks", list)
    shared = Sharing()
    with pytest.raises(sharing.SharingError):
        shared.start()
    assert not shared.on


def test_the_flag_beats_the_switch(workspace, monkeypatch):
    from glm_core.auth.network.sharing import wanted

    assert not wanted()
    options.set_option("share", "on")
    assert wanted()
    monkeypatch.setenv("EASYAIGC_SHARE", "0")
    assert not wanted()
    options.set_option("share", "off")
    monkeypatch.setenv("EASYAIGC_SHARE", "1")
    assert wanted()
