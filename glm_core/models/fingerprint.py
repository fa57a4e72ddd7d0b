"""Which weights are these? A fingerprint of a model folder that costs milliseconds, whatever the model's size.

It tells a retrained model from the earlier one of the same name, so that an adapter can say which of them it was trained
on. Read are the names, sizes, both ends and evenly spread blocks of every weight file: two trainings differ everywhere.
It is no proof against a forger; whole files are compared by their digests (installed.py).
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from glm_core.models import checkpoints
from glm_core.models.errors import ModelError

END_BYTES = 65_536  # names and shapes lie at the start of safetensors, checksums at the end of .bin
BLOCK_BYTES, BLOCKS = 4_096, 32
DIGITS = 32


def fingerprint(folder: str | Path) -> str:
    """32 hexadecimal digits for the weights in `folder`, empty where there are none that can be read."""
    try:
        files = checkpoints.weight_files(Path(folder))
        return _of(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))
    except (ModelError, OSError):
        return ""


def differs(folder: str | Path, known: object) -> bool:
    """Whether the weights in `folder` are others than those of the fingerprint `known`; False where either is unknown."""
    here = fingerprint(folder)
    return bool(here) and isinstance(known, str) and bool(known) and here != known


@lru_cache(maxsize=256)
def _of(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, size, _changed in files:
        digest.update(f"{path.name} {size}\n".encode())
        with open(path, "rb") as file:
            for start, length in _places(size):
                file.seek(start)
                digest.update(file.read(length))
    return digest.hexdigest()[:DIGITS]


def _places(size: int) -> list[tuple[int, int]]:
    """(start, length) of what is read of a file of `size` bytes."""
    ends = [(0, END_BYTES), (max(0, size - END_BYTES), END_BYTES)]
    return ends + [(size * place // BLOCKS, BLOCK_BYTES) for place in range(1, BLOCKS)]
