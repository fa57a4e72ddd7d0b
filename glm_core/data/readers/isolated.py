"""A foreign file is read in a process of its own, so that one made to fill the memory or to take for ever ends in a sentence.

Short texts are read here: what they can take is a small multiple of their size. Formats that unpack (xlsx, parquet) and longer files never are.
"""

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from glm_core import bounded, i18n
from glm_core.bounded import BoundExceeded, Bounds
from glm_core.data.examples import DataError, ReadResult
from glm_core.data.readers import read as plain
from glm_core.data.readers.opened_file import ReadOptions
from glm_core.data.readers.read import Progress

SHORT_BYTES = 256_000
PACKED = ("xlsx", "parquet", "yml", "yaml")
MEMORY_BYTES, MEMORY_TIMES = 2_000_000_000, 6
"What a child may take, whatever it reads, and how often the file's size beside it."
ANSWER_BYTES, ANSWER_TIMES = 500_000_000, 10
"What its answer may take of our memory."
PROCESSOR_SECONDS, BYTES_A_SECOND = 60, 300_000
"Processor time for any file, and how many bytes one more second reads; the clock may take four times as long."
ALLOWED = {
    ("glm_core.data.examples", "Example"),
    ("glm_core.data.examples", "Problem"),
    ("glm_core.data.examples", "Notice"),
    ("glm_core.data.examples", "ReadResult"),
    ("glm_core.data.compact", "CompactExamples"),
    ("array", "array"),
    ("array", "_array_reconstructor"),
}


def bounds(size: int) -> Bounds:
    """Return what reading a file of `size` bytes may take."""
    processor = PROCESSOR_SECONDS + size // BYTES_A_SECOND
    memory, answer = MEMORY_BYTES + MEMORY_TIMES * size, ANSWER_BYTES + ANSWER_TIMES * size
    return Bounds(memory, processor, 4.0 * processor, answer)


def read_bytes(
    content: bytes,
    file: str,
    template: str | None = None,
    *,
    mapping: dict[str, str] | None = None,
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> ReadResult:
    """As `read.read_bytes`, within bounds of memory and time.

    Raises:
        DataError: as there; or reading took more memory or time than a file of its size may.
    """
    options = options or ReadOptions()
    if _is_short(content, file):
        return plain.read_bytes(content, file, template, mapping=mapping, options=options, progress=progress)
    asked = {"template": template, "mapping": mapping, "options": asdict(options)}
    report = progress or (lambda stage, fraction: None)

    def note(line: str) -> None:
        stage, _, fraction = line.partition(" ")
        if stage.startswith("data.stage."):
            report(stage, float(fraction) if fraction else None)

    return _ask(content, file, asked, note)


def read_records(
    content: bytes, file: str, start: int, count: int, check: Callable[[], None] = lambda: None
) -> tuple[list[bytes], int]:
    """Return records of a file as they stand in it, before any layout is recognized, within the same bounds.

    Args:
        start, count: which ones, counted from 0; whatever is no record with named values is passed over.
        check: called now and then; what it raises ends the reading.

    Returns:
        One line of JSON for each, and how many records were seen, `start + count` at most.

    Raises:
        DataError: the file cannot be read, or takes more memory or time than a file of its size may.
    """
    if _is_short(content, file):
        return plain.json_lines(content, file, start, count, check)
    return _ask(content, file, {"records": [start, count]}, lambda line: check())


def _is_short(content: bytes, file: str) -> bool:
    return len(content) <= SHORT_BYTES and not file.lower().endswith(PACKED)


def _ask(content: bytes, file: str, asked: dict[str, Any], note: Callable[[str], None]) -> Any:
    """Return what a worker makes of a file."""
    head = json.dumps(asked | {"file": file, "language": i18n.current(), "size": len(content)}).encode() + b"\n"
    try:
        answer = bounded.run("glm_core.data.readers.worker", [], head + content, bounds(len(content)), note)
    except BoundExceeded as error:
        raise DataError(f"data.too_{error.kind}", file=file) from error
    try:
        found = _Reader(_Frames(answer)).load()
        if "error" in found:
            raise DataError.from_record(found["error"]) or DataError("data.too_heavy", file=file)
        return found["result"]
    except DataError:
        raise
    except Exception as error:  # an answer that is none, whatever made it so
        raise DataError("data.too_heavy", file=file) from error


class _Frames(io.BytesIO):
    """Gives a pickle's frames, of 64 kB, by a method of Python's: other threads have their turn between two of them."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size)


class _Reader(pickle.Unpickler):
    """Reads the child's answer, which a foreign file may have made: no other classes than those of a result."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)
