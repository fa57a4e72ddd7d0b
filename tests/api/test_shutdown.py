"""The server ends while it answers: an answer that was cut is never passed off as a whole one."""

import asyncio

import psutil
import pytest

from benchmarks import shutdown
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
