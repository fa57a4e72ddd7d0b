"""A foreign file is read in a process of its own, so that one made to fill the memory or to take for ever ends in a sentence.

Short texts are read here: what they can take is a small multiple of their size. Formats that unpack (xlsx, parquet) and longer files never are.
"""

import io
import json
import pickle
from dataclasses import asdict

from glm_core import bounded, i18n
from glm_core.bounded import BoundExceeded, Bounds
from glm_core.data.examples import DataError
from glm_core.data.readers import read as plain
from glm_core.data.readers.read import Progress, ReadOptions, ReadResult

SHORT_BYTES = 256_000
PACKED = ("xlsx", "parquet")
MEMORY_BYTES, MEMORY_TIMES = 2_000_000_000, 6
"What a child may take, whatever it reads, and how often the file's size beside it."
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
    return Bounds(MEMORY_BYTES + MEMORY_TIMES * size, processor, 4.0 * processor)


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
    if len(content) <= SHORT_BYTES and not file.lower().endswith(PACKED):
        return plain.read_bytes(content, file, template, mapping=mapping, options=options, progress=progress)
    asked = {"file": file, "template": template, "mapping": mapping, "options": asdict(options)}
    head = json.dumps(asked | {"language": i18n.current(), "size": len(content)}).encode() + b"\n"
    report = progress or (lambda stage, fraction: None)

    def note(line: str) -> None:
        stage, _, fraction = line.partition(" ")
        if stage.startswith("data.stage."):
            report(stage, float(fraction) if fraction else None)

    try:
        answer = bounded.run("glm_core.data.readers.worker", [], head + content, bounds(len(content)), note)
        found = _Reader(io.BytesIO(answer)).load()
    except BoundExceeded as error:
        raise DataError(f"data.too_{error.kind}", file=file) from error
    except Exception as error:  # an answer that is none, whatever made it so
        raise DataError("data.too_heavy", file=file) from error
    if "error" in found:
        raise DataError.from_record(found["error"]) or DataError("data.too_heavy", file=file)
    return found["result"]


class _Reader(pickle.Unpickler):
    """Reads the child's answer, which a foreign file may have made: no other classes than those of a result."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)
