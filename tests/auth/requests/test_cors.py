"""Web pages of other origins call the API with a key, or from an origin that the operator names; nobody else does."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from glm_core.auth import accounts, api_keys
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.requests.middleware import AuthMiddleware

SITE = "https://app.nextchat.dev"
CHAT = "/v1/chat/completions"
PREFLIGHT = {
    "origin": SITE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, x-requested-with",
    "sec-fetch-site": "cross-site",
}


def make(shared: bool) -> TestClient:
    async def answer(request):
        return PlainTextResponse("yes")

    sharing = Sharing(allowed=["localhost"])
    sharing.on = shared
    app = Starlette(
        routes=[Route("/{path:path}", answer, methods=["GET", "POST"])],
        middleware=[Middleware(AuthMiddleware, sharing=sharing)],
    )
    return TestClient(app, base_url="http://localhost:8501", client=("127.0.0.1", 50000), follow_redirects=False)


@pytest.fixture(params=[False, True], ids=["local", "shared"])
def client(request, workspace):
    return make(request.param)


@pytest.fixture
def key(workspace):
    return api_keys.create(accounts.create("the-trainer", "correct horse", "trainer"), "web", api_keys.LIMITS[1])[1]


def test_a_page_elsewhere_asks_first_and_calls_with_its_key(client, key):
    asked = client.options(CHAT, headers=PREFLIGHT)
    assert asked.status_code == 204 and asked.headers["access-control-allow-origin"] == SITE
    assert "x-requested-with" in asked.headers["access-control-allow-headers"]
    assert "POST" in asked.headers["access-control-allow-methods"]
    headers = {"origin": SITE, "sec-fetch-site": "cross-site", "authorization": f"Bearer {key}"}
    for answer in (client.post(CHAT, headers=headers, content=b"{}"), client.get("/v1/models", headers=headers)):
        assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == SITE


APPS = {
    "NextChat": "authorization,content-type,x-requested-with",
    "ChatBox": "authorization,content-type,user-agent",
    "LobeChat": "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
    "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout",
}
"Headers that chat pages in a browser ask for before they call: their own, the AI SDK's, OpenAI's Node client's."


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
def test_chat_pages_in_a_browser_may_send_their_headers(client, app, path):
    asked = PREFLIGHT | {"access-control-request-headers": APPS[app], "access-control-request-private-network": "true"}
    answer = client.options(path, headers=asked)
    assert answer.status_code == 204 and answer.headers["access-control-allow-private-network"] == "true"
    assert set(APPS[app].split(",")) <= set(answer.headers["access-control-allow-headers"].replace(" ", "").split(","))


def test_without_a_key_or_with_a_wrong_one_a_page_elsewhere_gets_nothing(client):
    for more in ({}, {"authorization": "Bearer wrong"}):
        headers = {"origin": SITE, "sec-fetch-site": "cross-site"} | more
        assert client.post(CHAT, headers=headers, content=b"{}").status_code in (401, 403)
        read = client.get("/v1/models", headers=headers)
        assert read.status_code in (401, 403) or "access-control-allow-origin" not in read.headers


def test_the_operator_names_origins_that_need_no_key_on_this_computer(workspace, monkeypatch):
    monkeypatch.setenv("EASYAIGC_ORIGINS", f"http://other.example, {SITE}/")
    client = make(False)
    answer = client.post(CHAT, headers={"origin": SITE}, content=b"{}")
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == SITE
    assert client.post(CHAT, headers={"origin": "https://evil.example"}, content=b"{}").status_code == 403
    assert make(True).post(CHAT, headers={"origin": SITE}, content=b"{}").status_code == 401


def test_pages_and_their_posts_stay_closed_to_other_sites_whatever_they_send(client, key):
    headers = {"origin": SITE, "authorization": f"Bearer {key}"}
    assert client.post("/login", headers=headers, content=b"").status_code == 403
    assert client.options("/login", headers=PREFLIGHT).headers.get("access-control-allow-origin") is None


def test_a_name_that_the_operator_gives_holds_without_sharing(workspace, monkeypatch):
    monkeypatch.setenv("EASYAIGC_HOSTS", "GPU-Box.lan")
    client = make(False)
    assert client.get("/v1/models", headers={"host": "gpu-box.lan:8501"}).status_code == 200
    assert client.get("/v1/models", headers={"host": "evil.lan"}).status_code == 403
