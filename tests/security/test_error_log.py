"""What a browser sends that no page sends: a sentence for its reader, and a log that does not grow with it."""

import logging
import re

import pytest
import websockets.sync.client as sockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

from glm_core.error_log import LINES, BriefTracebacks
from tests.browser.conftest import Server
from tests.security.test_live import run_page

ROUNDS = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A dashboard in an empty workspace."""
    folder = tmp_path_factory.mktemp("log")
    server = Server(folder / "home", folder / "server.log")
    yield server
    server.stop()


@pytest.mark.slow
def test_values_of_a_wrong_kind_get_a_sentence_and_the_log_one_traceback_for_each_line_that_fails(server):
    address, said = f"ws://localhost:{server.port}/_stcore/stream", len(server.log.read_text())
    with sockets.connect(address, origin=server.url, subprotocols=["streamlit", "x"], max_size=None) as socket:
        widgets = sorted(set(re.findall(r'id: "(\$\$ID[^"]+)"', run_page(socket, "chat")[1])))
        assert len(widgets) > 5
        for _ in range(ROUNDS):
            for widget in widgets:
                message = BackMsg()
                message.rerun_script.page_name = "chat"
                state = message.rerun_script.widget_states.widgets.add()
                state.id, state.bool_value = widget, True
                socket.send(message.SerializeToString())
                run_page(socket, "chat")
    log = server.log.read_text()[said:]
    places = re.findall(r'  File "([^"]+)", line (\d+), in \w+\n(?:    .*\n)*(?=\w*Error)', log)
    assert places and len(places) == len(set(places))
    assert "on_script_error handler raised" not in log


def test_an_error_that_comes_again_is_a_line_and_then_nothing():
    brief, seen = BriefTracebacks(), []
    for _ in range(3 * LINES):
        try:
            raise ValueError("odd")
        except ValueError as error:
            record = logging.LogRecord("x", logging.ERROR, "", 0, "said", (), (ValueError, error, error.__traceback__))
            if brief.filter(record):
                seen.append(bool(record.exc_info))
    assert seen == [True] + [False] * (LINES - 1)
    assert brief.filter(logging.LogRecord("x", logging.ERROR, "", 0, "without an error", (), None))


@pytest.mark.slow
def test_frames_that_no_page_sends_fill_no_log(server):
    address, said = f"ws://localhost:{server.port}/_stcore/stream", len(server.log.read_text())
    for _ in range(ROUNDS):
        with sockets.connect(address, origin=server.url, subprotocols=["streamlit", "x"], max_size=None) as socket:
            socket.send("a text")
            assert run_page(socket, "chat")[0], "it is dropped, and the page goes on"
            socket.send(b"\xff" * 50)
            with pytest.raises(ConnectionClosed):
                while True:
                    socket.recv(timeout=60)
    log = server.log.read_text()[said:]
    assert log.count("Error deserializing") == ROUNDS and log.count("Traceback") == 1
