"""A hundred attacks on the whole program as it runs: nobody, a guest and a trainer against a live shared server."""

import re
import socket
import uuid

import httpx
import pytest
import websockets.sync.client as sockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException

from glm_core import state
from glm_core.auth import accounts, api_keys, audit
from glm_core.auth.requests.security_headers import HEADERS
from glm_core.auth.requests.sender import COOKIE
from tests.browser.conftest import Server

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"
FOUND = ("root:", "SQLite format", "st.App(", "password", "BEGIN IMMEDIATE")
"What a file that is nobody's to read would hold."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`streamlit run app.py`, shared, with an account of each role, open to guests; gives its address and a trainer's key."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASYAIGC_HOME", str(folder / "home"))
        patch.setenv("EASYAIGC_SHARE", "1")
        people = {role: accounts.create(f"the-{role}", PASSWORD, role) for role in reversed(accounts.ROLES)}
        key = api_keys.create(people["trainer"], "x")[1]
        accounts.set_open_guest(True)
        live = Server(folder / "home", folder / "server.log")
        yield live, key
        log = live.log.read_text()
        live.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def nobody(server):
    with httpx.Client(base_url=server[0].url, timeout=30) as client:
        yield client


@pytest.fixture
def guest(nobody):
    assert nobody.post("/login", data={"name": "the-guest", "password": PASSWORD}).status_code == 303
    return nobody


def raw(server, content: bytes) -> bytes:
    """The answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", server[0].port), timeout=10) as connection:
        connection.sendall(content)
        got = b""
        while piece := connection.recv(65536):
            got += piece
            if len(got) > 100_000:
                break
    return got


CLOSED = [
    "/",
    "/chat",
    "/training",
    "/settings",
    "/accounts",
    "/vote",
    "/static/index.html",
    "/static/js/x.js",
    "/media/x.png",
    "/app/static/x",
    "/component/x/index.html",
    "/_stcore/host-config",
    "/_stcore/metrics",
    "/_stcore/allowed-message-origins",
    "/_stcore/script-health-check",
    "/_stcore/upload_file/a/b",
    "/_stcore/agent/interact",
    "/_stcore/agent/openapi.json",
    "/_stcore/agent/mcp",
    "/_stcore/bidi-components/x",
    "/_stcore/stream",
    "/auth/login",
    "/oauth2callback",
    "/metrics",
    "/openapi.json",
    "/check",
    "/check.js",
    "/favicon.png",
    "/manifest.json",
    "/.git/config",
    "/.streamlit/config.toml",
    "/accounts.db",
    "/workspace/accounts.db",
    "/app.py",
]


def without_own_addresses(policy: str) -> str:
    """A content security policy without this computer's addresses, which the connection check asks."""
    return re.sub(r"connect-src 'self'( (?:http|ws)s?://[0-9.]+:\d+)+;", "connect-src 'self';", policy)


@pytest.mark.parametrize("path", CLOSED)
def test_nobody_gets_nothing_by_any_method(nobody, path):
    machine = path in (
        "/metrics",
        "/_stcore/metrics",
        "/openapi.json",
    )  # read by programs, which follow no sign-in page
    assert nobody.get(path).status_code == (401 if machine else 303)
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"):
        answer = nobody.request(method, path)
        assert answer.status_code in (303, 401, 403, 405), (method, answer.status_code)
        assert {name: without_own_addresses(answer.headers[name]) for name in HEADERS} == HEADERS


