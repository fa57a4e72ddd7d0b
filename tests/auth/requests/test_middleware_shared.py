"""The shared server as an attacker finds it: a stranger on the network, a guest, another site, a stolen or planted cookie."""

import asyncio
import contextlib
import re

import pytest
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from glm_core.auth import accounts, api_keys, audit, languages, options, sessions
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.plain_pages import login
from glm_core.auth.requests.middleware import AuthMiddleware
from glm_core.auth.requests.security_headers import HEADERS
from glm_core.auth.requests.sender import COOKIE

PASSWORD = "correct horse"
BASE = "http://192.168.1.2:8501"
SOCKET = "ws://192.168.1.2:8501/_stcore/stream"


async def _who(request):
    account = request.scope["account"]
    return PlainTextResponse(f"{account and account.name} {request.scope.get('user_name')}")


async def _socket(websocket):
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await websocket.send_bytes(b"echo " + await websocket.receive_bytes())


@pytest.fixture
def sharing(workspace):
    shared = Sharing()
    shared.on = True
    shared.hosts = frozenset({"localhost", "127.0.0.1", "192.168.1.2"})
    return shared


@pytest.fixture
def app(sharing):
    rest = [
        Route("/{path:path}", _who, methods=["GET", "POST", "PUT", "DELETE"]),
        WebSocketRoute("/{path:path}", _socket),
    ]
    return Starlette(
        routes=login.routes(lambda: sharing) + rest, middleware=[Middleware(AuthMiddleware, sharing=sharing)]
    )


@pytest.fixture
def stranger(app):
    """Somebody on the network with a browser and nothing else."""
    return visitor(app)


@pytest.fixture
def people(sharing):
    """One account of each role."""
    return {role: accounts.create(f"the-{role}", PASSWORD, role) for role in reversed(accounts.ROLES)}


def visitor(app, address="192.168.1.66") -> TestClient:
    return TestClient(app, base_url=BASE, client=(address, 50000), follow_redirects=False)


def sign_in(client, role="trainer", password=PASSWORD, **fields):
    return client.post("/login", data={"name": f"the-{role}", "password": password, **fields})


# a stranger


def test_the_pages_outside_streamlit_bring_their_icon(stranger):
    assert '<link rel="icon" href="data:image/svg+xml,%3Csvg' in stranger.get("/login").text, (
        "else /favicon.ico is asked for"
    )


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


# other sites


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


# signing in


def test_signing_in_leads_where_one_wanted_to_go_with_a_cookie_no_script_reads(stranger, people):
    answer = sign_in(stranger, next="/training?run=1")
    assert answer.status_code == 303 and answer.headers["location"] == "/training?run=1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie and "domain" not in cookie
    assert len(stranger.cookies[COOKIE]) >= 43
    assert stranger.get("/").text == f"the-trainer {people['trainer'].folder}"


def test_behind_https_the_cookie_is_for_https_alone(app, people):
    client = TestClient(app, base_url="https://192.168.1.2", client=("192.168.1.66", 5), follow_redirects=False)
    assert sign_in(client).headers["set-cookie"].lower().count("; secure") == 1


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


@pytest.mark.parametrize(
    "where",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nset-cookie: x=1",
        "\\\\evil",
        "/\t/evil.example",
        "///evil.example",
        "/login",
        "/logout",
        "evil",
        "",
    ],
)
def test_signing_in_never_leads_elsewhere(stranger, people, where):
    answer = sign_in(stranger, next=where)
    assert answer.status_code == 303 and answer.headers["location"] == "/" and "x" not in answer.cookies


def test_a_planted_session_is_not_the_one_that_gets_in(app, stranger, people):
    """Fixation: the attacker's token in the victim's browser stays the attacker's, or nobody's."""
    attacker = visitor(app, "192.168.1.77")
    for planted in ("a" * 43, sessions.open_session(people["guest"])):
        attacker.cookies.set(COOKIE, planted)
        victim = visitor(app)
        victim.post(
            "/login",
            data={"name": "the-administrator", "password": PASSWORD},
            headers={"cookie": f"{COOKIE}={planted}"},
        )
        assert victim.cookies[COOKIE] != planted
        assert attacker.get("/").status_code == 303, "the planted session has ended"
        attacker.cookies.clear()


def test_after_a_wrong_password_one_types_on_where_it_was_wrong(stranger, people):
    assert _typed_into(stranger.get("/login").text) == ["name"]
    assert _typed_into(sign_in(stranger, "trainer", "wrong password").text) == ["password"]


