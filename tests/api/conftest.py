"""The engine with a tiny model and its clients, for the tests of this folder."""

import openai
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from glm_core.api import routes
from tests.engine import engine, home, server, shared_engine, tiny_folder  # noqa: F401


@pytest.fixture
def client(engine, server):  # noqa: F811
    """The official client, which does not try again by itself."""
    return openai.OpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0, timeout=60)


@pytest.fixture
def http(engine):  # noqa: F811
    """A test client on the same routes."""
    return TestClient(Starlette(routes=routes.routes(lambda: engine)))
