"""The whole program behind one port: pages, deep links, API and guard answer together. No model is loaded."""

import subprocess
import sys

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from glm_core import ui
from glm_core.auth.requests.security_headers import HEADERS
from tests.paths import ROOT


@pytest.fixture(scope="module")
def client():
    from app import app

    with TestClient(app, base_url="http://localhost:8501", client=("127.0.0.1", 50000)) as client:
        yield client


def test_every_page_has_an_address(client):
    for entry in ui.PAGES:
        answer = client.get(f"/{entry.name}", headers={"accept": "text/html"})  # as a browser asks
        assert answer.status_code == 200, entry.name
        assert "text/html" in answer.headers["content-type"]
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_lists_models_on_the_same_port(client):
    answer = client.get("/v1/models")
    assert answer.status_code == 200
    assert answer.json()["object"] == "list"


def test_an_unknown_api_address_is_an_api_error(client):
    answer = client.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_a_page_of_another_site_cannot_use_the_api(client):
    answer = client.post("/v1/chat/completions", json={"messages": []}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403


def test_files_outside_the_page_are_not_served(client):
    for path in (
        "/app.py",
        "/../app.py",
        "/app/static/x",
        "/static/../../app.py",
        "/media/../app.py",
        "/%2e%2e/app.py",
    ):
        assert "st.App(" not in client.get(path).text


def test_the_event_socket_refuses_other_origins(client):
    refused = client.websocket_connect("/_stcore/stream", headers={"origin": "http://evil.example"})
    with pytest.raises(WebSocketDisconnect), refused as socket:
        socket.receive()


def test_home_and_an_engine_elsewhere_import_no_torch():
    """The first page is there in seconds because the heavy libraries come with an engine of this process, and with no other."""
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; "
        "app = AppTest.from_file('glm_core/page_frame.py', default_timeout=60).run(); assert app.title and not app.exception; "
        "import app, glm_core.serving.remote, pages.parts.chat.streaming, pages.parts.drafting.progress; heavy = {'torch', 'transformers', 'peft', 'jieba'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