TRAVERSALS = [
    "/static/../../../../../../etc/passwd",
    "/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static/%2e%2e/%2e%2e/%2e%2e/app.py",
    "/static/....//....//app.py",
    "/static/..%5c..%5capp.py",
    "/static//etc/passwd",
    "/static/%00/etc/passwd",
    "/media/../accounts.db",
    "/media/..%2faccounts.db",
    "/component/../../app.py",
    "/component/x/..%2f..%2f..%2fetc%2fpasswd",
    "/app/static/..%2f..%2fapp.py",
    "/_stcore/bidi-components/..%2f..%2fapp.py",
    "/../app.py",
    "/..;/app.py",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/static/..%252f..%252fapp.py",
    "/static/..%c0%af..%c0%afapp.py",
    "/file:///etc/passwd",
    "/v1/models/..%2f..%2fetc%2fpasswd",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_address_leads_out_of_what_is_served(server, guest, path):
    head = f"GET {path} HTTP/1.1\r\nHost: localhost:{server[0].port}\r\nConnection: close\r\n"
    for cookie in ("", f"Cookie: {COOKIE}={guest.cookies[COOKIE]}\r\n"):
        answer = raw(server, f"{head}{cookie}\r\n".encode()).decode("utf-8", "replace")
        assert not any(word in answer for word in FOUND[:3]), answer[:500]
        assert answer.split()[1] in ("200", "303", "400", "401", "403", "404"), answer[:100]


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics", "/_stcore/agent/interact", "/_stcore/agent/mcp"])
def test_a_guest_reads_no_figures_and_drives_no_agent(guest, path):
    assert guest.get(path).status_code in (403, 404, 405)
    assert guest.post(path, json={}).status_code in (
        400,
        403,
        404,
        405,
    )  # 400: streamlit's own way to say that its agents are off


@pytest.mark.parametrize(
    "name",
    ["x", "../../../../tmp/x", "..%2f..%2fx", "a/../../b", "%00", "x" * 300, "con", "<script>.csv", "x.csv\r\nX: y"],
)
def test_a_guest_uploads_under_no_name(guest, name):
    session = uuid.uuid4()
    for path in (f"/_stcore/upload_file/{session}/{name}", f"/_stcore/upload_file/{name}/{session}"):
        try:
            request = guest.build_request(
                "PUT", httpx.URL(str(guest.base_url)).copy_with(raw_path=path.encode()), files={"file": b"x"}
            )
            answer = guest.send(request)
        except (httpx.RemoteProtocolError, httpx.InvalidURL):
            continue  # not even a request
        assert answer.status_code in (400, 403, 404, 405), answer.status_code


def forged(server):
    token = accounts.secrets.token_urlsafe(32)
    return [
        None,
        "",
        token,
        token[:-1],
        "0" * 43,
        "null",
        "guest",
        "local",
        "%00",
        "'; DROP TABLE sessions; --",
        "é",
        server[1],
        "a" * 8000,
    ]


@pytest.mark.parametrize("number", range(13))
def test_a_forged_cookie_opens_neither_page_nor_socket(server, nobody, number):
    cookie = forged(server)[number]
    headers = {} if cookie is None else {"cookie": f"{COOKIE}={cookie}".encode("latin-1")}
    assert nobody.get("/chat", headers=headers).status_code == 303
    extra = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}"}
    with pytest.raises((WebSocketException, OSError)):
        open_socket(server, extra)


def open_socket(server, headers=None, origin=None, subprotocols=("streamlit",)):
    url = server[0].url
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    return sockets.connect(
        address,
        additional_headers=headers or {},
        origin=origin or url,
        subprotocols=list(subprotocols),
        open_timeout=10,
    )


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost", "https://localhost", "http://localhost.evil.example"]
)
def test_no_other_site_opens_a_socket_or_posts_with_a_guests_cookie(server, guest, origin):
    cookie = {"Cookie": f"{COOKIE}={guest.cookies[COOKIE]}"}
    with pytest.raises(WebSocketException):
        open_socket(server, cookie, origin)
    for path in ("/logout", "/login", "/_stcore/upload_file/a/b"):
        assert guest.post(path, headers={"origin": origin}).status_code == 403
    answer = guest.post("/v1/chat/completions", headers={"origin": origin})  # the cookie counts for nothing there
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert guest.get("/chat").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "[::1]",
        "0.0.0.0",
        "2130706433",
        "localhost@evil",
        "",
    ],
)
def test_no_rebound_name_is_answered(server, guest, host):
    assert guest.get("/chat", headers={"host": host}).status_code in (400, 403)
    with pytest.raises((WebSocketException, OSError)):
        sockets.connect(
            f"ws://localhost:{server[0].port}/_stcore/stream",
            additional_headers={"Host": host, "Cookie": f"{COOKIE}={guest.cookies[COOKIE]}"},
            open_timeout=10,
        )


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 127.0.0.1\r\nCookie: a\r\n\r\n",
    ],
)
def test_bytes_that_are_no_proper_request_break_nothing(server, nobody, head):
    """Smuggling, double hosts, giant heads: refused or answered as to a stranger; the server goes on."""
    with socket.create_connection(("127.0.0.1", server[0].port), timeout=10) as connection:
        connection.sendall(head)
        connection.settimeout(2)
        try:
            answer = connection.recv(65536).decode("latin-1")
        except (TimeoutError, ConnectionError):
            answer = ""
    assert answer == "" or answer.split()[1] in ("303", "400", "403", "431") or "/login" in head.decode("latin-1")
    assert "easyaigc_requests_total" not in answer
    assert nobody.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/login", "/logout", "/first", "/v1/chat/completions", "/v1/completions"])
