"""The server ends while it answers: an answer that was cut is never passed off as a whole one."""

import asyncio
import os
import signal
import threading

import psutil
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from benchmarks import shutdown
from glm_core.api import routes
from glm_core.api.routes import ending_on_signals
from tests.browser.conftest import Server


@pytest.mark.slow
def test_a_termination_signal_ends_streams_in_an_error_and_waiting_calls_in_503(tmp_path):
    server = Server(tmp_path / "home", tmp_path / "server.log")
    process = psutil.Process(server.process.pid)
    kinds, _seconds = asyncio.run(shutdown.end_while_answering(server.url, "any", process, streams=6, wholes=12))
    server.process.wait(30)
    assert set(kinds) <= {"an error event", "503 with Retry-After", "whole"}
    assert kinds["an error event"] and kinds["503 with Retry-After"] and sum(kinds.values()) == 18
    assert "Traceback" not in server.log.read_text()


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
def test_a_closed_terminal_ends_the_server_as_a_termination_signal_does_unless_it_is_ignored():
    seen, closed = [], threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with ending_on_signals(closed.set):
            os.kill(os.getpid(), signal.SIGHUP)
        assert not seen and not closed.is_set()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with ending_on_signals(closed.set):
            os.kill(os.getpid(), signal.SIGHUP)
            assert closed.wait(10)
        assert seen == [signal.SIGTERM] and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_health_makes_no_engine():
    """It once imported torch at the first question, for seconds, and failed where memory was short."""

    def fail():
        raise MemoryError

    app = Starlette(routes=routes.routes(fail, lambda: None))
    answer = TestClient(app).get("/health")
    assert answer.json() == {"status": "ok", "model": None, "waiting": 0, "answering": 0}
