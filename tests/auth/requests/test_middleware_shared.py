"""The shared server as an attacker finds it: a stranger on the network, a guest, another site, a stolen or planted cookie."""

import asyncio
import contextlib

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from glm_core.auth import accounts, api_keys, sessions
from glm_core.auth.requests.middleware import AuthMiddleware
from glm_core.auth.requests.security_headers import HEADERS
from glm_core.auth.requests.sender import COOKIE
from tests.auth.shared_server import SOCKET, sign_in, visitor


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/training",
        "/datasets?set=x",
        "/static/js/index.js",
        "/media/abc.png",
        "/_stcore/host-config",
        "/_stcore/upload_file/a/b",
        "/component/x",
        "/login/../training",
        "//training",
        "/LOGIN",
        "/login/",
        "/health/x",
        "/check",
    ],
)
def test_a_stranger_is_sent_to_the_sign_in_page_whatever_they_open(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/login")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_stranger_changes_nothing(stranger, method):
    assert stranger.request(method, "/_stcore/upload_file/session/file", content=b"x").status_code == 403


@pytest.mark.parametrize("cookie", [None, "", "x", "' OR 1=1 --", "a" * 4000, "../../etc/passwd"])
def test_a_socket_without_a_session_is_refused(stranger, people, cookie):
    headers = {} if cookie is None else {"cookie": f"{COOKIE}={cookie}"}
    with pytest.raises(WebSocketDisconnect), stranger.websocket_connect(SOCKET, headers=headers):
        pass
    sign_in(stranger)
    with stranger.websocket_connect(SOCKET) as socket:
        socket.send_bytes(b"1")
        assert socket.receive_bytes() == b"echo 1"


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer x", "Bearer ea-x", "Basic eDp4", "Bearer ' OR 1=1", "Bearer \xff"]
)
def test_the_api_wants_a_key_and_says_so_in_its_clients_form(stranger, value):
    answer = stranger.get("/v1/models", headers={"authorization": value.encode("latin-1")} if value else {})
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "authentication_error"


