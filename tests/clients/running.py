"""A server process for the clients, ended with the block that uses it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def running_server(python: str = sys.executable) -> Iterator[str]:
    """Yield the address of a server that `python`, which has what the program needs, runs meanwhile."""
    os.environ["EASYAIGC_CLIENTS_SERVER"] = python
    process = subprocess.Popen([python, "-m", "tests.clients.serve"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=30)