def _typed_into(page: str) -> list[str]:
    """The fields that have the cursor when the page opens."""
    return re.findall(r'<input id="(\w+)"[^>]* autofocus', page)


def test_wrong_names_and_wrong_passwords_look_the_same(stranger, people):
    one, two = sign_in(stranger, "trainer", "wrong password"), sign_in(stranger, "nobody", "wrong password")
    assert one.status_code == two.status_code == 401
    assert one.text.replace("the-trainer", "") == two.text.replace("the-nobody", "")
    assert COOKIE not in stranger.cookies


def test_brute_force_is_slowed_down_and_nobody_else_is_locked_out(app, stranger, people):
    codes = [sign_in(stranger, password=f"guess number {number}").status_code for number in range(7)]
    assert codes == [401] * 5 + [429] * 2
    refused = sign_in(stranger)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0, "not even with the right password"
    assert sign_in(visitor(app, "192.168.1.80")).status_code == 303


def test_guessing_through_many_names_is_slowed_down_too(stranger, people):
    codes = [sign_in(stranger, f"name{number}", "password1").status_code for number in range(25)]
    assert codes.count(401) == login.LIMITS["address"] and codes[-1] == 429


def test_many_right_passwords_from_one_address_lock_nobody_out(app, people):
    assert {sign_in(visitor(app)).status_code for _ in range(25)} == {303}


def test_a_huge_or_strange_form_is_an_empty_one(stranger, people):
    assert stranger.post("/login", content=b"name=" + b"x" * 100_000).status_code == 401
    assert stranger.post("/login", content=b"\xff\xfe%00=%ff&name=%00").status_code == 401


def test_what_somebody_typed_is_shown_and_never_run(stranger, people):
    page = stranger.post(
        "/login", data={"name": '"><script>alert(1)</script>', "password": "x", "next": '/"><script>'}
    ).text
    assert "<script" not in page and "&#34;&gt;&lt;script&gt;" in page
    page = stranger.get("/login", params={"next": '/"><img src=x onerror=alert(1)>', "lang": '"><b>'}).text
    assert "<img" not in page and "<b>" not in page


# signing out


def test_signing_out_ends_the_session_itself(app, stranger, people):
    sign_in(stranger)
    token = stranger.cookies[COOKIE]
    assert stranger.post("/logout").status_code == 303
    thief = visitor(app)
    thief.cookies.set(COOKIE, token)
    assert thief.get("/").status_code == 303


def test_signing_out_everywhere_ends_the_others_too(app, stranger, people):
    sign_in(stranger)
    other = visitor(app)
    sign_in(other)
    stranger.post("/logout", data={"everywhere": "1"})
    assert other.get("/").status_code == 303


def test_a_link_alone_signs_nobody_out(stranger, people):
    sign_in(stranger)
    assert stranger.get("/logout").status_code == 200
    assert stranger.get("/").status_code == 200


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


# guests


def test_guests_come_in_only_while_the_door_is_open(stranger, people):
    assert stranger.post("/login", data={"guest": "1"}).status_code == 403
    assert "guest" not in stranger.get("/login").text.replace("the-guest", "")
    accounts.set_open_guest(True)
    assert 'name="guest"' in stranger.get("/login").text
    assert stranger.post("/login", data={"guest": "1"}).status_code == 303
    assert re.fullmatch(r"guest guest-[0-9a-f]{16}", stranger.get("/").text)


def test_a_guest_uploads_nothing_and_reads_no_figures(stranger, people):
    sign_in(stranger, "guest")
    for method in ("PUT", "POST", "DELETE"):
        assert stranger.request(method, "/_stcore/upload_file/a/b", content=b"x").status_code == 403
    assert stranger.get("/metrics").status_code == 403 and stranger.get("/_stcore/metrics").status_code == 403
    sign_in(stranger, "trainer")
    assert stranger.put("/_stcore/upload_file/a/b", content=b"x").status_code == 200
    sign_in(stranger, "administrator")
    assert stranger.get("/metrics").status_code == 200


def test_guest_visits_from_one_address_are_bounded(stranger, people):
    accounts.set_open_guest(True)
    codes = [stranger.post("/login", data={"guest": "1"}).status_code for _ in range(login.GUEST_LIMIT + 1)]
    assert codes[-1] == 429 and codes[-2] == 303


# keys


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


# the first administrator