def test_a_refused_program_can_name_its_request(stranger, caplog):
    caplog.set_level("INFO", "glm_core.auth.requests.middleware")
    for path in ("/v1/models", "/metrics", "/models"):
        answer = stranger.get(path, headers={"accept": "application/json"})
        assert answer.status_code == 401 and answer.headers["x-request-id"] in caplog.text
    own = stranger.get("/v1/models", headers={"x-request-id": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1"


def test_the_models_page_is_an_address_of_the_api_for_a_program_with_a_key(stranger, people):
    key = {"authorization": f"Bearer {api_keys.create(people['trainer'], 'k')[1]}"}
    assert stranger.get("/models", headers=key).status_code == 200
    page = stranger.get("/models", headers=key | {"accept": "text/html"})
    assert page.status_code == 303 and page.headers["location"].startswith("/login")


def test_a_session_is_no_key_and_a_key_no_session(stranger, people):
    _, secret = api_keys.create(people["trainer"], "a")
    sign_in(stranger)
    assert stranger.get("/v1/models").status_code == 401
    stranger.cookies.clear()
    assert stranger.get("/", headers={"authorization": f"Bearer {secret}"}).status_code == 303
    assert stranger.get("/", headers={"cookie": f"{COOKIE}={secret}"}).status_code == 303


def test_health_is_for_everybody(stranger, people):
    answer = stranger.get("/_stcore/health")
    assert answer.status_code == 200 and answer.text == "None None"


def test_a_rebound_name_gets_nothing_even_with_a_session(stranger, people):
    sign_in(stranger)
    assert stranger.get("/", headers={"host": "evil.example:8501"}).status_code == 403
    with pytest.raises(WebSocketDisconnect):
        with stranger.websocket_connect(SOCKET, headers={"host": "evil.example"}):
            pass


def test_a_network_peer_who_calls_itself_localhost_is_still_a_stranger(app, sharing):
    client = visitor(app)
    assert client.get("/", headers={"host": "localhost:8501"}).status_code == 303
    sharing.on = False
    answer = client.get("/", headers={"host": "localhost:8501"})
    assert answer.status_code == 403


def test_a_proxy_on_this_computer_does_not_open_what_is_not_shared(app, sharing):
    sharing.on = False
    client = TestClient(app, base_url="http://localhost:8501", client=("127.0.0.1", 5))
    assert client.get("/").text.startswith("local ")
    assert client.get("/", headers={"x-forwarded-for": "8.8.8.8"}).status_code == 403


@pytest.mark.parametrize("path", ["/login", "/logout", "/first", "/_stcore/upload_file/a/b"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://192.168.1.2:9999"},
        {"origin": "http://192.168.1.2:8501.evil.example"},
    ],
)
def test_a_post_from_another_site_is_refused(stranger, people, path, headers):
    sign_in(stranger)
    assert stranger.post(path, data={"everywhere": "1"}, headers=headers).status_code == 403
    assert stranger.get("/").text.startswith("the-trainer")


def test_a_socket_from_another_site_is_refused_even_with_a_session(stranger, people):
    sign_in(stranger)
    with pytest.raises(WebSocketDisconnect):
        with stranger.websocket_connect(SOCKET, headers={"origin": "http://evil.example"}):
            pass


@pytest.mark.parametrize(
    ("address", "heeded"),
    [("https://192.168.1.2", True), ("http://192.168.1.2:8501", False), ("http://localhost:8501", True)],
)
def test_browsers_get_the_policy_for_openers_only_where_they_heed_it(app, people, address, heeded):
    client = TestClient(app, base_url=address, client=("127.0.0.1", 5), follow_redirects=False)
    assert ("cross-origin-opener-policy" in client.get("/login").headers) is heeded


@pytest.mark.parametrize(("scheme", "flags"), [("https", 1), ("http", 0)])
def test_behind_https_no_cookie_of_the_pages_travels_without_it(sharing, people, scheme, flags):
    async def page(_request):
        answer = PlainTextResponse("")
        answer.set_cookie("_streamlit_xsrf", "x")
        return answer

    app = Starlette(routes=[Route("/health", page)], middleware=[Middleware(AuthMiddleware, sharing=sharing)])
    client = TestClient(app, base_url=f"{scheme}://192.168.1.2", client=("192.168.1.66", 5))
    assert client.get("/health").headers["set-cookie"].lower().count("; secure") == flags


@pytest.mark.parametrize("end", [lambda one: sessions.close_sessions(one), lambda one: accounts.set_role(one, "guest")])
def test_an_open_socket_ends_with_the_session_or_the_role(stranger, people, end):
    sign_in(stranger)
    with stranger.websocket_connect(SOCKET) as socket:
        socket.send_bytes(b"1")
        assert socket.receive_bytes() == b"echo 1"
        end(people["trainer"])
        socket.send_bytes(b"2")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()


def test_a_guest_uploads_nothing_and_reads_no_figures(stranger, people):
    sign_in(stranger, "guest")
    for method in ("PUT", "POST", "DELETE"):
        assert stranger.request(method, "/_stcore/upload_file/a/b", content=b"x").status_code == 403
    assert stranger.get("/metrics").status_code == 403 and stranger.get("/_stcore/metrics").status_code == 403
    sign_in(stranger, "trainer")
    assert stranger.put("/_stcore/upload_file/a/b", content=b"x").status_code == 200
    sign_in(stranger, "administrator")
    assert stranger.get("/metrics").status_code == 200


def test_a_key_counts_its_requests_and_says_how_many_are_left(stranger, people):
    _, secret = api_keys.create(people["trainer"], "a", per_minute=2)
    headers = {"authorization": f"Bearer {secret}"}
    first = stranger.get("/v1/models", headers=headers)
    assert first.status_code == 200 and first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.text == f"the-trainer {people['trainer'].folder}", "the queue counts it for its account"
    stranger.get("/v1/models", headers=headers)
    refused = stranger.get("/v1/models", headers=headers)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.headers["x-ratelimit-limit-requests"] == "2"


def test_figures_for_the_operators_key_only(stranger, people):
    for role, code in (("trainer", 403), ("administrator", 200)):
        _, secret = api_keys.create(people[role], "prometheus")
        assert stranger.get("/metrics", headers={"authorization": f"Bearer {secret}"}).status_code == code


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics", "/openapi.json"])
def test_a_program_without_a_key_is_told_so_and_a_person_is_sent_to_the_sign_in_page(stranger, path):
    refused = stranger.get(path)
    assert refused.status_code == 401 and refused.json()["error"]["code"] == "invalid_api_key"
    assert stranger.get(path, headers={"accept": "text/html,*/*"}).status_code == 303


@pytest.mark.parametrize(
    ("address", "origin", "let_in"),
    [
        ("192.168.1.2", "http://localhost:8501", True),
        ("127.0.0.1", "http://192.168.1.2:8501", True),
        ("192.168.1.66", "http://localhost:8501", False),
        ("192.168.1.2", "http://evil.example", False),
        ("192.168.1.2", "", False),
    ],
)
def test_only_a_page_on_this_computer_checks_the_connection_without_a_session(app, people, address, origin, let_in):
    client = visitor(app, address)
    headers = {"origin": origin} if origin else {}
    expected = contextlib.nullcontext() if let_in else pytest.raises(WebSocketDisconnect)
    with expected, client.websocket_connect("ws://192.168.1.2:8501/check/socket", headers=headers) as socket:
        socket.send_bytes(b"ping")
        assert socket.receive_bytes() == b"echo ping"
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers=headers):
        pass


def test_pages_may_connect_to_the_address_that_they_check_and_to_no_other(stranger, sharing):
    sharing.check_sources = ("ws://192.168.1.2:8501",)
    policy = stranger.get("/login").headers["content-security-policy"]
    assert "connect-src 'self' ws://192.168.1.2:8501;" in policy and "script-src 'self';" in policy


def test_the_accounts_file_is_read_outside_the_event_loop(stranger, people, monkeypatch):
    in_loop = {}

    def watch(module, name):
        function = getattr(module, name)

        def watched(*arguments):
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop()
                in_loop[name] = True
            in_loop.setdefault(name, False)
            return function(*arguments)

        monkeypatch.setattr(module, name, watched)

    for module, name in ((sessions, "session"), (accounts, "check"), (sessions, "open_session"), (api_keys, "find")):
        watch(module, name)
    sign_in(stranger)
    assert stranger.get("/training").status_code == 200
    stranger.get("/v1/models", headers={"authorization": "Bearer ea-x"})
    assert in_loop == dict.fromkeys(("session", "check", "open_session", "find"), False)
