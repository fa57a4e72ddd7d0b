"""The process that renders chat templates, as the rest of the program sees it: values in, text out.

One process serves all templates. A template that takes more than its processor time or memory ends it, is refused from then on, and
the next one gets a new process.
"""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from glm_core import workspace

SECONDS = 2.0
"Of the processor, for one question."
MOST_REFUSED = 1000
ENDING_SECONDS = 1.0
TOGETHER = 16
"Renderings in one question."


OUTSIDE = (-9, -15)
"Ended by somebody else, which says nothing about the template."


class RenderingError(Exception):
    """A template is invalid, refuses its conversation, or fails; says what."""


class RenderingTooHeavy(RenderingError):
    """A template takes too much time or memory."""


class TemplateProcess:
    """The process, started when it is first asked; methods may be called from any thread. It ends with this one."""

    def __init__(self, seconds: float = SECONDS) -> None:
        """Args:
        seconds: of the processor, that one question may take.
        """
        self._seconds = seconds
        self._process: subprocess.Popen | None = None
        self._refused: set[bytes] = set()
        self._lock = threading.Lock()

    def ask(self, source: str, renderings: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return `source` rendered with each of the given values; with none it is only read.

        Raises:
            RenderingError: it cannot be.
        """
        asked = json.dumps([source, renderings]).encode() + b"\n"
        digest = sha256(source.encode("utf-8", "replace")).digest()
        with self._lock:
            if digest in self._refused:
                raise RenderingTooHeavy
            answer = self._exchange(asked)
            if not answer.endswith(b"\n"):
                if self._end() not in OUTSIDE and len(self._refused) < MOST_REFUSED:
                    self._refused.add(digest)
                raise RenderingTooHeavy
        texts, problem = json.loads(answer)
        if problem:
            raise RenderingError(problem)
        return texts

    def _exchange(self, asked: bytes) -> bytes:
        """Return the line that answers `asked`, empty where the process ended over it."""
        if self._process is not None and self._process.poll() is not None:
            self._end()  # somebody ended it since
        if self._process is None:
            command = [sys.executable, "-m", "glm_core.models.rendering.worker", str(self._seconds)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._process = subprocess.Popen(command, cwd=workspace.ROOT, **pipes)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(asked)
            stdin.flush()
            return stdout.readline()
        except OSError:
            return b""

    def _end(self) -> int | None:
        """End the process and return its exit code, None where there was none; one that has closed its output is ending by itself."""
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(OSError), process:  # closing its input may find it gone
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDING_SECONDS)
            process.kill()
        return process.wait()


_process = TemplateProcess()


@lru_cache(maxsize=64)
def check(source: str) -> None:
    """Read a template without rendering it.

    Raises:
        RenderingError: it is none, or too large to be read within bounds.
    """
    _process.ask(source, [])


def render(source: str, renderings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a template as text, once with each of the given values.

    Raises:
        RenderingError: it refuses, fails, or takes too much.
    """
    texts: list[str] = []
    for start in range(0, len(renderings), TOGETHER):
        texts += _process.ask(source, renderings[start : start + TOGETHER])
    return texts
