"""The code that the nodes run: `glm_core` and its small assets as a zip whose name tells its content, equal for equal code."""

import hashlib
import io
import zipfile
from functools import lru_cache
from pathlib import Path

from glm_core import workspace

LARGEST = 1_000_000
"Bytes; what is larger in assets/ is a model, which lies on the shared storage."
_EPOCH = (1980, 1, 1, 0, 0, 0)


@lru_cache(maxsize=1)
def build() -> tuple[str, bytes]:
    """Return the package's name, as Ray wants it, and its content with the files at the root of the archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files():
            entry = zipfile.ZipInfo(file.relative_to(workspace.ROOT).as_posix(), _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    packed = content.getvalue()
    return f"_ray_pkg_{hashlib.sha256(packed).hexdigest()[:16]}.zip", packed


def _files() -> list[Path]:
    found = [
        file for file in (workspace.ROOT / "glm_core").rglob("*") if file.is_file() and "__pycache__" not in file.parts
    ]
    found += [file for file in workspace.ASSETS.rglob("*.json") if file.stat().st_size <= LARGEST]
    return sorted(found)