def test_an_oversized_body_is_not_read(server, nobody, path):
    headers = {"authorization": f"Bearer {server[1]}"} if path.startswith("/v1") else {}
    try:
        answer = nobody.post(path, content=(b"x" * 100_000 for _ in range(100)), headers=headers)
    except httpx.TransportError:  # hung up on in the middle of it
        return
    assert answer.status_code in (303, 401, 403, 413)


@pytest.mark.parametrize(
    "operation",
    ["clear_cache", "set_run_on_save", "load_git_info", "debug_disconnect_websocket", "debug_shutdown_runtime"],
)
def test_a_guests_socket_does_only_what_pages_do(server, guest, operation):
    """Emptying the caches of everybody would throw engine and launcher away; naming the repository would tell where it is."""
    with open_socket(server, {"Cookie": f"{COOKIE}={guest.cookies[COOKIE]}"}) as browser:
        message = BackMsg(**{operation: True})
        assert not state.is_for_pages(message.SerializeToString())
        browser.send(message.SerializeToString())
        run = BackMsg()
        run.rerun_script.page_name = "training"
        browser.send(run.SerializeToString())
        seen = ""
        while "script_finished" not in seen:
            answer = ForwardMsg.FromString(browser.recv(timeout=60))
            seen += answer.WhichOneof("type") + (str(answer.delta.new_element) if answer.HasField("delta") else "")
    assert "git_info_changed" not in seen
    assert "lock" in seen and "file_uploader" not in seen, "the page is not for guests"


def test_guessing_a_keys_secret_is_hopeless_and_logged_nowhere(server, nobody):
    for guess in (server[1][:-1] + "x", server[1] + "x", server[1].upper(), "ea-", "ea-" + "a" * 43):
        answer = nobody.get("/v1/models", headers={"authorization": f"Bearer {guess}"})
        assert answer.status_code == 401 and guess not in answer.text
    assert server[1] not in server[0].log.read_text()


@pytest.mark.parametrize(("comes_from", "believed"), [("127.0.0.1", True), ("127.0.0.2", False)])
def test_only_a_proxy_on_this_computer_says_where_somebody_comes_from(server, monkeypatch, comes_from, believed):
    monkeypatch.setenv("EASYAIGC_HOME", str(server[0].home))
    said = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=comes_from), headers=said, timeout=30) as client:
        url = f"http://127.0.0.1:{server[0].port}/login"
        assert client.post(url, data={"name": f"by {comes_from}", "password": "x"}).status_code == 401
        entered = client.post(url, data={"name": "the-guest", "password": PASSWORD})
    assert ("; Secure" in entered.headers["set-cookie"]) is believed
    line = next(line for line in audit.entries() if line["who"] == f"by {comes_from}")
    assert line["address"] == ("203.0.113.9" if believed else comes_from)


def test_brute_force_on_the_live_door_is_slowed_down(server, nobody):
    """The last one here: it locks this address out for the name."""
    codes = [
        nobody.post("/login", data={"name": "the-administrator", "password": f"guess{n}"}).status_code for n in range(7)
    ]
    assert codes == [401] * 5 + [429] * 2