def test_the_one_time_address_makes_one_administrator(app, stranger, sharing):
    secret = sharing.first_visit()
    assert stranger.get("/first", params={"token": secret}).status_code == 200
    form = {"token": secret, "name": "boss", "password": PASSWORD, "again": PASSWORD}
    assert stranger.post("/first", data=form | {"again": "else"}).status_code == 400
    assert stranger.post("/first", data=form | {"password": "short", "again": "short"}).status_code == 400
    assert stranger.post("/first", data=form | {"token": "guess"}).status_code == 403
    assert stranger.post("/first", data=form).status_code == 303
    assert stranger.get("/").text.startswith("boss local")
    thief = visitor(app, "192.168.1.77")
    used = thief.get("/first", params={"token": secret})
    assert used.status_code == 403 and 'href="/login"' in used.text, "the way on for whoever has an account"
    assert thief.post("/first", data=form | {"name": "thief"}).status_code == 403
    assert [one.name for one in accounts.accounts()] == ["boss"]


@pytest.mark.parametrize("token", ["", "x", "None", "\ud800".encode("utf-8", "surrogatepass")])
def test_no_other_address_makes_one(stranger, sharing, token):
    assert stranger.get("/first", params={"token": token}).status_code == 403
    sharing.first_visit()
    assert stranger.get("/first", params={"token": token}).status_code == 403


# the sockets


def test_the_second_listener_opens_and_closes_live(people, monkeypatch):
    import httpx
    import websockets.sync.client as client

    from glm_core.auth.network import addresses

    monkeypatch.setattr(addresses, "in_networks", lambda: ["127.0.0.2"])
    names = []
    shared = Sharing(announce=names.append, options=dict)
    rest = [Route("/{path:path}", _who), WebSocketRoute("/{path:path}", _socket)]
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


def test_a_name_that_nobody_has_costs_a_hash_too(people, monkeypatch):
    checked = []

    class Counting(PasswordHasher):
        def verify(self, hashed, password):
            checked.append(hashed)
            return super().verify(hashed, password)

    monkeypatch.setattr(accounts, "password_hasher", lambda hasher=Counting(1, 8, 1): hasher)
    accounts.check("the-trainer", "wrong password")
    accounts.check("nobody", "wrong password")
    assert len(checked) == 2


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics", "/openapi.json"])
def test_a_program_without_a_key_is_told_so_and_a_person_is_sent_to_the_sign_in_page(stranger, path):
    refused = stranger.get(path)
    assert refused.status_code == 401 and refused.json()["error"]["code"] == "invalid_api_key"
    assert stranger.get(path, headers={"accept": "text/html,*/*"}).status_code == 303


# who turned sharing on, the language, the connection check


def test_who_turned_sharing_on_comes_back_signed_in_once(app, sharing, people):
    ticket = sharing.hand_over("the-administrator")
    assert visitor(app).get("/enter", params={"ticket": ticket}).headers["location"].startswith("/login"), "a stranger"
    owner = visitor(app, "127.0.0.1")
    entered = owner.get("/enter", params={"ticket": ticket, "next": "/settings?lang=English"})
    assert entered.headers["location"] == "/settings?lang=English" and COOKIE in entered.cookies
    assert owner.get("/settings").text.startswith("the-administrator")
    again = visitor(app, "127.0.0.1").get("/enter", params={"ticket": ticket, "next": "/settings?lang=English"})
    assert again.headers["location"].startswith("/login?next=/settings") and COOKIE not in again.cookies


@pytest.mark.parametrize("where", ["//evil.example", "https://evil.example", "/login", "/enter?ticket=x"])
def test_who_comes_back_stays_on_this_server(app, sharing, people, where):
    ticket = sharing.hand_over("the-administrator")
    owner = visitor(app, "127.0.0.1")
    assert owner.get("/enter", params={"ticket": ticket, "next": where}).headers["location"] == "/"


@pytest.mark.parametrize(
    ("address", "cookie", "word"),
    [
        ("/login", "", "登录"),
        ("/login?lang=en", "", "Sign in"),
        ("/login?lang=English", "zh", "Sign in"),
        ("/login?next=%2Fchat%3Flang%3DEnglish", "", "Sign in"),
        ("/login", "en", "Sign in"),
        ("/login?lang=fr", "en", "Sign in"),
    ],
)
def test_the_sign_in_page_speaks_the_readers_language(stranger, address, cookie, word):
    headers = {"accept-language": "zh-CN"} | ({"cookie": f"{languages.COOKIE}={cookie}"} if cookie else {})
    assert f"<h1>{word}</h1>" in stranger.get(address, headers=headers).text


def test_a_browser_remembers_the_language_of_a_switch(stranger):
    stranger.get("/login?lang=en")
    assert "<h1>Sign in</h1>" in stranger.get("/login", headers={"accept-language": "zh-CN"}).text


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
