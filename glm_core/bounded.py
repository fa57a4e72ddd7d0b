"""A module run as a process of its own that takes no more than so much memory and time: for files that strangers made.

Linux and macOS hold the child to its memory and processor time; everywhere the parent ends it at its deadline.
"""

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from glm_core import workspace

HEAVY, SLOW = "heavy", "slow"


@dataclass(frozen=True)
class Bounds:
    """Bytes of memory, seconds of processor time and seconds of clock that a child may take, and bytes that it may answer.

    One that answers many questions has no bound of all its time.
    """

    memory: int
    processor: int | None = None
    seconds: float = math.inf
    answer: int = 100_000_000


class BoundExceeded(Exception):
    """The child was ended at a bound, or ended without an answer.

    Attributes:
        kind: `HEAVY` (memory, or it broke down) or `SLOW`.
    """

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


def limit_this_process(bounds: Bounds) -> None:
    """Hold this process to its bounds of memory and processor time, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_AS: (bounds.memory, bounds.memory)}
    if bounds.processor is not None:
        limits[resource.RLIMIT_CPU] = (bounds.processor, bounds.processor + 5)
    for kind, limit in limits.items():  # between its two limits of time a process learns by SIGXCPU that it is too slow
        try:
            resource.setrlimit(kind, limit)
        except (ValueError, OSError):  # a lower hard limit holds already
            continue


def run(
    module: str,
    arguments: Sequence[str],
    content: bytes,
    bounds: Bounds,
    note: Callable[[str], None] = lambda line: None,
) -> bytes:
    """Return what `python -m module arguments` writes to its standard output when it is given `content`.

    Args:
        bounds: which the module itself sets with `limit_this_process`; the clock's is kept here.
        note: called in this thread with every line that the child writes to standard error; what it raises ends the child.

    Raises:
        BoundExceeded: it took too long, answered too much, or ended without success.
    """
    command = [sys.executable, "-m", module, *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    found: list[bytes] = []
    with subprocess.Popen(command, cwd=workspace.ROOT, **pipes) as process:
        deadline = threading.Timer(bounds.seconds, process.kill)
        threads = [
            threading.Thread(target=_give, args=(process.stdin, content), daemon=True),
            threading.Thread(target=lambda: found.append(_take(process, process.stdout, bounds.answer)), daemon=True),
        ]
        for one in (deadline, *threads):
            one.start()
        try:
            for line in process.stderr:
                note(line.decode("utf-8", "replace").strip())
            for one in threads:
                one.join()
            code = process.wait()
        finally:
            late = not deadline.is_alive()
            deadline.cancel()
            process.kill()
    if code != 0 or not found or len(found[0]) > bounds.answer:
        raise BoundExceeded(SLOW if late or code in _OUT_OF_TIME else HEAVY)
    return found[0]


_OUT_OF_TIME = (-24, 152)
"Ended by SIGXCPU."


def _take(process: subprocess.Popen, pipe: IO[bytes], most: int) -> bytes:
    """Return what the process writes; where that is more than `most` bytes, it is ended."""
    content = pipe.read(most + 1)
    if len(content) > most:
        process.kill()
    return content


def _give(pipe: IO[bytes], content: bytes) -> None:
    try:
        with pipe:
            pipe.write(content)
    except OSError:  # it has ended before it read everything
        return
