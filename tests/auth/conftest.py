"""A shared server, its people, and a stranger on the network."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from glm_core.auth import accounts
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.plain_pages import login
from glm_core.auth.requests.middleware import AuthMiddleware
from tests.auth.shared_server import PASSWORD, answer_who, echo_socket, visitor


@pytest.fixture
def sharing(workspace):
    shared = Sharing()
    shared.on = True
    shared.hosts = frozenset({"localhost", "127.0.0.1", "192.168.1.2"})
    return shared


@pytest.fixture
def app(sharing):
    rest = [
        Route("/{path:path}", answer_who, methods=["GET", "POST", "PUT", "DELETE"]),
        WebSocketRoute("/{path:path}", echo_socket),
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


@pytest.fixture
def admin(workspace):
    return accounts.create("王老师", PASSWORD, "administrator")


@pytest.fixture
def trainer(admin):
    return accounts.create("xiao-li", PASSWORD, "trainer", by=admin.name)
