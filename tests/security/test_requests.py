"""What the middleware compares is what the router matches: base paths, control characters, unknown paths, the reader's language."""

import re

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Route
from starlette.testclient import TestClient

import app as program
from glm_core import state
from glm_core.api import routes
from glm_core.auth import accounts, sessions
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.requests.middleware import AuthMiddleware
from glm_core.auth.requests.request_paths import ADMINISTRATOR, KEY, required_role, routed_path
from glm_core.auth.requests.sender import COOKIE
from glm_core.page_list import PAGES


async def _answer(request):
    return PlainTextResponse("reached")


@pytest.fixture
def guest(workspace):
    """A guest's client of a server under /tool."""
    sharing = Sharing(allowed=["testserver"])
    sharing.on = True
    accounts.create("boss", "correct horse", "administrator")
    token = sessions.open_session(accounts.create("someone", "correct horse", "guest"))
    routes = [Route("/{path:path}", _answer, methods=["GET", "POST", "PUT", "DELETE"])]
    app = Starlette(routes=routes, middleware=[Middleware(AuthMiddleware, sharing=sharing, base="/tool/")])
    client = TestClient(app, client=("192.168.1.9", 5), follow_redirects=False)
    client.cookies.set(COOKIE, token)
    return client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tool/_stcore/metrics", 403),
        ("GET", "/tool/metrics", 403),
        ("GET", "/_stcore/metrics", 403),
        ("PUT", "/tool/_stcore/upload_file/a/b", 403),
        ("GET", "/tool/chat", 200),
        ("GET", "/tool", 200),
        ("GET", "/tool/_stcore/agent/mcp", 404),
        ("GET", "/toolmetrics/x", 404),
        ("GET", "/tool/no-such-page", 303),
        ("GET", "/tool/v1/models", 401),
        ("GET", "/tool/tool/metrics", 404),
    ],
)
def test_a_base_path_changes_no_right(guest, method, path, status):
    assert guest.request(method, path).status_code == status


@pytest.mark.parametrize("path", ["/a\n", "/metrics\r", "/\x7f", "/a\\b", "//x", "/a/../b", "/./a", "x", "/\u202e"])
def test_odd_paths_are_none(path):
    assert routed_path({"path": path}) is None


def test_every_route_of_the_program_is_listed():
    """A route that is not would be refused; one that needs less than its neighbors would be found here."""
    for route in program.app._user_routes:
        path = re.sub(r"\{.*?\}", "x", route.path)
        method = next(iter(getattr(route, "methods", None) or {"GET"}))
        if path not in ("/check/socket",):
            assert required_role(path, method) is not None, path
    assert required_role("/metrics", "GET") == ADMINISTRATOR and required_role("/v1/models", "GET") == KEY


@pytest.mark.parametrize(
    ("asked", "word"), [("en-US,en;q=0.9", "Your account"), ("zh-CN", "你的账号"), ("de,en", "你的账号")]
)
def test_a_refusal_speaks_the_readers_language(guest, asked, word):
    assert word in guest.get("/metrics", headers={"accept-language": asked}).text or guest.get(
        "/metrics", headers={"accept-language": asked}
    ).json()["error"]["message"].startswith(word)


def test_no_route_of_the_api_hides_a_page():
    """/models is a page; an API route of that address once answered in its place. What a browser asks for is left to the page."""
    asked = {"type": "http", "method": "GET", "headers": [(b"accept", b"text/html,*/*;q=0.8")], "root_path": ""}
    for page in PAGES:
        scope = {**asked, "path": f"/{page.name}"}
        assert not [route for route in routes.routes(state.engine) if route.matches(scope)[0] is not Match.NONE]
