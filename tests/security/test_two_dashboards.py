"""Two dashboards on one workspace: one starts runs, the other says who that is and takes over when it ends."""

import os
import subprocess
import sys
import threading

from glm_core.workspace_lock import WorkspaceLock

HOLDER = """
import sys
from pathlib import Path
from glm_core.workspace_lock import WorkspaceLock
lock = WorkspaceLock(Path(sys.argv[1]))
print(lock.take(), flush=True)
sys.stdin.read()
"""


def hold(workspace):
    command = [sys.executable, "-c", HOLDER, str(workspace)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    assert process.stdout.readline() == "True\n"
    return process


def test_the_second_says_who_holds_it_and_takes_over_even_after_a_kill(workspace):
    first = hold(workspace)
    lock, ended = WorkspaceLock(workspace), threading.Event()
    assert not lock.take() and lock.holder()["pid"] == first.pid
    first.kill()
    first.wait()
    assert lock.wait(ended) and lock.holder()["pid"] == os.getpid()
    lock.release()


def test_who_waits_stops_with_the_server(workspace):
    first, ended = hold(workspace), threading.Event()
    ended.set()
    assert not WorkspaceLock(workspace).wait(ended)
    first.kill()
    first.wait()


def test_a_damaged_record_names_nobody(workspace):
    workspace.mkdir()
    (workspace / ".dashboard.json").write_text("[" * 5000)
    assert WorkspaceLock(workspace).holder() == {"pid": "?", "host": "?"}
