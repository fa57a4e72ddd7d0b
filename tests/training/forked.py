"""Processes that are copies of this one: what a trainer takes two seconds to import is there already."""

import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest


class Copy:
    """A copy of this process that does one thing and ends; used like a `subprocess.Popen`."""

    def __init__(self, action: Callable[[], int], output: Path | None = None, **environment: str):
        """Start it.

        Args:
            action: what it does; it exits with the code that this returns.
            output: the file that gets its stdout and stderr.
            environment: what is different in its environment.
        """
        if not hasattr(os, "fork"):
            pytest.skip("no process can be copied on this system")
        told, self.stdin = os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.stdin)
            self._become(action, told, output or Path(os.devnull), environment)
        os.close(told)

    @staticmethod
    def _become(action: Callable[[], int], told: int, output: Path, environment: dict[str, str]) -> None:
        code = 1
        try:
            os.environ.update(environment)
            os.dup2(told, 0)
            with open(output, "ab") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", buffering=1), open(2, "w", buffering=1)
            code = action()
        except BaseException:
            traceback.print_exc()
        finally:  # without what this process does at its end
            os._exit(code)

    def tell(self, word: str = "") -> None:
        """Write `word` to its stdin and close it."""
        os.write(self.stdin, word.encode())
        os.close(self.stdin)

    def poll(self) -> int | None:
        """Return its exit code, minus the signal's number where one ended it; None while it runs."""
        if self.returncode is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.returncode = os.waitstatus_to_exitcode(ended[1])
        return self.returncode

    def wait(self, timeout: float = 120) -> int:
        """Return its exit code once it has ended.

        Raises:
            subprocess.TimeoutExpired: it goes on; it is killed.
        """
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                self.kill()
                raise subprocess.TimeoutExpired(f"copy {self.pid}", timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def in_several(count: int, action: Callable[[], int], output: Path) -> list[int]:
    """Do the same in `count` processes that find each other as torchrun's do; returns their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(count)}
    members = [Copy(action, output, RANK=str(rank), LOCAL_RANK=str(rank), **place) for rank in range(count)]
    try:
        return [one.wait() for one in members]
    finally:
        for one in members:
            one.kill()
