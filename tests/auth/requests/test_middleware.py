"""The guard: foreign names and cross-site posts get no answer; every answer carries the headers."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg

from glm_core import state
from glm_core.auth.requests.middleware import AuthMiddleware
from glm_core.auth.requests.security_headers import HEADERS


async def _read(request):
    return PlainTextResponse(str(len(await request.body())))


async def _socket(websocket):
    await websocket.accept()
    await websocket.send_text("open")
    await websocket.close()


@pytest.fixture
def client():
    routes = [Route("/{path:path}", _read, methods=["GET", "POST"]), WebSocketRoute("/{path:path}", _socket)]
    app = Starlette(routes=routes, middleware=[Middleware(AuthMiddleware, hosts=["localhost", "127.0.0.1", "::1"])])
    return TestClient(app, base_url="http://localhost:8501", client=("127.0.0.1", 50000))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8501", "127.0.0.1:9", "[::1]:8501"])
def test_answers_under_its_own_names(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8501", "192.168.1.2", "localhost@evil", "[::1", ""]
)
def test_refuses_a_rebound_name(client, host):
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "localhost" in answer.text


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8733:80",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:http",
        "localhost:-1",
        "localhost:+80",
    ]
    + ["localhost:٨٠", "a:b@localhost", "@localhost", "localhost ", " localhost", "local host", "localhost\t:80"]
    + [
        "[localhost]",
        "localhost]",
        "[::1]x",
        "[::1]:80:80",
        "::1",
        "[::1%25lo]",
        "localhost/",
        "localhost?x",
        "localhost#",
    ]
    + [
        "http://localhost",
        "localhost,localhost",
        "localhost\\@evil.example",
        "localhost:80@evil.example",
        "localhost.",
    ],
)
def test_refuses_a_host_that_is_not_a_name_with_a_port(client, host):
    assert client.get("/", headers={"host": host.encode()}).status_code == 403


@pytest.mark.parametrize("name", ["host", "origin", "authorization", "sec-fetch-site"])
def test_refuses_a_header_given_twice(client, name):
    """Two readers of the request might take different ones."""
    twice = [(name, "localhost"), (name.title(), "localhost")]
    answer = client.get("/", headers=[*twice, *([] if name == "host" else [("host", "localhost")])])
    assert answer.status_code == 400


def test_refuses_a_rebound_socket(client):
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/_stcore/stream", headers={"host": "evil.example"}),
    ):
        pass
    with client.websocket_connect("/_stcore/stream", headers={"host": "localhost"}) as socket:
        assert socket.receive_text() == "open"


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_refuses_a_post_from_another_site(client, headers):
    assert client.post("/v1/chat/completions", headers=headers, content=b"{}").status_code == 403


def test_accepts_a_post_from_its_own_page_and_from_scripts(client):
    assert client.post("/", headers={"origin": "http://localhost:8501"}, content=b"{}").status_code == 200
    assert client.post("/", content=b"{}").status_code == 200


def test_refuses_the_api_in_the_form_its_clients_read(client):
    answer = client.post("/v1/chat/completions", headers={"origin": "http://evil.example"}, content=b"{}")
    assert answer.json()["error"]["code"] == "origin"
    assert answer.json()["error"]["message"]


def test_every_answer_carries_the_headers(client):
    for answer in (client.get("/"), client.get("/", headers={"host": "evil.example"}), client.get("/v1/models")):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_calls_without_a_key_are_counted_too(client):
    left = [int(client.get("/v1/models").headers["x-ratelimit-remaining-requests"]) for _ in "12"]
    assert left[0] - left[1] == 1 and "x-ratelimit-limit-requests" not in client.get("/health").headers


def test_a_socket_brings_only_what_may_pass():
    async def echo(websocket):
        await websocket.accept()
        await websocket.send_bytes(await websocket.receive_bytes())

    guard = Middleware(AuthMiddleware, hosts=["localhost"], passes=lambda message: message != b"clear everything")
    client = TestClient(
        Starlette(routes=[WebSocketRoute("/_stcore/stream", echo)], middleware=[guard]), client=("127.0.0.1", 50000)
    )
    with client.websocket_connect("/_stcore/stream", headers={"host": "localhost"}) as socket:
        socket.send_bytes(b"clear everything")
        socket.send_bytes(b"run")
        assert socket.receive_bytes() == b"run"


@pytest.mark.parametrize("kind", ["clear_cache", "set_run_on_save", "load_git_info", "debug_shutdown_runtime"])
def test_of_what_streamlit_can_do_our_pages_ask_little(kind):
    assert not state.is_for_pages(BackMsg(**{kind: True}).SerializeToString())
    install = BackMsg()
    install.backend_operation_request.install_skills.SetInParent()
    assert not state.is_for_pages(install.SerializeToString())
    assert state.is_for_pages(BackMsg(stop_script=True).SerializeToString())
