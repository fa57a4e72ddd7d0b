"""An engine with a tiny random model and a server on it: fixtures that the conftest files of several folders import."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

from glm_core.api import routes
from glm_core.serving import Request
from glm_core.serving.engine import LocalEngine
from tests.tiny import tiny_chatglm


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A tiny ChatGLM-6B checkpoint named "tiny"."""
    return tiny_chatglm(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def home(workspace, tiny_folder):
    """A workspace whose models are the tiny one."""
    (workspace / "models").mkdir(parents=True)
    (workspace / "models" / "tiny").symlink_to(tiny_folder)
    return workspace


@pytest.fixture(scope="session")
def shared_engine():
    """One engine for the whole room: its model is loaded once."""
    engine = LocalEngine(waiting=64)
    yield engine
    engine.close()


@pytest.fixture
def engine(home, shared_engine):
    """That engine, on a workspace that has the tiny model; nothing is left running after the test."""
    yield shared_engine
    deadline = time.monotonic() + 30
    while (shared_engine.answering or shared_engine.waiting) and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.fixture(scope="session")
def server(shared_engine):
    """A real server on the shared engine; gives its address."""
    with serve(shared_engine) as address:
        yield address


@contextmanager
def serve(engine):
    """A real server on `engine`; gives its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # whoever asks before the server runs waits for it
    app = Starlette(routes=routes.routes(lambda: engine))
    uvicorn_server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=uvicorn_server.run, args=([listener],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    uvicorn_server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


def ask(question="你好", model="tiny", **fields):
    """A greedy request for a short answer."""
    fields = {"temperature": 0.0, "max_new_tokens": 12, **fields}
    messages = fields.pop("messages", ({"role": "user", "content": question},))
    return Request(messages, model, **fields)
